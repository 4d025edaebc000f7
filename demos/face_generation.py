"""Faces: people who do not exist, mixtures of two, films from one to the next."""

from collections.abc import Iterator

import gradio as gr

from demos import components as ui
from demos.face_editing import build_combining, build_editing
from demos.face_parts import DEFAULT, TASK, save_face, truncation_slider
from demos.gpu import on_gpu
from gan_models.images import read_provenance
from gan_models.jobs import Step

TITLE = "Faces"
LAST_LAYER = 17  # of the largest weights; those of 64 pixels have the layers 0 to 9


@on_gpu
def generate_faces(
    model: str = DEFAULT,
    seed: str = "1",
    count: int = 8,
    truncation: float = 0.7,
    noise: str = "const",
    latents: str | None = None,
) -> Iterator[tuple]:
    """Draw faces of people who do not exist. The same seed gives the same face.

    Args:
        model: A name that /models lists for the task "faces".
        seed: A number; a list of numbers and ranges such as "1, 5, 20-23", for one face each; or "random".
        count: How many faces to draw from a single seed on, 1 to 16.
        truncation: From 0, the average face, over 0.7, to 1, all the variety there is, and 1.5, more than that.
        noise: Fine detail: "const" (always the same), "random" or "none".
        latents: A .npy file of latents to draw in place of seeds; /generate_faces gives one with each result.

    Returns:
        A gallery of PNG files that carry what made them; then a file with their latents.
    """
    from gan_models.stylegan2 import FaceGenerator, parse_seeds  # brings PyTorch, so not before it is needed
    from gan_models.stylegan2.backend import load_styles, save_styles

    seeds = [] if latents else parse_seeds(seed, count)
    settings = {"truncation": truncation, "noise": noise}
    if latents:
        settings = {"latents": "from a file", "noise": noise}
    drawn: list[tuple[str, str]] = []

    def work() -> Iterator[Step]:
        faces = FaceGenerator.cached(model)
        if latents:
            styles = faces.checked_styles(load_styles(latents))
        else:
            styles = faces.styles(faces.latents(seeds), truncation)
        for step in faces.steps(seeds=seeds, styles=styles, noise=noise):
            if step.result is None:
                number = seeds[step.index - 1] if seeds else None
                drawn.append((save_face(step.preview, model, seed=number, **settings), _caption(number, step.index)))
                yield step
        file = save_styles(ui.new_file(f"latents-{model}.npy"), styles)
        record = read_provenance(drawn[0][0])
        record["settings"] |= {"seeds": seeds}
        count = f"{len(drawn)} face{'s' * (len(drawn) > 1)} of {step.result[0].shape[0]} pixels"
        yield Step(1, 1, message=count, result=ui.Made((drawn, file), record))

    yield from ui.stream(work(), model, lambda step: (list(drawn), None), idle=(gr.skip(), None))


@on_gpu
def mix_styles(
    model: str = DEFAULT,
    content_seed: int = 3,
    style_seed: int = 7,
    crossover: int = 4,
    truncation: float = 0.7,
    last_layer: int | None = None,
) -> Iterator[tuple]:
    """Mix two faces: the first layers of one, which hold pose and shape, with later ones of another, for the colours.

    Args:
        model: A name that /models lists for the task "faces".
        content_seed: The face that is changed.
        style_seed: The face that the other layers come from.
        crossover: The first layer, counted from 0, that comes from the second face.
        truncation: From 0, the average face, to 1.5.
        last_layer: The last layer that comes from the second face; none: all from the crossover on.

    Returns:
        The mixed face, a PNG that carries what made it; then a gallery of both faces and the mixture.
    """
    from gan_models.stylegan2 import FaceGenerator, parse_seeds

    seeds = [*parse_seeds(content_seed), *parse_seeds(style_seed)]
    settings = {"content_seed": seeds[0], "style_seed": seeds[1], "crossover": crossover, "last_layer": last_layer}
    captions = [f"Shape: seed {seeds[0]}", f"Colours: seed {seeds[1]}", "Mixture"]
    shown: list[tuple[str, str]] = []

    def work() -> Iterator[Step]:
        faces = FaceGenerator.cached(model)
        styles = faces.mixed(*seeds, first=crossover, last=last_layer, truncation=truncation)
        for step in faces.steps(styles=styles):
            if step.result is None:
                mixture = step.index == 3
                own = settings if mixture else {"seed": seeds[step.index - 1], "noise": "const"}
                path = save_face(step.preview, model, truncation=truncation, **own)
                shown.append((path, captions[step.index - 1]))
                yield step
        path = shown[-1][0]
        yield Step(1, 1, message="A mixture", result=ui.Made((path, shown), read_provenance(path)))

    yield from ui.stream(work(), model, lambda step: (None, list(shown)), idle=(None, gr.skip()))


