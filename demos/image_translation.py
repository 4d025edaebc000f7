"""Image translation: labels, drawings and pictures of one kind turned into another."""

import json
from dataclasses import asdict, replace
from typing import Any

import cv2
import gradio as gr

from demos.kit import restoration
from demos.kit.controls import EXAMPLES, PRIVATE, Picture, controls
from demos.kit.errors import plain_errors
from demos.kit.files import new_file, view
from demos.kit.gpu import LANE, on_gpu
from demos.kit.masks import mask_canvas
from demos.kit.messages import note
from demos.kit.outputs import Outputs, Ports, Tab, outputs, two_columns
from gan_models.checkpoints import registry
from gan_models.images import decode, flatten
from gan_models.images.facades import FACADE_LABELS
from gan_models.results import Results
from gan_models.translation import Translate

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


def build() -> Ports:
    """Lay out the tab inside the Blocks that is being built."""
    with gr.Tabs() as tabs:
        with gr.Tab("Picture", id="picture"):
            lead = "Turns a picture of one kind into another: each of the weights says from what to what."
            ports = restoration.build(Translate, lead, suits=SUITS, alone=_hole)
        with gr.Tab("Draw", id="draw") as page:
            drawn = _build_drawing(page)
    return replace(ports, outputs=(*ports.outputs, drawn), inside=((tabs, "picture"), *ports.inside))


def _hole(image: Picture) -> dict[str, gr.components.Component]:
    with gr.Accordion(Translate.parameters()["mask"].title, open=False):
        return {"mask": mask_canvas(image)}


# --- Drawing


def _build_drawing(page: gr.Tab) -> Outputs:
    """Lay out the canvas whose drawing is translated when `page` is opened and at each stroke."""
    models = {takes: _drawing_model(takes) for takes in ("labels", "edges")}
    with two_columns("Draw, and see at each stroke what the network makes of it.") as (inputs, results):
        with results:
            result = outputs(Translate, height=SHOWN)
        with inputs:
            choices = [(model.title, takes) for takes, model in models.items()]
            kind = gr.Radio(choices, value="labels", label="Weights")
            with gr.Column(elem_classes="labels") as facade:
                label = gr.Radio(list(LABELS), value="window", label="Label to draw with")
                plan = _canvas("facade.png", _label_brush("window"))
            with gr.Column(visible=False) as sketch:
                pen = gr.Brush(default_size=3, colors=["#000000", "#ffffff"], default_color="#000000")
                drawing = _canvas("drawing.png", pen)
            seed = controls(Translate, ["seed"])["seed"]

    @on_gpu
    def draw(takes: str, plan: dict | None, drawing: dict | None, seed: int) -> Any:
        """Translate what is on the canvas that is seen."""
        drawn = plan if takes == "labels" else drawing
        if not drawn or drawn["composite"] is None:
            return gr.skip()
        model = models[takes]
        ask = Translate.ask(image=flatten(drawn["composite"]), model=model.name, seed=seed)
        *_, last = Results(ask, new_file).follow(ask.run())
        large = cv2.resize(last.preview, (SHOWN, SHOWN), interpolation=cv2.INTER_CUBIC)
        shown = {"shown": view(large, new_file("drawn.webp")), "status": note(f"By {model.title}.")}
        return {result.by_name[name]: value for name, value in (last.result | shown).items()}

    def show(takes: str) -> list[Any]:
        return [gr.update(visible=takes == "labels"), gr.update(visible=takes == "edges")]

    kind.change(show, kind, [facade, sketch], queue=False, **PRIVATE)
    # The page changes the brush itself: asking the server would take longer than a visitor takes to draw.
    brushes = json.dumps({name: asdict(_label_brush(name)) for name in LABELS})
    label.change(None, label, plan, js=f"(name) => ({{__type__: 'update', brush: {brushes}[name]}})", **PRIVATE)
    gr.on(
        [page.select, kind.change, plan.input, drawing.input, seed.change],
        plain_errors(draw),
        [kind, plan, drawing, seed],
        list(result.by_name.values()),
        concurrency_id=LANE,
        concurrency_limit=1,
        trigger_mode="always_last",
        **PRIVATE,
    )
    return result


def _drawing_model(takes: str) -> registry.Model:
    """Return the model that starts from such drawings."""
    return registry.default(
        Translate.name, [model.name for model in registry.models(Translate.name) if model.takes == takes]
    )


def _canvas(example: str, brush: gr.Brush) -> gr.ImageEditor:
    """Add a canvas that begins with an example."""
    begun = cv2.resize(decode(EXAMPLES / Translate.name / example), (CANVAS, CANVAS), interpolation=cv2.INTER_NEAREST)
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


TAB = Tab("Image translation", build)
