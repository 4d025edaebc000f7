"""How the single-image tab looks: a tab for each task, and the models that they share."""

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from demos import components as ui
from demos.gpu import TRAINING
from demos.placement import placed, placement
from demos.single_image.endpoints import (
    DEFAULT,
    STARTS,
    TASK,
    backend_of,
    singan_animate,
    singan_edit,
    singan_harmonize,
    singan_load,
    singan_paint,
    singan_sample,
    singan_train,
    singan_upscale,
)
from gan_models.checkpoints import registry
from gan_models.images import decode
from gan_models.images.palette import main_colours

TITLE = "Single image"
CANVAS = 384  # pixels across


def build() -> ui.Ports:
    """Lay out the tab inside the Blocks that is being built."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            model = ui.weights_picker(TASK)
        with gr.Column(scale=6, min_width=320):
            ground = gr.Image(
                str(_example(DEFAULT)),
                label="What the model was trained on",
                interactive=False,
                height=140,
                buttons=[],
            )
    scales: dict[str, gr.Slider] = {}
    with gr.Tabs() as tabs:
        with gr.Tab("Random samples"):
            sampled = _build_sampling(model, scales)
        with gr.Tab("Harmonise"):
            harmonized, *placing, thing = _build_placing(model, scales, "harmonize")
        with gr.Tab("Edit"):
            edited, *cutting, _ = _build_placing(model, scales, "edit")
        with gr.Tab("Paint"):
            painted, *painting = _build_painting(model, scales)
        with gr.Tab("Animate"):
            film = _build_animation(model, scales)
        with gr.Tab("Upscale"):
            upscaled = _build_upscaling()
        with gr.Tab("Train", id="train"):
            trained, image = _build_training(model)

    def describe(name: str, path: str | None, *starts: int) -> list[Any]:
        """Show the picture of a model that was picked, and drop what was made for another one."""
        backend = backend_of(name)
        picture, last = backend.picture, backend.scales - 1
        sliders = []
        for task, start in zip(scales, starts, strict=True):
            fits = start is not None and start <= last
            value = start if fits else backend.default_start_scale(task)
            sliders.append(gr.update(maximum=max(2, last), value=value))
        object_place = placed(picture, decode(path) if path else None)
        piece_place = placed(picture, cut=True)
        return [picture, *sliders, object_place, None, None, piece_place, None, None, _canvas(picture), None]

    shown = [ground, *scales.values(), *placing, *cutting, *painting]
    model.change(ui.plain_errors(describe), [model, thing, *scales.values()], shown, queue=False, **ui.PRIVATE)
    outputs = (sampled, harmonized, edited, painted, film, upscaled, trained)
    return ui.Ports(model, image, outputs, inside=((tabs, "train"),))


def _example(model: str) -> Path:
    return ui.EXAMPLES / TASK / f"{model.removeprefix('singan-')}.png"


def _start_scale(task: str, info: str, model: gr.Dropdown, scales: dict[str, gr.Slider]) -> gr.Slider:
    """Add the slider of a task's start scale, and what stays of the picture with it."""
    lowest, highest = int(task not in ("sample", "animate")), len(registry.get(DEFAULT).config["sizes"]) - 1
    slider = StartScale(lowest, highest, STARTS[task], step=1, precision=0, label="Start scale", info=info)
    stays = gr.Image(label="Stays as it is", interactive=False, height=110, buttons=[], visible=False)
    scales[task] = slider

    def show(name: str, scale: int) -> dict:
        kept = backend_of(name).kept(scale)
        return gr.update(value=kept, visible=kept is not None)

    slider.change(ui.plain_errors(show), [model, slider], stays, queue=False, **ui.PRIVATE)
    return slider


class StartScale(gr.Slider):
    """A slider whose end depends on the model: what is past it is refused by the backend."""

    is_template = True

    def preprocess(self, payload: Any) -> int | None:
        """Return the scale; None, which callers may send, is what is usual for the model."""
        if payload is None:
            return None
        if not isinstance(payload, int | float) or payload != payload // 1:
            raise gr.Error("The start scale is a whole number.", print_exception=False)
        return int(payload)


