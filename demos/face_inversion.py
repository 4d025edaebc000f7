"""Face inversion: a photo of a face as latents, and what follows from that: colours, what was hidden, edits."""

import gradio as gr

from demos.kit.controls import PRIVATE, controls
from demos.kit.gpu import SEARCH
from demos.kit.masks import mask_canvas
from demos.kit.outputs import Ports, Tab, outputs
from demos.kit.runs import run
from gan_models.inversion import AlignFace, ColorizeFace, InpaintFace, InvertFace, MeasureFace

LEAD = "Finds the latents that draw a face; with them it is coloured, mended, or edited in the tab “Faces”."


def build() -> Ports:
    """Lay out the tab inside the Blocks that is being built."""
    gr.Markdown(LEAD, elem_classes="lead")
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            shared = controls(InvertFace, [name for name in InvertFace.parameters() if name != "latents"])
            with gr.Tabs() as tabs:
                pages = {
                    name: gr.Tab(name, id=name) for name in ("Project", "Colourise", "Inpaint", "Measure", "Align")
                }
        with gr.Column(scale=6, min_width=320):
            with gr.Column() as searched:
                result = outputs(InvertFace, compared="The photo, and what is found", height=460)
            with gr.Column(visible=False) as aligned:
                cut = outputs(AlignFace, compared="Before and after", height=460)
    image = shared["image"]
    with pages["Project"]:
        run(InvertFace, controls(InvertFace, **shared), result, lane=SEARCH)
    with pages["Colourise"]:
        run(ColorizeFace, shared, result, lane=SEARCH)
    with pages["Inpaint"]:
        run(InpaintFace, controls(InpaintFace, mask=mask_canvas(image), **shared), result, lane=SEARCH)
    with pages["Measure"]:
        run(MeasureFace, controls(MeasureFace, **shared), result, lane=SEARCH)
    with pages["Align"]:
        gr.Markdown("Only cuts the face out, upright, as the weights want it.")
        run(AlignFace, shared, cut)

    def show(event: gr.SelectData) -> list[dict]:
        return [gr.update(visible=event.value != "Align"), gr.update(visible=event.value == "Align")]

    gr.on([page.select for page in pages.values()], show, None, [searched, aligned], queue=False, **PRIVATE)
    return Ports(shared["model"], image, (result, cut), inside=((tabs, "Project"),))


TAB = Tab("Face inversion", build)
