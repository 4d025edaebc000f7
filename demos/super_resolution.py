"""Super-resolution: pictures two or four times as large."""

from collections.abc import Iterator

import gradio as gr

from demos import components as ui
from demos.gpu import on_gpu
from demos.restoration import measured_by, reference_input
from gan_models.images import decode

TITLE = "Super-resolution"
TASK = "super-resolution"


@on_gpu
def upscale(
    image: str, model: str = "sr-psnr-compact", factor: int = 4, reference: str | None = None
) -> Iterator[tuple]:
    """Enlarge a picture two or four times, with details that plain interpolation blurs.

    Args:
        image: The picture to enlarge, in any common format; transparency is kept.
        model: A name that /models lists for the task "super-resolution".
        factor: How many times as wide and as high: 2 or 4.
        reference: What the result should be, of its size: the status then says PSNR and SSIM, over all colours.

    Returns:
        The enlarged picture, a PNG that carries the settings that made it.
    """
    from gan_models.super_resolution import Upscaler, check_size  # brings PyTorch, so not before it is needed

    picture = decode(image)
    check_size(*picture.shape[:2], factor, model)
    yield from ui.deliver(
        lambda: Upscaler.cached(model).steps(picture, factor=factor),
        picture,
        task=TASK,
        model=model,
        remark=measured_by(reference, picture, *(length * factor for length in picture.shape[:2])),
        factor=factor,
    )


def build() -> ui.Ports:
    """Lay out the tab inside the Blocks that is being built."""
    columns = ui.two_columns("Makes a picture two or four times as large, and draws the details sharply.")
    with columns as (inputs, outputs):
        with outputs:
            result = ui.before_after()
        with inputs:
            image = ui.picture("A picture to enlarge", examples=TASK)
            model = ui.weights_picker(TASK)
            factor = gr.Radio(
                [("×2", 2), ("×4", 4)],
                value=4,
                label="Factor",
                info="×4 makes a picture of 16 times the pixels.",
            )
            further = reference_input(image)
            ui.run(upscale, inputs=[image, model, factor, *further], outputs=result, api_name="upscale")
    ui.restore_settings(image, TASK, {"model": model, "factor": factor})
    return ui.Ports(model, image, (result,))