def _build_sampling(model: gr.Dropdown, scales: dict[str, gr.Slider]) -> ui.Outputs:
    columns = ui.two_columns("Draws new pictures with the same kinds of things in other places, of any shape.")
    with columns as (inputs, outputs):
        with outputs:
            result = ui.gallery("Pictures", columns=2)
        with inputs:
            count = gr.Slider(1, 16, 8, step=1, precision=0, label="Count")
            info = "0 invents the layout; higher ones keep more of the training picture and vary details."
            start = _start_scale("sample", info, model, scales)
            width = gr.Slider(0.25, 4, 1, step=0.05, label="Width", info="In units of the training picture's.")
            height = gr.Slider(0.25, 4, 1, step=0.05, label="Height")
            with gr.Accordion("Advanced", open=False):
                seed = ui.seed()
                made = ui.made_here("A picture")
            controls = {"start_scale": start, "width_factor": width, "height_factor": height, "seed": seed}
            inputs = [model, count, *controls.values()]
            ui.run(singan_sample, inputs=inputs, outputs=result, api_name="singan_sample")
    ui.restore_settings(made, TASK, {"model": model, **controls}, "sample")
    return result


def _build_placing(model: gr.Dropdown, scales: dict[str, gr.Slider], task: str) -> tuple:
    """Lay out harmonisation, of an object from elsewhere, or editing, with a piece of the picture itself.

    Returns the outputs, the place, the composite and the mask that are made there, and the object if there is one.
    """
    harmonizing = task == "harmonize"
    if harmonizing:
        sentence = "Puts an object into the picture, and redraws it in the picture's own manner."
        hint = "Drag the object; arrow keys move it, + and − resize it."
    else:
        sentence = "Copies a piece of the picture to another place, and hides the seams."
        hint = "Drag a frame round a piece, then drag the piece to its new place."
    with ui.two_columns(sentence) as (inputs, outputs):
        with outputs:
            result = ui.before_after()
        with inputs:
            thing = None
            if harmonizing:
                thing = ui.picture("An object, best a PNG with transparency", "single-image-objects")
            place = placement(hint, placed(decode(_example(DEFAULT)), cut=not harmonizing))
            info = "What is coarser than this stays as it was pasted: lower scales change more."
            start = _start_scale(task, info, model, scales)
            with gr.Accordion("Advanced: a ready composite and its mask", open=False):
                source = ui.upload("The training picture with something in it", "composite")
                mask = ui.upload("Its mask: white where that is", "mask")
                seed = ui.seed()
                made = ui.made_here("A picture")
            function = singan_harmonize if harmonizing else singan_edit
            inputs = [model, source, mask, start, seed]
            ui.run(function, inputs=inputs, outputs=result, api_name=f"singan_{task}")
    ui.restore_settings(made, TASK, {"model": model, "start_scale": start, "seed": seed}, task)

    def show(name: str, path: str | None) -> dict:
        return placed(backend_of(name).picture, decode(path) if path else None)

    def put(event: gr.EventData, name: str, path: str | None = None) -> tuple[str, str]:
        from gan_models.singan import tasks

        ground = backend_of(name).picture
        piece = decode(path) if harmonizing else tasks.cut(ground, event.box)
        composite, where = tasks.paste(ground, piece, x=event.x, y=event.y, width=event.width)
        return _unsigned(composite, "composite"), _unsigned(np.repeat(where[:, :, None], 3, 2), "mask")

    asked = [model, thing] if harmonizing else [model]
    if harmonizing:
        thing.change(ui.plain_errors(show), asked, place, queue=False, **ui.PRIVATE)
    place.input(ui.plain_errors(put), asked, [source, mask], queue=False, **ui.PRIVATE)
    return result, place, source, mask, thing


def _unsigned(picture: np.ndarray, name: str) -> str:
    """Write what a visitor put together, which no model has drawn, and return the path."""
    return ui.view(picture, ui.new_file(f"{name}.png"))


def _build_painting(model: gr.Dropdown, scales: dict[str, gr.Slider]) -> tuple:
    """Lay out paint-to-image; returns the outputs, the canvas, and the painting that is made there."""
    with ui.two_columns("Turns a rough painting into a picture like the training picture.") as (inputs, outputs):
        with outputs:
            result = ui.before_after()
        with inputs:
            canvas = _canvas(decode(_example(DEFAULT)))
            info = "What is coarser than this stays as it was painted: lower scales change more."
            start = _start_scale("paint", info, model, scales)
            info = "Replace each colour by the nearest of the picture's five main ones."
            quantize = gr.Checkbox(False, label="Quantise colours", info=info)
            with gr.Accordion("Advanced: a ready painting", open=False):
                painting = ui.picture("A painting", "single-image-paintings")
                seed = ui.seed()
                made = ui.made_here("A picture")
            controls = {"start_scale": start, "quantize": quantize, "seed": seed}
            inputs = [model, painting, *controls.values()]
            ui.run(singan_paint, inputs=inputs, outputs=result, api_name="singan_paint")
    ui.restore_settings(made, TASK, {"model": model, **controls}, "paint")
    canvas.input(lambda drawn: drawn and drawn["composite"], canvas, painting, queue=False, **ui.PRIVATE)
    return result, canvas, painting


