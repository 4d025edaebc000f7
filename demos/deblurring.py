"""Deblurring: undo camera shake, motion and defocus."""

from collections.abc import Iterator

import gradio as gr

from demos import components as ui
from demos.gpu import on_gpu
from demos.restoration import Restorer, reference_input, strength

TITLE = "Deblurring"
TASK = "deblurring"
DEFAULT = "deblur-compact"


def _backend(model: str):
    from gan_models.deblurring import Deblurrer  # brings PyTorch, so not before it is needed

    return Deblurrer.cached(model)


restorer = Restorer(TASK, _backend)


@on_gpu
def deblur(
    image: str,
    model: str = DEFAULT,
    strength: float = 1.0,
    reduction: int = 0,
    length: float = 9.0,
    angle: float = 0.0,
    reference: str | None = None,
) -> Iterator[tuple]:
    """Sharpen a picture that is shaken, moved or a little out of focus.

    Args:
        image: The blurred picture, in any common format; transparency is kept.
        model: A name that /models lists for the task "deblurring".
        strength: From 0, the picture as it came, to 1, all that the model corrects.
        reduction: 1 for what moved a few pixels to 4 for what moved twenty, 0 to see what fits; for compact networks.
        length: Of the motion, 1 to 40 pixels; only the classical formulas ask for it.
        angle: Of the motion against the horizontal, in degrees; only the classical formulas ask for it.
        reference: The sharp picture, of the same size: the status then says PSNR and SSIM before and after.

    Returns:
        The sharper picture, a PNG of the input's size that carries the settings that made it.
    """
    settings = {"strength": strength, "reduction": reduction, "length": length, "angle": angle}
    yield from restorer.one(image, model, reference, **settings)


@on_gpu
def deblur_pictures(
    images: list[str],
    model: str = DEFAULT,
    strength: float = 1.0,
    reduction: int = 0,
    length: float = 9.0,
    angle: float = 0.0,
) -> Iterator[tuple]:
    """Sharpen several pictures.

    Args:
        images: Blurred pictures, in any common formats, 200 at most.
        model: A name that /models lists for the task "deblurring".
        strength: From 0, the pictures as they came, to 1, all that the model corrects.
        reduction: 1 for what moved a few pixels to 4 for what moved twenty, 0 to see what fits; for compact networks.
        length: Of the motion, 1 to 40 pixels; only the classical formulas ask for it.
        angle: Of the motion against the horizontal, in degrees; only the classical formulas ask for it.

    Returns:
        A gallery of PNG files; then all of them in a ZIP file. Pictures that can't be read are left out and named.
    """
    yield from restorer.several(images, model, strength=strength, reduction=reduction, length=length, angle=angle)


@on_gpu
def deblur_film(
    film: str,
    model: str = DEFAULT,
    strength: float = 1.0,
    reduction: int = 0,
    length: float = 9.0,
    angle: float = 0.0,
) -> Iterator[tuple]:
    """Sharpen a film, picture by picture.

    Args:
        film: MP4, MOV, WebM, MKV, AVI or GIF, 3600 pictures at most.
        model: A name that /models lists for the task "deblurring".
        strength: From 0, the film as it came, to 1, all that the model corrects.
        reduction: 1 for what moved a few pixels to 4 for what moved twenty, 0 to see what fits; for compact networks.
        length: Of the motion, 1 to 40 pixels; only the classical formulas ask for it.
        angle: Of the motion against the horizontal, in degrees; only the classical formulas ask for it.

    Returns:
        A video, MP4 without sound, that carries the settings that made it.
    """
    yield from restorer.film(film, model, strength=strength, reduction=reduction, length=length, angle=angle)


def _controls() -> dict[str, gr.components.Component]:
    """Add the strength, and what compact networks and the classical formulas ask for."""
    controls = strength()
    info = "How far things moved; compact networks undo longer motions at reduced sizes."
    choices = [("see what fits", 0), ("a few pixels", 1), ("about ten", 2), ("fifteen", 3), ("twenty", 4)]
    reduction = gr.Radio(choices, value=0, label="Motion", info=info)
    with gr.Accordion("Advanced: for the formulas", open=False):
        length = gr.Slider(
            1, 40, 9, step=1, label="Length", info="Of the motion that Wiener and Richardson–Lucy assume, in pixels."
        )
        angle = gr.Slider(-90, 90, 0, step=5, label="Angle", info="Degrees against the horizontal.")
    return {**controls, "reduction": reduction, "length": length, "angle": angle}


def build() -> ui.Ports:
    """Lay out the tab inside the Blocks that is being built."""
    sentence = "Sharpens what shook or moved, by networks or, to compare, by classical deconvolution."
    functions = (deblur, deblur_pictures, deblur_film)
    return restorer.build(sentence, functions, "A blurred picture", _controls, reference_input)
