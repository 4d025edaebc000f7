"""Image translation: labels, drawings and pictures of one kind turned into another."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import cv2
import gradio as gr

from demos import components as ui
from demos.gpu import LANE, on_gpu
from demos.restoration import Restorer
from gan_models.checkpoints import registry
from gan_models.images import decode, flatten, read_provenance
from gan_models.images.facades import FACADE_LABELS
from gan_models.images.provenance import fingerprint, write_png

TITLE = "Image translation"
TASK = "translation"
DEFAULT = "translate-facades-compact"
CANVAS = 256  # pixels a side of what is drawn on; a larger one takes the browser longer at each stroke
SHOWN = 512
LABELS = {name: "#" + bytes(colour).hex() for name, colour in FACADE_LABELS.items()}
SUITS = {
    "drawing.png": "translate-edges-compact",
    "facade.png": "translate-facades-compact",
    "grey.jpg": "translate-grey-compact",
    "hole.png": "translate-masked-compact",
    "pencil.png": "translate-drawing-to-face-compact",
    "portrait.jpg": "translate-face-to-drawing-compact",
}


def _backend(model: str):
    from gan_models.translation import Translator  # brings PyTorch, so not before it is needed

    return Translator.cached(model)


restorer = Restorer(TASK, _backend, lambda model: registry.get(model).from_drawing)


@on_gpu
def translate(
    image: str,
    model: str = DEFAULT,
    from_photo: bool = False,
    side: int = 0,
    seed: int = 0,
    mask: str | None = None,
) -> Iterator[tuple]:
    """Turn a picture of one kind into one of another.

    Args:
        image: What the model starts from: a map of labels, a line drawing, a grey picture, one with a hole, any.
        model: A name that /models lists for the task "translation".
        from_photo: Whether a model of line drawings gets a photo, whose edges are found first.
        side: Pixels of the shorter side that the network sees, 64 to 1024; 0 for what it was trained at.
        seed: Of the dropout, by which pix2pix varies a little.
        mask: For models that fill a hole: white where it is. Without one it is where the picture is transparent.

    Returns:
        The picture, a PNG of the input's size that carries the settings that made it.
    """
    picture, hole = decode(image), decode(mask) if mask else None
    settings = {"from_photo": from_photo, "side": side, "seed": seed}
    record = {"mask": fingerprint(mask), "generated": restorer.draws(model), **settings}
    yield from ui.deliver(
        lambda: _backend(model).steps(picture, mask=hole, **settings), picture, task=TASK, model=model, **record
    )


@on_gpu
def translate_pictures(
    images: list[str], model: str = DEFAULT, from_photo: bool = False, side: int = 0, seed: int = 0
) -> Iterator[tuple]:
    """Turn several pictures of one kind into ones of another.

    Args:
        images: What the model starts from, in any common formats, 200 at most; holes are where they are transparent.
        model: A name that /models lists for the task "translation".
        from_photo: Whether a model of line drawings gets photos, whose edges are found first.
        side: Pixels of the shorter side that the network sees, 64 to 1024; 0 for what it was trained at.
        seed: Of the dropout, by which pix2pix varies a little.

    Returns:
        A gallery of PNG files; then all of them in a ZIP file. Pictures that can't be read are left out and named.
    """
    yield from restorer.several(images, model, from_photo=from_photo, side=side, seed=seed)


@on_gpu
def translate_film(
    film: str, model: str = DEFAULT, from_photo: bool = False, side: int = 0, seed: int = 0
) -> Iterator[tuple]:
    """Turn a film of one kind into one of another, picture by picture.

    Args:
        film: MP4, MOV, WebM, MKV, AVI or GIF, 3600 pictures at most.
        model: A name that /models lists for the task "translation"; not one that fills holes.
        from_photo: Whether a model of line drawings gets photos, whose edges are found first.
        side: Pixels of the shorter side that the network sees, 64 to 1024; 0 for what it was trained at.
        seed: Of the dropout, by which pix2pix varies a little.

    Returns:
        A video, MP4 without sound, that carries the settings that made it.
    """
    yield from restorer.film(film, model, from_photo=from_photo, side=side, seed=seed)


def build() -> ui.Ports:
    """Lay out the tab inside the Blocks that is being built."""
    with gr.Tabs() as tabs:
        with gr.Tab("Picture", id="picture"):
            sentence = "Turns a picture of one kind into another: each of the weights says from what to what."
            functions = (translate, translate_pictures, translate_film)
            ports = restorer.build(sentence, functions, "What to start from", _controls, _hole, suits=SUITS)
        with gr.Tab("Draw", id="draw") as page:
            drawn = _build_drawing(page)
    return replace(ports, outputs=(*ports.outputs, drawn), inside=((tabs, "picture"), *ports.inside))


def _controls() -> dict[str, gr.components.Component]:
    info = "For weights that start from a drawing: find the edges of a photo first."
    from_photo = gr.Checkbox(False, label="It is a photo", info=info)
    with gr.Accordion("Advanced", open=False):
        info = "Of the shorter side that the network sees; 0 for what it was trained at."
        side = gr.Slider(0, 1024, 0, step=32, precision=0, label="Pixels", info=info)
        seed = ui.seed()
    return {"from_photo": from_photo, "side": side, "seed": seed}


def _hole(image: ui.Picture) -> list[gr.components.Component]:
    with gr.Accordion("A hole to fill", open=False):
        return [ui.mask_canvas(image)]


# --- Drawing


def _build_drawing(page: gr.Tab) -> ui.Outputs:
    """Lay out the canvas whose drawing is translated when `page` is opened and at each stroke."""
    models = {takes: _drawing_model(takes) for takes in ("labels", "edges")}
    with ui.two_columns("Draw, and see at each stroke what the network makes of it.") as (inputs, outputs):
        with outputs:
            shown = gr.Image(
                label="What it makes of it",
                type="filepath",
                interactive=False,
                buttons=["fullscreen"],
                height=SHOWN,
                elem_classes="drawn",
            )
            status = ui.status_line()
            file = gr.File(label="Result (PNG)", interactive=False, elem_classes="result-file")
            row = gr.Row(elem_classes="send-row")
            result = ui.Outputs((file, shown), status, ui.settings_panel(), sent=file, send_row=row)
        with inputs:
            choices = [(model.title, takes) for takes, model in models.items()]
            kind = gr.Radio(choices, value="labels", label="Weights")
            with gr.Column(elem_classes="labels") as facade:
                label = gr.Radio(list(LABELS), value="window", label="Label to draw with")
                plan = _canvas("facade.png", _label_brush("window"))
            with gr.Column(visible=False) as sketch:
                pen = gr.Brush(default_size=3, colors=["#000000", "#ffffff"], default_color="#000000")
                drawing = _canvas("drawing.png", pen)
            with gr.Accordion("Advanced", open=False):
                seed = ui.seed()

    @on_gpu
    def draw(takes: str, plan: dict | None, drawing: dict | None, seed: int) -> tuple:
        """Translate what is on the canvas that is seen."""
        drawn = plan if takes == "labels" else drawing
        if not drawn or drawn["composite"] is None:
            return (gr.skip(),) * len(result.components)
        name = models[takes].name
        made = _backend(name)(flatten(drawn["composite"]), seed=seed)
        path = ui.new_file(f"{TASK}.png")
        write_png(path, made, task=TASK, model=name, generated=True, mask=None, from_photo=False, side=0, seed=seed)
        large = cv2.resize(made, (SHOWN, SHOWN), interpolation=cv2.INTER_CUBIC)
        note = ui.note(f"By {models[takes].title}.")
        return str(path), ui.view(large, ui.new_file("drawn.webp")), note, read_provenance(path)

    def show(takes: str) -> list[Any]:
        return [gr.update(visible=takes == "labels"), gr.update(visible=takes == "edges")]

    kind.change(show, kind, [facade, sketch], queue=False, **ui.PRIVATE)
    # The page changes the brush itself: asking the server would take longer than a visitor takes to draw.
    brushes = json.dumps({name: asdict(_label_brush(name)) for name in LABELS})
    label.change(None, label, plan, js=f"(name) => ({{__type__: 'update', brush: {brushes}[name]}})", **ui.PRIVATE)
    gr.on(
        [page.select, kind.change, plan.input, drawing.input, seed.change],
        ui.plain_errors(draw),
        [kind, plan, drawing, seed],
        result.components,
        concurrency_id=LANE,
        concurrency_limit=1,
        trigger_mode="always_last",
        **ui.PRIVATE,
    )
    return result


def _drawing_model(takes: str) -> registry.Model:
    """Return the model that starts from such drawings."""
    return registry.default(TASK, [model.name for model in registry.models(TASK) if model.takes == takes])


def _canvas(example: str, brush: gr.Brush) -> gr.ImageEditor:
    """Add a canvas that begins with an example."""
    begun = cv2.resize(decode(ui.EXAMPLES / TASK / example), (CANVAS, CANVAS), interpolation=cv2.INTER_NEAREST)
    return gr.ImageEditor(
        {"background": begun, "layers": [], "composite": begun},
        type="numpy",  # which leaves no files behind
        format="png",  # else labels would come back in other colours
        sources=[],
        layers=False,
        transforms=[],
        brush=brush,
        canvas_size=(CANVAS, CANVAS),
        label="Canvas",
        buttons=[],
        elem_classes="canvas",
    )


def _label_brush(name: str) -> gr.Brush:
    return gr.Brush(default_size=12, colors=list(LABELS.values()), default_color=LABELS[name], color_mode="fixed")
