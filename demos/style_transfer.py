"""Style transfer: a picture in the manner of another one."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr

from demos import components as ui
from demos import learned_styles
from demos.gpu import SEARCH, on_gpu
from gan_models.images import bright, decode, flatten, read_provenance
from gan_models.images.provenance import fingerprint, write_png
from gan_models.jobs import Step

TITLE = "Style transfer"
TASK, FEATURES = "style-transfer", "features"
DEFAULT = "features-compact"
VGG = "gan_models.nn.features.network:VGG"


@on_gpu
def stylize(
    content: str,
    style: str,
    model: str = DEFAULT,
    steps: int = 150,
    content_weight: float = 2.5e-8,
    style_weight: float = 1e-6,
    tv_weight: float = 1e-6,
    side: int = 384,
    second_style: str | None = None,
    start: str = "content",
    optimizer: str = "lbfgs",
    colours: str = "style",
    content_layer: str = "relu3_2",
    style_layers: str = "relu1_1, relu2_1, relu3_1, relu4_1",
    red: float = 0,
    green: float = 0,
    blue: float = 0,
    seed: int = 0,
    region: str | None = None,
    begun: str | None = None,
    coarse: float = 0.6,
) -> Iterator[tuple]:
    """Draw a picture in the style of another one (Gatys et al. 2016): the picture itself is optimised.

    Args:
        content: What is drawn.
        style: How.
        model: A VGG that /models lists for the task "features".
        steps: Iterations, 1 to 2000.
        content_weight: 2.5e-4 keeps nearly all of the content, 2.5e-8 lets the style win.
        style_weight: Of the style.
        tv_weight: Of smoothness.
        side: Pixels of the result's longer side, 64 to 1536.
        second_style: Another style, to blend with the first half and half, or for the rest of a region.
        start: What the picture begins as: "content", "noise" or "style".
        optimizer: "adam" or "lbfgs".
        colours: "style"; "luminance", which keeps the content's; or "histogram", which gives these to the style.
        content_layer: A layer of the feature network.
        style_layers: Layers of it, with commas between.
        red: Added to the red channel at the end, -255 to 255.
        green: The same for green.
        blue: The same for blue.
        seed: Of the noise that the picture may begin as.
        region: Of the content's size, white where the first style goes; the second one, if any, goes elsewhere.
        begun: What an earlier run came to, to go on from there whatever `start` says.
        coarse: Share of the steps at half size, where strokes come out larger and steps are quicker, 0 to 0.9.

    Returns:
        The picture, a PNG; the curves of the losses; snapshots; a film of the way; then content beside result.
    """
    if not content or not style:
        raise ValueError("Choose a picture and a style first.")
    picture, styles = flatten(decode(content)), [flatten(decode(path)) for path in (style, second_style) if path]
    settings = {
        **{"steps": steps, "content_weight": content_weight, "style_weight": style_weight, "tv_weight": tv_weight},
        **{"side": side, "start": start, "optimizer": optimizer, "colours": colours, "seed": seed},
        **{"content_layer": content_layer, "coarse": coarse},
    }
    inside, came = bright(decode(region)) if region else None, flatten(decode(begun)) if begun else None
    layers = [name.strip() for name in style_layers.split(",") if name.strip()]
    record = {"task": TASK, "model": model, "style_layers": style_layers, "red": red, "green": green, "blue": blue}
    record |= {"style": fingerprint(style), "second_style": fingerprint(second_style), "region": fingerprint(region)}
    record |= {"begun": fingerprint(begun)}
    folder = Path(tempfile.mkdtemp(dir=ui.cache_folder()))
    left = ui.view(picture, folder / "before.webp")
    curves = ui.Curves()
    snapshots: list[tuple[str, str]] = []

    def work() -> Iterator[Step]:
        from gan_models.images.video import open_video
        from gan_models.style_transfer import Stylizer
        from gan_models.style_transfer.backend import resized

        backend = Stylizer.cached(model)
        film, every = ui.new_file(f"{TASK}.mp4"), max(2, steps // 24 * 2)
        with open_video(film, fps=6, **record, **settings) as video:
            options = {**settings, "style_layers": layers, "offsets": (red, green, blue), "region": inside}
            options |= {"begun": came}
            for step in backend.steps(picture, styles, **options):
                if step.result is None and step.index % every == 0:
                    video.write(resized(step.preview, side))
                if step.result is None and step.index % (3 * every) == 0:
                    snapshots.append((ui.view(step.preview, folder / f"{step.index}.webp"), f"Step {step.index}"))
                if step.result is None:
                    yield step
            video.write(step.result)
        path = str(ui.new_file(f"{TASK}.png"))
        write_png(path, step.result, **record, **settings)
        shown = (left, ui.view(step.result, folder / "after.webp"))
        size = f"{step.result.shape[1]} × {step.result.shape[0]} pixels"
        made = ui.Made(
            (path, curves.draw(ui.new_file(f"{TASK}-losses.png")), snapshots, str(film), shown), read_provenance(path)
        )
        yield Step(1, 1, message=size, result=made)

    def preview(step: Step) -> tuple:
        drawn = curves.draw(folder / f"losses-{step.index}.webp")
        shown = (left, ui.view(step.preview, folder / f"preview-{step.index}.webp"))
        return None, drawn, list(snapshots), None, shown

    yield from ui.stream(curves.follow(work()), model, preview, idle=(None, gr.skip(), gr.skip(), None, gr.skip()))


def build() -> ui.Ports:
    """Lay out the tab inside the Blocks that is being built."""
    with gr.Tabs() as tabs:
        with gr.Tab("Any style", id="any") as any_style:
            ports = _build_any()
        with gr.Tab("Learned styles") as some:
            learned = learned_styles.build()
    parts = ((any_style, ports.picker), (some, learned.picker))
    return replace(ports, outputs=(*ports.outputs, *learned.outputs), inside=((tabs, "any"),), parts=parts)


def _build_any() -> ui.Ports:
    sentence = "Draws a picture in the style of any other, by optimising it: a minute on a laptop."
    with ui.two_columns(sentence) as (inputs, outputs):
        with outputs:
            slider = gr.ImageSlider(
                label="The picture, and in the style",
                type="filepath",
                interactive=False,
                buttons=["fullscreen"],
                max_height=520,
                elem_classes="before-after",
            )
            status = ui.status_line()
            file = gr.File(label="Result at full size (PNG)", interactive=False, elem_classes="result-file")
            curves = gr.Image(show_label=False, type="filepath", interactive=False, buttons=[], elem_classes="curves")
            snapshots = ui.pictures_grid("On the way", columns=4)
            film = gr.Video(label="The way there", interactive=False, autoplay=True, loop=True, height=260)
            row = gr.Row(elem_classes="send-row")
            with row:
                further = gr.Button("Go on from here", size="sm")
            shown = (file, curves, snapshots, film, slider)
            result = ui.Outputs(shown, status, ui.settings_panel(), sent=file, send_row=row)
        with inputs:
            content = ui.picture("A picture", TASK)
            style = ui.picture("A style", "styles")
            steps = gr.Slider(
                10, 1000, 150, step=10, precision=0, label="Steps", info="More come nearer to the style."
            )
            info = "2.5e-4 keeps nearly all of the picture; 2.5e-8 lets the style win."
            content_weight = gr.Number(2.5e-8, label="Content weight", minimum=0, maximum=1, info=info)
            info = "Of the longer side. Time grows with its square."
            side = gr.Slider(64, 1536, 384, step=32, precision=0, label="Pixels", info=info)
            choices = [("The style's", "style"), ("The picture's own", "luminance"), ("Matched", "histogram")]
            info = "Matched: the style gets the picture's colours first."
            colours = gr.Radio(choices, value="style", label="Colours", info=info)
            with gr.Accordion("Advanced", open=False):
                model = ui.weights_picker(FEATURES, VGG)
                style_weight = gr.Number(1e-6, label="Style weight", minimum=0, maximum=1)
                info = "Of smoothness; these weights are in the scale of Keras's example."
                tv_weight = gr.Number(1e-6, label="Variation weight", minimum=0, maximum=1, info=info)
                second = ui.upload("A second style, to blend with the first", "second-style")
                with gr.Accordion("Only a part of the picture", open=False):
                    gr.Markdown("Mark where the first style goes; the second one, if there is one, goes elsewhere.")
                    region = ui.mask_canvas(content, "Mark where the first style goes")
                choices = [("The picture", "content"), ("Noise", "noise"), ("The style", "style")]
                start = gr.Radio(choices, value="content", label="Begin with")
                choices = [("L-BFGS", "lbfgs"), ("Adam", "adam")]
                optimizer = gr.Radio(choices, value="lbfgs", label="Optimiser")
                info = "Share of the steps: strokes come out larger, and sooner. At 0 more of the picture stays."
                coarse = gr.Slider(0, 0.9, 0.6, step=0.1, label="Begin at half size", info=info)
                content_layer = gr.Textbox("relu3_2", label="Content layer", max_length=20)
                layers = gr.Textbox(
                    "relu1_1, relu2_1, relu3_1, relu4_1",
                    label="Style layers",
                    info="Early ones hold colours and fine strokes, late ones larger shapes.",
                    max_length=200,
                )
                offsets = [
                    gr.Slider(-255, 255, 0, step=1, label=f"Offset of {name}") for name in ("red", "green", "blue")
                ]
                seed = ui.seed()
            begun = ui.upload("Go on from this, not from the beginning", "begun", visible=False)
            arguments = [content, style, model, steps, content_weight, style_weight, tv_weight, side, second, start]
            arguments += [optimizer, colours, content_layer, layers, *offsets, seed, region, begun, coarse]
            controls = {
                **{"model": model, "steps": steps, "content_weight": content_weight, "style_weight": style_weight},
                **{"tv_weight": tv_weight, "side": side, "start": start, "optimizer": optimizer, "colours": colours},
                **{"content_layer": content_layer, "style_layers": layers, "seed": seed, "coarse": coarse},
                **dict(zip(("red", "green", "blue"), offsets, strict=True)),
            }
            ui.restore_settings(content, TASK, controls)
            further.click(_come_so_far, slider, begun, queue=False, **ui.PRIVATE)
            content.change(lambda: gr.update(value=None, visible=False), None, begun, queue=False, **ui.PRIVATE)
            ui.run(stylize, inputs=arguments, outputs=result, api_name="stylize", lane=SEARCH)
    return ui.Ports(model, content, (result,))


def _come_so_far(pair: tuple[str | None, str | None] | None) -> dict:
    """Show what a run came to, even one that was cancelled, as what the next one goes on from."""
    return gr.update(value=pair[1], visible=True) if pair and pair[1] else gr.skip()
