"""Style transfer: a picture in the manner of another one, or at once in one that was learned."""

from dataclasses import replace

import gradio as gr

from demos.kit import restoration
from demos.kit.controls import PRIVATE, controls, picture, upload, weights_picker
from demos.kit.gpu import SEARCH
from demos.kit.masks import mask_canvas
from demos.kit.outputs import Ports, Tab, outputs, two_columns
from demos.kit.runs import run
from gan_models.checkpoints import registry
from gan_models.style_transfer import FastStylize, Stylize

VGG = "gan_models.nn.features.network:VGG"


def build() -> Ports:
    """Lay out the tab inside the Blocks that is being built."""
    with gr.Tabs() as tabs:
        with gr.Tab("Any style", id="any") as any_style:
            ports = _build_any()
        with gr.Tab("Learned styles") as some:
            lead = "Redraws pictures and films at once, in a style that a network has learned."
            learned = restoration.build(FastStylize, lead, examples="style-transfer")
    parts = ((any_style, ports.picker), (some, learned.picker))
    return replace(ports, outputs=(*ports.outputs, *learned.outputs), inside=((tabs, "any"),), parts=parts)


def _build_any() -> Ports:
    """Lay out what draws in any style."""
    parameters = Stylize.parameters()
    sentence = "Draws a picture in the style of any other, by optimising it: a minute on a laptop."
    with two_columns(sentence) as (inputs, results):
        with results:
            result = outputs(Stylize, compared="The picture, and in the style", height=520)
            further = gr.Button("Go on from here", size="sm")
        with inputs:
            with gr.Row():
                with gr.Column(min_width=160):
                    content = picture(parameters["content"].title, "style-transfer")
                with gr.Column(min_width=160):
                    style = picture(parameters["style"].title, "styles")
            begun = upload(parameters["begun"].title, "begun", visible=False)
            start = gr.Column()
            made = ("content", "style", "model", "region", "begun")
            settings = controls(Stylize, [name for name in parameters if name not in made])
            with gr.Accordion("Only a part of the picture", open=False):
                region = mask_canvas(content, parameters["region"].title)
            one = parameters["model"]
            readers = [entry.name for entry in registry.models(one.weights) if entry.network == VGG]
            model = weights_picker(one.weights, one.default, readers)
            settings |= controls(Stylize, (), content=content, style=style, model=model, region=region, begun=begun)
    with start:
        run(Stylize, settings, result, lane=SEARCH)
    further.click(_come_so_far, result.compared, begun, queue=False, **PRIVATE)
    content.change(lambda: gr.update(value=None, visible=False), None, begun, queue=False, **PRIVATE)
    return Ports(model, content, (result,))


def _come_so_far(pair: tuple[str | None, str | None] | None) -> dict:
    """Show what a run came to, even one that was cancelled, as what the next one goes on from."""
    return gr.update(value=pair[1], visible=True) if pair and pair[1] else gr.skip()


TAB = Tab("Style transfer", build)