def _canvas(picture: np.ndarray) -> gr.ImageEditor:
    """Return a canvas of the shape of `picture`, with its main colours to paint with."""
    colours = main_colours(picture)
    far = np.abs(colours.astype(int) - colours[0]).sum(1).argmax()  # the colour that shows best on the first
    swatches = ["#" + bytes(colour).hex() for colour in colours]
    height, width = picture.shape[:2]
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


def _build_animation(model: gr.Dropdown, scales: dict[str, gr.Slider]) -> ui.Outputs:
    with ui.two_columns("Sets the picture in motion.") as (inputs, outputs):
        with outputs:
            result = ui.video("Film", gif=True)
        with inputs:
            info = "0 moves everything; higher ones move smaller and smaller things."
            start = _start_scale("animate", info, model, scales)
            alpha = gr.Slider(0, 1, 0.1, step=0.01, label="Alpha", info="How near the motion stays to the picture.")
            beta = gr.Slider(0, 1, 0.9, step=0.01, label="Beta", info="How smooth it is.")
            frames = gr.Slider(2, 600, 60, step=1, precision=0, label="Frames")
            with gr.Accordion("Advanced", open=False):
                fps = gr.Slider(1, 60, 12, step=1, label="Pictures a second")
                seed = ui.seed()
                loop = gr.Checkbox(True, label="Loop", info="Let the end lead on to the beginning.")
            inputs = [model, start, alpha, beta, frames, fps, seed, loop]
            ui.run(singan_animate, inputs=inputs, outputs=result, api_name="singan_animate")
    return result


def _preset() -> gr.Radio:
    info = "Quick takes minutes on a CPU, balanced some times that; paper, as published, wants a GPU."
    return gr.Radio(["quick", "balanced", "paper"], value="quick", label="Preset", info=info)


def _build_upscaling() -> ui.Outputs:
    sentence = "Enlarges a picture by what its own details teach: trains on it first, for minutes."
    with ui.two_columns(sentence) as (inputs, outputs):
        with outputs:
            result = ui.before_after()
        with inputs:
            image = ui.picture("A picture to enlarge", TASK)
            factor = gr.Slider(1.5, 8, 4, step=0.5, label="Factor", info="Up to two megapixels in all.")
            controls = {"factor": factor, "preset": _preset(), "seed": ui.seed()}
            inputs = [image, *controls.values()]
            ui.run(singan_upscale, inputs=inputs, outputs=result, api_name="singan_upscale", lane=TRAINING)
    ui.restore_settings(image, TASK, controls, "upscale")
    return result


def _build_training(model: gr.Dropdown) -> tuple[ui.Outputs, ui.Picture]:
    with ui.two_columns("Trains a model on your picture; every other tab here can use it then.") as (inputs, outputs):
        with outputs:
            status = ui.status_line()
            name = gr.Textbox(label="Model", interactive=False, buttons=["copy"], elem_classes="own-name")
            pictures = ui.pictures_grid("What it draws, scale by scale", columns=3)
            curves = gr.Image(show_label=False, type="filepath", interactive=False, buttons=[], elem_classes="curves")
            file = gr.File(label="The model, to bring back later", interactive=False, elem_classes="result-file")
            result = ui.Outputs((name, pictures, curves, file), status, ui.settings_panel())
        with inputs:
            image = ui.picture("A picture to learn from", TASK)
            preset = _preset()
            with gr.Accordion("Advanced", open=False):
                seed = ui.seed()
                info = "A cancelled training of the same picture, preset and seed; empty to start afresh."
                resume = gr.Textbox("", label="Go on with", info=info, max_length=64, elem_classes="resume")
            inputs = [image, preset, seed, resume]
            ui.run(singan_train, inputs=inputs, outputs=result, api_name="singan_train", lane=TRAINING)
            brought = gr.File(label="Bring a model back", file_types=[".safetensors"], height=110)
            loaded = gr.Textbox(label="Its name", interactive=False, visible=False)
    for control in (image, preset, seed):
        control.change(lambda: "", None, resume, queue=False, **ui.PRIVATE)
    name.change(lambda name: name, name, resume, queue=False, **ui.PRIVATE)
    brought.upload(ui.plain_errors(singan_load), brought, loaded, api_name="singan_load", queue=False)
    choices = model.choices

    def use(name: str, there: Any) -> tuple[Any, str]:
        if not name or not there:
            return gr.skip(), gr.skip()
        return gr.update(choices=[*choices, ("Your own model", name)], value=name), ""

    file.change(use, [name, file], [model, resume], queue=False, **ui.PRIVATE)
    loaded.change(use, [loaded, loaded], [model, resume], queue=False, **ui.PRIVATE)
    return result, image
