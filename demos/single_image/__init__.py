"""Single image: a model of one picture, and what it is good for: a tab for each task, and the models they share."""

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from demos.kit import own_models
from demos.kit.controls import EXAMPLES, PRIVATE, controls, inlined_info, picture, upload, weights_picker
from demos.kit.errors import plain_errors
from demos.kit.files import cache_folder, new_file, view
from demos.kit.gpu import TRAINING
from demos.kit.outputs import Outputs, Ports, Tab, outputs, two_columns
from demos.kit.placement import placed, placement
from demos.kit.runs import run
from demos.single_image.training import singan_load, trained
from gan_models.checkpoints import registry
from gan_models.images import decode
from gan_models.images.palette import main_colours
from gan_models.singan import (
    SinganAnimate,
    SinganEdit,
    SinganHarmonize,
    SinganPaint,
    SinganSample,
    SinganTrain,
    SinganUpscale,
    default_start_scale,
)
from gan_models.task import Task

DEFAULT = SinganSample.parameters()["model"].default
CANVAS = 384  # pixels across


def build() -> Ports:
    """Lay out the tab inside the Blocks that is being built."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            model = weights_picker("single-image", DEFAULT)
        with gr.Column(scale=6, min_width=320):
            ground = gr.Image(
                str(_example(DEFAULT)),
                label="What the model was trained on",
                interactive=False,
                height=140,
                buttons=[],
            )
    scales: dict[type[Task], gr.Slider] = {}
    with gr.Tabs() as tabs:
        with gr.Tab("Random samples"):
            sampled = _build(
                SinganSample,
                model,
                scales,
                "Draws new pictures with the same kinds of things in other places, of any shape.",
                columns=2,
            )
        with gr.Tab("Harmonise"):
            harmonized, *placing, thing = _build_placing(SinganHarmonize, model, scales)
        with gr.Tab("Edit"):
            edited, *cutting, _ = _build_placing(SinganEdit, model, scales)
        with gr.Tab("Paint"):
            painted, *painting = _build_painting(model, scales)
        with gr.Tab("Animate"):
            film = _build(SinganAnimate, model, scales, "Sets the picture in motion.")
        with gr.Tab("Upscale"):
            upscaled = _build_upscaling()
        with gr.Tab("Train", id="train"):
            learned, image = _build_training(model)

    def describe(name: str, path: str | None, *starts: int) -> list[Any]:
        """Show the picture of a model that was picked, and drop what was made for another one."""
        backend = _backend(name)
        picture, last = backend.picture, backend.scales - 1
        sliders = []
        for task, start in zip(scales, starts, strict=True):
            fits = start is not None and start <= last
            value = start if fits else default_start_scale(task.action, backend.scales)
            sliders.append(gr.update(maximum=max(2, last), value=value))
        object_place = placed(picture, decode(path) if path else None)
        piece_place = placed(picture, cut=True)
        return [picture, *sliders, object_place, None, None, piece_place, None, None, _canvas(picture), None]

    shown = [ground, *scales.values(), *placing, *cutting, *painting]
    model.change(plain_errors(describe), [model, thing, *scales.values()], shown, queue=False, **PRIVATE)
    results = (sampled, harmonized, edited, painted, film, upscaled, learned)
    return Ports(model, image, results, inside=((tabs, "train"),))


def _example(model: str) -> Path:
    return EXAMPLES / "single-image" / f"{model.removeprefix('singan-')}.png"


def _backend(model: str) -> Any:
    """Return the backend of a registered model or of a visitor's own."""
    own = own_models.is_own(model)
    return SinganSample.backend_class().cached(str(own_models.file(model, cache_folder())) if own else model)


def _build(
    task: type[Task], model: gr.Dropdown, scales: dict[type[Task], gr.Slider], lead: str, columns: int = 4
) -> Outputs:
    """Lay out what a model draws from noise alone."""
    with two_columns(lead) as (inputs, shown):
        with shown:
            result = outputs(task, columns=columns)
        with inputs:
            start = _start_scale(task, model, scales)
            run(task, controls(task, model=model, start_scale=start), result)
    return result


def _start_scale(task: type[Task], model: gr.Dropdown, scales: dict[type[Task], gr.Slider]) -> gr.Slider:
    """Add the slider of a task's start scale, and what stays of the picture with it."""
    one = task.parameters()["start_scale"]
    scales_of_default = registry.get(DEFAULT).scales
    begin = default_start_scale(task.action, scales_of_default)
    slider = gr.Slider(
        one.ge, scales_of_default - 1, begin, step=1, precision=0, label=one.title, info=one.description
    )
    stays = gr.Image(label="Stays as it is", interactive=False, height=110, buttons=[], visible=False)
    scales[task] = slider

    def show(name: str, scale: int) -> dict:
        kept = _backend(name).kept(scale)
        return gr.update(value=kept, visible=kept is not None)

    slider.change(plain_errors(show), [model, slider], stays, queue=False, **PRIVATE)
    return slider