@on_gpu
def interpolate_faces(
    model: str = DEFAULT,
    seeds: str = "1, 2, 3",
    frames: int = 48,
    truncation: float = 0.7,
    space: str = "w",
    loop: bool = True,
    fps: float = 24,
) -> Iterator[tuple]:
    """Film the way from face to face.

    Args:
        model: A name that /models lists for the task "faces".
        seeds: The faces on the way, such as "1, 2, 3".
        frames: Pictures from one face to the next.
        truncation: From 0, the average face, to 1.5.
        space: "w", along straight lines and evenly, or "z", along great circles.
        loop: Whether the way leads back to the first face.
        fps: Pictures a second.

    Returns:
        A video, MP4, that carries what made it.
    """
    from gan_models.images.video import read_video_provenance
    from gan_models.stylegan2 import FaceGenerator, parse_seeds

    numbers = parse_seeds(seeds)
    settings = {"seeds": numbers, "frames": frames, "truncation": truncation, "space": space, "loop": loop}

    def work() -> Iterator[Step]:
        faces = FaceGenerator.cached(model)
        styles = faces.between(numbers, frames=frames, truncation=truncation, space=space, loop=loop)
        path = ui.new_file(f"{TASK}-{model}.mp4")
        step = yield from ui.until_result(faces.film(styles, path, fps=fps, task=TASK, model=model, **settings))
        made = ui.Made((step.result,), read_video_provenance(step.result))
        yield Step(1, 1, message=f"{step.total} pictures, {step.total / fps:.1f} s of film,", result=made)

    yield from ui.stream(work(), model, lambda step: (gr.skip(),), idle=(None,))


def _caption(seed: int | None, index: int) -> str:
    return f"Latent {index}" if seed is None else f"Seed {seed}"


def build() -> ui.Ports:
    """Lay out the tab inside the Blocks that is being built."""
    model = ui.weights_picker(TASK)
    with gr.Tabs() as tabs:
        with gr.Tab("Generate"):
            generated = _build_generation(model)
        with gr.Tab("Mix"):
            mixed = _build_mixing(model)
        with gr.Tab("Edit", id="edit"):
            edited, latents = build_editing(model)
        with gr.Tab("Interpolate"):
            film = _build_interpolation(model)
        with gr.Tab("Add up"):
            combined = build_combining(model)
    outputs = (generated, mixed, edited, film, combined)
    return ui.Ports(model, None, outputs, inside=((tabs, "edit"),), latents=latents)


def _build_generation(model: gr.Dropdown) -> ui.Outputs:
    columns = ui.two_columns("Draws people who do not exist. The same seed gives the same face.")
    with columns as (inputs, outputs):
        with outputs:
            result = ui.gallery("Faces", columns=4, file_label="Latents of these faces (.npy)")
        with inputs:
            info = "A number, a list such as 1, 5, 20-23, or “random”."
            seed = gr.Textbox("1", label="Seed", info=info, max_length=200)
            count = gr.Slider(1, 16, 8, step=1, precision=0, label="Count", info="Faces from a single seed on.")
            truncation = truncation_slider()
            with gr.Accordion("Advanced", open=False):
                info = "Fine detail that is no part of the latent: the same each time, random, or none."
                noise = gr.Radio(["const", "random", "none"], value="const", label="Noise", info=info)
                latents = gr.File(label="Latents to draw in place of seeds (.npy)", file_types=[".npy"], height=110)
                made = ui.made_here("A face")
            ui.run(
                generate_faces,
                inputs=[model, seed, count, truncation, noise, latents],
                outputs=result,
                api_name="generate_faces",
            )
    ui.restore_settings(made, TASK, {"model": model, "seed": seed, "truncation": truncation, "noise": noise})
    return result


def _build_mixing(model: gr.Dropdown) -> ui.Outputs:
    columns = ui.two_columns("Gives a face the look of another one: some of its layers in place of the first's.")
    with columns as (inputs, outputs):
        with outputs:
            result = ui.gallery("Both faces and the mixture", 3, file_label="Mixture (PNG)", file_first=True)
        with inputs:
            content = gr.Number(3, label="Shape from seed", precision=0, minimum=0)
            style = gr.Number(7, label="Colours from seed", precision=0, minimum=0)
            info = (
                "The second face's first layer: early ones hold shapes, late ones colours; compact weights end at 9."
            )
            crossover = gr.Slider(0, LAST_LAYER, 4, step=1, precision=0, label="Crossover", info=info)
            truncation = truncation_slider()
            with gr.Accordion("Advanced", open=False):
                info = "The last layer that comes from the second face; empty for all that follow."
                until = gr.Number(None, label="Last layer", precision=0, minimum=0, info=info)
                made = ui.made_here("A face")
            ui.run(
                mix_styles,
                inputs=[model, content, style, crossover, truncation, until],
                outputs=result,
                api_name="mix_styles",
            )

    controls = {"model": model, "content_seed": content, "style_seed": style, "crossover": crossover}
    ui.restore_settings(made, TASK, {**controls, "truncation": truncation, "last_layer": until})
    return result


def _build_interpolation(model: gr.Dropdown) -> ui.Outputs:
    with ui.two_columns("Films the way from face to face.") as (inputs, outputs):
        with outputs:
            result = ui.video("Film")
        with inputs:
            seeds = gr.Textbox("1, 2, 3", label="Seeds", info="Two faces or more, in order.", max_length=200)
            frames = gr.Slider(
                1, 120, 48, step=1, precision=0, label="Frames", info="Pictures from one face to the next."
            )
            truncation = truncation_slider()
            with gr.Accordion("Advanced", open=False):
                info = "Straight lines in w change evenly; great circles in z take more turns."
                space = gr.Radio(["w", "z"], value="w", label="Space", info=info)
                loop = gr.Checkbox(True, label="Loop", info="Go back to the first face.")
                fps = gr.Slider(1, 60, 24, step=1, label="Pictures a second")
            ui.run(
                interpolate_faces,
                inputs=[model, seeds, frames, truncation, space, loop, fps],
                outputs=result,
                api_name="interpolate_faces",
            )
    return result
