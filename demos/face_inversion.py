"""Face inversion: a photo of a face as latents, and what follows from that: colours, what was hidden, edits."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np

from demos import components as ui
from demos.face_parts import DEFAULT
from demos.face_parts import TASK as WEIGHTS
from demos.gpu import SEARCH, on_gpu
from gan_models.images import bright, decode, flatten, read_provenance
from gan_models.images.provenance import write_png
from gan_models.jobs import Step

TITLE = "Face inversion"
TASK = "face-inversion"
FPS = 8  # of the film, a picture every twenty steps
FILM_SIDE = 256  # pixels that smaller pictures are enlarged to


@on_gpu
def align_face(image: str, model: str = DEFAULT, framing: str = "face", face: int = 1) -> Iterator[tuple]:
    """Cut a face out of a photo, upright and framed as a model of faces was trained.

    Args:
        image: The photo, in any common format.
        model: A name that /models lists for the task "faces", whose framing it is.
        framing: "face" looks for faces; "middle" takes the middle square as it is.
        face: Which face, from 1, the largest.

    Returns:
        The face, a square PNG.
    """
    picture = flatten(decode(image))

    def start() -> Iterator[Step]:
        from gan_models.inversion.align import framed

        yield Step(1, 1, result=framed(picture, model, framing=framing, face=face).square)

    yield from ui.deliver(start, picture, task=TASK, model=model, action="align", framing=framing, face=face)


@on_gpu
def invert_face(
    image: str,
    model: str = DEFAULT,
    steps: int = 300,
    seed: int = 0,
    space: str = "auto",
    start: str = "encoder",
    pull: float = 1.0,
    framing: str = "face",
    face: int = 1,
    latents: str | None = None,
) -> Iterator[tuple]:
    """Find the latents that draw the face in a photo, so that it can be edited like any drawn face.

    Args:
        image: The photo, in any common format.
        model: A name that /models lists for the task "faces".
        steps: Of the optimisation, 1 to 5000.
        seed: Of its noise.
        space: "w", one latent for all layers, which edits better; "w+", one for each, which comes nearer; or "auto".
        start: "encoder", a network's guess where there is one, or "average", the average face.
        pull: Keeps the latents near where they start: 1 as suits the task, 0 not at all, 10 the most.
        framing: "face" looks for faces; "middle" takes the middle square as it is.
        face: Which face, from 1, the largest.
        latents: A file that this endpoint returned, to go on from.

    Returns:
        The face as the model draws it, a PNG; the curves of what was minimised; a film of the way; a file with
        latents and noise maps; then the face in the photo beside it.
    """
    settings = {"steps": steps, "seed": seed, "space": space, "start": start, "pull": pull}
    yield from _search("invert", image, model, framing, face, settings, latents=latents)


@on_gpu
def colorize_face(
    image: str,
    model: str = DEFAULT,
    steps: int = 300,
    seed: int = 0,
    space: str = "auto",
    start: str = "encoder",
    pull: float = 1.0,
    framing: str = "face",
    face: int = 1,
) -> Iterator[tuple]:
    """Colour a grey photo of a face: its own lightness, with the colours of the face that looks most like it in grey.

    Args:
        image: The photo; if it has colours, they are not looked at.
        model: A name that /models lists for the task "faces".
        steps: Of the optimisation, 1 to 5000.
        seed: Of its noise.
        space: "w", which keeps colours likely and is "auto" here, or "w+", which comes nearer to the grey values.
        start: "encoder" or "average".
        pull: Keeps the latents near where they start: 1 as suits the task, 0 not at all, 10 the most.
        framing: "face" looks for faces; "middle" takes the middle square as it is.
        face: Which face, from 1, the largest.

    Returns:
        The coloured face, a PNG; curves; a film of the way; a file of latents; then the face before and after.
    """
    settings = {"steps": steps, "seed": seed, "space": space, "start": start, "pull": pull}
    yield from _search("colorize", image, model, framing, face, settings)


@on_gpu
def inpaint_face(
    image: str,
    mask: str,
    model: str = DEFAULT,
    steps: int = 300,
    seed: int = 0,
    space: str = "auto",
    start: str = "encoder",
    pull: float = 1.0,
    framing: str = "face",
    face: int = 1,
) -> Iterator[tuple]:
    """Paint a part of a face anew, so that it fits the rest.

    Args:
        image: The photo.
        mask: A picture of the same size, white where the photo is to be painted anew.
        model: A name that /models lists for the task "faces".
        steps: Of the optimisation, 1 to 5000.
        seed: Of its noise: other seeds give other fillings.
        space: "w", "w+" or "auto", as for /invert_face.
        start: "encoder" or "average".
        pull: Keeps the latents near where they start: 1 as suits the task, 0 not at all, 10 the most.
        framing: "face" looks for faces; "middle" takes the middle square as it is.
        face: Which face, from 1, the largest.

    Returns:
        The mended face, a PNG, as it was outside the mask; curves; a film; a file of latents; before and after.
    """
    if not mask:
        raise ValueError("Mark what should be painted anew: draw on the picture, or bring a mask.")
    settings = {"steps": steps, "seed": seed, "space": space, "start": start, "pull": pull}
    yield from _search("inpaint", image, model, framing, face, settings, hole=bright(decode(mask)))


@on_gpu
def measure_face(
    image: str,
    scheme: str = "random",
    share: float = 0.1,
    model: str = DEFAULT,
    steps: int = 300,
    seed: int = 0,
    space: str = "auto",
    start: str = "encoder",
    pull: float = 1.0,
    framing: str = "face",
    face: int = 1,
) -> Iterator[tuple]:
    """Recover a face from a few of its pixels, to show what a generator knows of faces.

    Args:
        image: The photo.
        scheme: Which pixels are seen: "strided", a grid; "random"; or "block", the middle.
        share: How many of them, 0.01 to 1.
        model: A name that /models lists for the task "faces".
        steps: Of the optimisation, 1 to 5000.
        seed: Of the pixels and of the noise.
        space: "w", "w+" or "auto", as for /invert_face.
        start: "encoder" or "average".
        pull: Keeps the latents near where they start: 1 as suits the task, 0 not at all, 10 the most.
        framing: "face" looks for faces; "middle" takes the middle square as it is.
        face: Which face, from 1, the largest.

    Returns:
        The recovered face, a PNG; curves; a film; a file of latents; then what was seen beside what was recovered.
    """
    settings = {"steps": steps, "seed": seed, "space": space, "start": start, "pull": pull}
    yield from _search("measure", image, model, framing, face, settings, scheme=scheme, share=share)


def _search(
    action: str,
    image: str,
    model: str,
    framing: str,
    face: int,
    settings: dict[str, Any],
    *,
    hole: np.ndarray | None = None,
    latents: str | None = None,
    **options: Any,
) -> Iterator[tuple]:
    """Run an inversion for the components that `_outputs` adds."""
    from gan_models.images.video import open_video
    from gan_models.inversion import FaceInverter
    from gan_models.inversion import latents as files
    from gan_models.inversion.align import framed

    picture = flatten(decode(image))
    folder = Path(tempfile.mkdtemp(dir=ui.cache_folder()))
    curves = ui.Curves()
    record = {"task": TASK, "action": action, "model": model, "framing": framing, "face": face, **settings, **options}
    lefts: list[str] = []

    def work() -> Iterator[Step]:
        cutting = framed(picture, model, framing=framing, face=face, mask=hole)
        inverter = FaceInverter.cached(model)
        record["features"] = inverter.features
        going_on = files.load(latents, model, inverter.network) if latents else None
        lefts.append(ui.view(_large(cutting.square), folder / "before.webp"))
        film = ui.new_file(f"{TASK}-{action}.mp4")
        steps = inverter.steps(
            cutting.square, task=action, mask=cutting.mask, latents=going_on, **settings, **options
        )
        with open_video(film, fps=FPS, **record) as video:
            for step in steps:
                if step.preview is not None:
                    video.write(_large(step.preview))
                if step.result is None:
                    yield step
        found = step.result
        path = ui.new_file(f"{TASK}-{action}.png")
        drawn = {"generated": True} if action in ("invert", "measure") else {}
        write_png(path, found.picture, **drawn, **record)
        file = files.save(ui.new_file(f"latents-{model}.safetensors"), found.latents)
        before = lefts[0] if action == "invert" else ui.view(_large(found.shown), folder / "shown.webp")
        pair = (before, ui.view(_large(found.picture), folder / "after.webp"))
        made = ui.Made(
            (str(path), curves.draw(ui.new_file(f"{TASK}-losses.png")), str(film), file, pair),
            read_provenance(path),
        )
        message = f"Distance {found.distance[0]:.3f} to {found.distance[1]:.3f}"
        if cutting.found is not None:
            message += f", {_faces(cutting.found)} found by {cutting.detector},"
        yield Step(1, 1, message=message, result=made)

    def preview(step: Step) -> tuple:
        drawn = curves.draw(folder / f"losses-{step.index}.webp")
        pair = (lefts[0], ui.view(_large(step.preview), folder / f"preview-{step.index}.webp"))
        return None, drawn, None, None, pair

    yield from ui.stream(curves.follow(work()), model, preview, idle=(None, gr.skip(), None, None, gr.skip()))


def _faces(count: int) -> str:
    return "one face" if count == 1 else f"{count} faces"


def _large(picture: np.ndarray) -> np.ndarray:
    """Return a square picture with at least as many pixels as can be looked at."""
    if picture.shape[0] >= FILM_SIDE:
        return picture
    return cv2.resize(picture, (FILM_SIDE, FILM_SIDE), interpolation=cv2.INTER_CUBIC)


def build() -> ui.Ports:
    """Lay out the tab inside the Blocks that is being built."""
    sentence = "Finds the latents that draw a face; with them it is coloured, mended, or edited in the tab “Faces”."
    with ui.two_columns(sentence) as (inputs, outputs):
        with outputs:
            with gr.Column() as searched:
                result = _outputs()
            with gr.Column(visible=False) as aligned:
                cut = ui.before_after()
        with inputs:
            model = ui.weights_picker(WEIGHTS)
            image = ui.picture("A photo with a face", TASK)
            controls = _controls()
            common = list(controls.values())
            framing = common[-2:]
            with gr.Tabs() as tabs:
                with gr.Tab("Project", id="project") as project:
                    info = "Latents that were found here, to go on from."
                    latents = gr.File(label=info, file_types=[".safetensors"], height=110)
                    _run(invert_face, [image, model, *common, latents], result)
                with gr.Tab("Colourise") as colourise:
                    _run(colorize_face, [image, model, *common], result)
                with gr.Tab("Inpaint") as inpaint:
                    mask = ui.mask_canvas(image)
                    _run(inpaint_face, [image, mask, model, *common], result)
                with gr.Tab("Measure") as measure:
                    choices = [("A grid", "strided"), ("Anywhere", "random"), ("The middle", "block")]
                    scheme = gr.Radio(choices, value="random", label="Pixels that are seen")
                    share = gr.Slider(0.01, 1, 0.1, step=0.01, label="Share", info="How many of them.")
                    _run(measure_face, [image, scheme, share, model, *common], result)
                with gr.Tab("Align") as align:
                    gr.Markdown("Only cuts the face out, upright, as the weights want it.")
                    ui.run(align_face, inputs=[image, model, *framing], outputs=cut, api_name="align_face")
    for tab in (project, colourise, inpaint, measure, align):
        show = [gr.update(visible=tab is not align), gr.update(visible=tab is align)]
        tab.select(lambda show=show: show, None, [searched, aligned], queue=False, **ui.PRIVATE)
    ui.restore_settings(image, TASK, {"model": model, **controls})
    return ui.Ports(model, image, (result, cut), inside=((tabs, "project"),))


def _run(function: Any, inputs: list, result: ui.Outputs) -> None:
    ui.run(function, inputs=inputs, outputs=result, api_name=function.__name__, lane=SEARCH)


def _outputs() -> ui.Outputs:
    """Add what an inversion shows."""
    slider = gr.ImageSlider(
        label="The photo, and what is found",
        type="filepath",
        interactive=False,
        buttons=["fullscreen"],
        max_height=460,
        elem_classes="before-after",
    )
    status = ui.status_line()
    curves = gr.Image(show_label=False, type="filepath", interactive=False, buttons=[], elem_classes="curves")
    with gr.Row():
        file = gr.File(label="Result (PNG)", interactive=False, elem_classes="result-file")
        latents = gr.File(label="Latents (.safetensors)", interactive=False, elem_classes="latents-file")
    film = gr.Video(
        label="The way there", interactive=False, autoplay=True, loop=True, height=260, elem_classes="film"
    )
    send_row = gr.Row(elem_classes="send-row")
    shown = (file, curves, film, latents, slider)
    return ui.Outputs(shown, status, ui.settings_panel(), sent=file, send_row=send_row, latents=latents)


def _controls() -> dict[str, gr.components.Component]:
    """Add the controls that all inversions share, by the names of the parameters, in their order."""
    steps = gr.Slider(20, 2000, 300, step=20, precision=0, label="Steps", info="More come nearer to the photo.")
    with gr.Accordion("Advanced", open=False):
        info = (
            "w+ has a latent for each layer and comes nearer; w has one for all, for likely colours and better edits."
        )
        choices = [("Automatic", "auto"), "w+", "w"]
        space = gr.Radio(choices, value="auto", label="Space", info=info)
        info = "A network's guess, where the weights have one, or the average face."
        start = gr.Radio(["encoder", "average"], value="encoder", label="Start", info=info)
        info = "Keeps the latents near where they start: likelier faces, less like the photo. 1 suits the task."
        pull = gr.Slider(0, 10, 1, step=0.1, label="Pull to the start", info=info)
        seed = ui.seed()
        info = "Look for a face and turn it upright, or take the picture's middle square as it is."
        framing = gr.Radio([("A face", "face"), ("The middle", "middle")], value="face", label="Framing", info=info)
        face = gr.Number(1, label="Face", info="Which one, where there are several: 1 is the largest.", precision=0)
    controls = {"steps": steps, "seed": seed, "space": space, "start": start, "pull": pull}
    return {**controls, "framing": framing, "face": face}