def _build_placing(task: type[Task], model: gr.Dropdown, scales: dict[type[Task], gr.Slider]) -> tuple:
    """Lay out harmonisation, of an object from elsewhere, or editing, with a piece of the picture itself.

    Returns the outputs, the place, the composite and the mask that are made there, and the object if there is one.
    """
    harmonizing = task is SinganHarmonize
    source = "composite" if harmonizing else "edited"
    if harmonizing:
        lead = "Puts an object into the picture, and redraws it in the picture's own manner."
        hint = "Drag the object; arrow keys move it, + and − resize it."
    else:
        lead = "Copies a piece of the picture to another place, and hides the seams."
        hint = "Drag a frame round a piece, then drag the piece to its new place."
    with two_columns(lead) as (inputs, shown):
        with shown:
            result = outputs(task, compared="Before and after")
        with inputs:
            thing = None
            if harmonizing:
                thing = picture("An object, best a PNG with transparency", "single-image-objects")
            place = placement(hint, placed(decode(_example(DEFAULT)), cut=not harmonizing))
            start = _start_scale(task, model, scales)
            parameters = task.parameters()
            with gr.Accordion("Advanced: a ready composite and its mask", open=False):
                ready = {name: upload(parameters[name].title, name) for name in (source, "mask")}
            run(task, controls(task, model=model, start_scale=start, **ready), result)

    def show(name: str, path: str | None) -> dict:
        return placed(_backend(name).picture, decode(path) if path else None)

    def put(event: gr.EventData, name: str, path: str | None = None) -> tuple[str, str]:
        from gan_models.singan import applications  # brings PyTorch

        ground = _backend(name).picture
        piece = decode(path) if harmonizing else applications.cut(ground, event.box)
        composite, where = applications.paste(ground, piece, x=event.x, y=event.y, width=event.width)
        return _unsigned(composite, "composite"), _unsigned(np.repeat(where[:, :, None], 3, 2), "mask")

    asked = [model, thing] if harmonizing else [model]
    if harmonizing:
        thing.change(plain_errors(show), asked, place, queue=False, **PRIVATE)
    place.input(plain_errors(put), asked, list(ready.values()), queue=False, **PRIVATE)
    return result, place, *ready.values(), thing


def _unsigned(image: np.ndarray, name: str) -> str:
    """Write what a visitor put together, which no model has drawn, and return the path."""
    return view(image, new_file(f"{name}.png"))


def _build_painting(model: gr.Dropdown, scales: dict[type[Task], gr.Slider]) -> tuple:
    """Lay out paint-to-image; returns the outputs, the canvas, and the painting that is made there."""
    with two_columns("Turns a rough painting into a picture like the training picture.") as (inputs, shown):
        with shown:
            result = outputs(SinganPaint, compared="Before and after")
        with inputs:
            canvas = _canvas(decode(_example(DEFAULT)))
            start = _start_scale(SinganPaint, model, scales)
            with gr.Accordion("Advanced: a ready painting", open=False):
                painting = picture("A painting", "single-image-paintings")
            run(SinganPaint, controls(SinganPaint, model=model, start_scale=start, painting=painting), result)
    canvas.input(lambda drawn: drawn and drawn["composite"], canvas, painting, queue=False, **PRIVATE)
    return result, canvas, painting


def _canvas(image: np.ndarray) -> gr.ImageEditor:
    """Return a canvas of the shape of `image`, with its main colours to paint with."""
    colours = main_colours(image)
    far = np.abs(colours.astype(int) - colours[0]).sum(1).argmax()  # the colour that shows best on the first
    swatches = ["#" + bytes(colour).hex() for colour in colours]
    height, width = image.shape[:2]
    blank = np.full((round(CANVAS * height / width), CANVAS, 3), colours[0], np.uint8)
    return gr.ImageEditor(
        {"background": blank, "layers": [], "composite": blank},
        type="filepath",
        format="png",
        sources=[],
        layers=False,
        transforms=[],
        brush=gr.Brush(default_size=24, colors=swatches, default_color=swatches[far], color_mode="defaults"),
        canvas_size=blank.shape[1::-1],
        label="Canvas",
        buttons=[],
        elem_classes="canvas",
    )


def _build_upscaling() -> Outputs:
    lead = "Enlarges a picture by what its own details teach: trains on it first, for minutes."
    with two_columns(lead) as (inputs, shown):
        with shown:
            result = outputs(SinganUpscale, compared="Before and after")
        with inputs:
            run(SinganUpscale, controls(SinganUpscale), result, lane=TRAINING)
    return result


def _build_training(model: gr.Dropdown) -> tuple[Outputs, gr.Image]:
    lead = "Trains a model on your picture; every other tab here can use it then."
    with two_columns(lead) as (inputs, shown):
        with shown:
            result = outputs(SinganTrain, columns=3)
        with inputs:
            asked = controls(SinganTrain)
            run(SinganTrain, asked, result, lane=TRAINING, work=trained)
            brought = gr.File(label="Bring a model back", file_types=[".safetensors"], height=110)
            brought.api_info = brought.api_info_as_input = partial(inlined_info, brought)
            loaded = gr.Textbox(label="Its name", interactive=False, visible=False)
    resume, name, file = asked["resume"], result.parts["model"], result.parts["file"]
    changes = [asked[one].change for one in ("image", "preset", "seed", "iterations")]
    gr.on(changes, None, None, resume, js="() => ''", **PRIVATE)
    name.change(None, name, resume, js="(name) => name", **PRIVATE)
    brought.upload(plain_errors(singan_load), brought, loaded, api_name="singan_load", queue=False)
    choices = model.choices

    def use(name: str, there: Any) -> tuple[Any, str]:
        if not name or not there:
            return gr.skip(), gr.skip()
        return gr.update(choices=[*choices, ("Your own model", name)], value=name), ""

    file.change(use, [name, file], [model, resume], queue=False, **PRIVATE)
    loaded.change(use, [loaded, loaded], [model, resume], queue=False, **PRIVATE)
    return result, asked["image"]


TAB = Tab("Single image", build)
