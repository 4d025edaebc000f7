"""How the training lab looks."""

from typing import Any

import gradio as gr

from demos import components as ui
from demos import own_models
from demos.gpu import SEARCH, TRAINING
from demos.training_lab.endpoints import (
    EXPERIMENTS,
    ON_PICTURES,
    ON_POINTS,
    POINTS,
    TASK,
    backend_of,
    combine_pictures,
    generate_pictures,
    interpolate_pictures,
    load_generator,
    reconstruct_picture,
    train_gan,
    train_toy,
    two_lines,
)
from gan_models import settings
from gan_models.checkpoints import registry

TITLE = "Training lab"
AUTOENCODER = "gan_models.classic.network:Autoencoder"
TITLES = {
    **{"gan": "GAN", "cgan": "Conditional GAN", "dcgan": "DCGAN", "unrolled": "Unrolled GAN"},
    **{"wgan": "Wasserstein GAN", "wgan-gp": "Wasserstein GAN with gradient penalty"},
    **{"aegan": "Autoencoding GAN", "progressive": "Progressive growing"},
}
NORMS = [("What suits the family", ""), ("Spectral", "spectral"), ("Batch", "batch"), ("None", "none")]
SEEDS = 'A number, a list such as "1, 5, 20-23", or "random".'


def build() -> ui.Ports:
    """Lay out the tab inside the Blocks that is being built."""
    with gr.Tabs() as tabs:
        with gr.Tab("Points"):
            points = _build_points()
        with gr.Tab("Two lines"):
            _build_lines()
        with gr.Tab("Pictures"):
            trained, file, name, brought = _build_training()
        with gr.Tab("Generate", id="generate"):
            model, image, drawn, ways = _build_drawing(file, name, brought)
    return ui.Ports(model, image, (points, trained, *drawn), inside=((tabs, "generate"), (ways, "back")))


def _families(names: tuple[str, ...]) -> gr.Dropdown:
    return gr.Dropdown([(TITLES[name], name) for name in names], value=names[0], label="Family", filterable=False)


def _build_points() -> ui.Outputs:
    sentence = "Trains a GAN on points before your eyes: what it covers, what it misses, and what its gradients do."
    with ui.two_columns(sentence) as (inputs, outputs):
        with outputs:
            label = "What the discriminator thinks. White: real points. Black: drawn ones"
            field = gr.Image(label=label, type="filepath", interactive=False, height=400, buttons=["fullscreen"])
            gr.Markdown(
                "Red is where the discriminator thinks points likely real, or a critic's score is highest; blue is "
                "the opposite. Colours are stretched between the two, however sure it is: that the losses tell."
            )
            status = ui.status_line()
            curves = gr.Image(show_label=False, type="filepath", interactive=False, buttons=[], elem_classes="curves")
            gr.Markdown(
                "A Wasserstein GAN has a curve more: the distance that its critic sees. With a gradient penalty it "
                "falls as the samples get better, with clipped weights less surely; a plain GAN's losses don't tell."
            )
            film = gr.Video(label="The way there", interactive=False, autoplay=True, loop=True, height=260)
            counted = gr.JSON(label="Modes covered, of how many, share of samples near one", buttons=[])
            result = ui.Outputs((field, curves, film, counted), status, ui.settings_panel())
        with inputs:
            points = gr.Radio(list(POINTS.items()), value="ring", label="Points")
            family = _families(ON_POINTS)
            steps = gr.Slider(10, 20_000, 1000, step=10, precision=0, label="Steps")
            info = "Steps of the discriminator that the generator looks ahead."
            ahead = gr.Radio([0, 1, 5, 10], value=5, label="Unrolled GAN", info=info)
            info = "The loss of the first paper, whose gradient fades where the discriminator is sure."
            saturating = gr.Checkbox(False, label="Plain GAN: the minimax game as it stands", info=info)
            info = "From this step on only the discriminator learns: see what becomes of the gradient. 0: never."
            freeze = gr.Slider(0, 20_000, 0, step=1, precision=0, label="Freeze the generator", info=info)
            with gr.Accordion("Advanced", open=False):
                info = "0 for what suits the family."
                lr = gr.Number(0, label="Generator's rate", minimum=0, maximum=0.1, info=info)
                info = (
                    "0 likewise. With 0.001 a plain GAN covers the ring; with its usual tenth of that it collapses."
                )
                lr_d = gr.Number(0, label="Discriminator's rate", minimum=0, maximum=0.1, info=info)
                seed = ui.seed()
            wishes = {"points": points, "family": family, "steps": steps, "seed": seed, "lr": lr, "lr_d": lr_d}
            wishes |= {"ahead": ahead, "saturating": saturating, "freeze_after": freeze}
            gr.Examples(
                [[other.get(name, wish.value) for name, wish in wishes.items()] for other in EXPERIMENTS.values()],
                inputs=list(wishes.values()),
                label="Try",
                example_labels=list(EXPERIMENTS),
                cache_examples=False,
                api_visibility="private",
                elem_id="examples-points",
            )
            ui.run(train_toy, inputs=list(wishes.values()), outputs=result, api_name="train_toy", lane=SEARCH)
    return result


def _build_lines() -> None:
    sentence = "Two parallel lines: one distance says how far they are apart, the other only that they are."
    with ui.two_columns(sentence) as (inputs, outputs):
        with outputs:
            found = gr.JSON(label="Distances and gradients", buttons=["copy"])
            plot = gr.Image(show_label=False, type="filepath", interactive=False, buttons=[], elem_classes="curves")
            gr.Markdown("Both distances for lines from -1 to 1 apart.")
        with inputs:
            theta = gr.Slider(-1, 1, 0.5, step=0.05, label="Distance")
            gr.Markdown(
                "A discriminator and a critic (WGAN-GP) are trained on the lines. The first is soon so sure that a "
                "generator learns nothing from it; the second keeps a slope of about 1."
            )
            button = gr.Button("Compare", variant="primary")
    button.click(ui.plain_errors(two_lines), theta, [found, plot], api_name="two_lines", concurrency_id=SEARCH)


def _build_training() -> tuple[ui.Outputs, gr.File, gr.Textbox, gr.Textbox]:
    sentence = "Trains a GAN on your pictures; the next tab draws with it. Others get the device in between."
    with ui.two_columns(sentence) as (inputs, outputs):
        with outputs:
            status = ui.status_line()
            sheets = ui.pictures_grid("What it draws from the same latents, the latest first", columns=3)
            curves = gr.Image(show_label=False, type="filepath", interactive=False, buttons=[], elem_classes="curves")
            label = "The way there since Run was pressed"
            film = gr.Video(label=label, interactive=False, autoplay=True, loop=True, height=260)
            file = gr.File(label="The model, to bring back later", interactive=False, elem_classes="result-file")
            name = gr.Textbox(label="Model", interactive=False, buttons=["copy"], elem_classes="own-name")
            result = ui.Outputs((sheets, curves, film, file, name), status, ui.settings_panel())
        with inputs:
            dataset = gr.File(
                label="Pictures, or ZIP archives of them",
                file_count="multiple",
                file_types=["image", ".zip"],
                height=140,
                elem_classes="dataset",
            )
            gr.Markdown(
                "Without any, the lab learns from 600 creatures that it draws itself. For a conditional GAN bring an "
                f"archive with a folder for each kind. A file may have {settings.max_upload_mb():g} MB, an archive "
                "too, and 5000 pictures are taken at most; bring many in archives. They are read in memory and "
                "forgotten after the training."
            )
            family = _families(ON_PICTURES)
            steps = gr.Slider(5, 20_000, 500, step=5, precision=0, label="Steps")
            side = gr.Radio([16, 32, 64, 128], value=32, label="Pixels", info="Time grows with their square.")
            info = "So that a figure on an even background fills its picture; photos stay as they are."
            trim = gr.Checkbox(False, label="Cut off even borders", info=info)
            with gr.Accordion("Advanced", open=False):
                batch = gr.Slider(4, 128, 32, step=4, precision=0, label="Batch")
                z_dim = gr.Slider(2, 512, 128, step=1, precision=0, label="Numbers of a latent")
                info = "Of the discriminator. A DCGAN learns faster with batches than with its usual spectral one."
                norm = gr.Dropdown(NORMS, value="", label="Normalisation", info=info, filterable=False)
                info = "0 for what suits the family."
                lr = gr.Number(0, label="Generator's rate", minimum=0, maximum=0.1, info=info)
                lr_d = gr.Number(0, label="Discriminator's rate", minimum=0, maximum=0.1, info="0 likewise.")
                info = "Radians by which they are turned at random, so that few pictures last longer; 0 for faces."
                hue = gr.Slider(0, 3.14, 0.3, step=0.01, label="Turn colours", info=info)
                seed = ui.seed()
                info = "The name of a training of this family and size, to go on with for more steps in all; Cancel "
                info += "leaves it here. Empty to start afresh."
                resume = gr.Textbox("", label="Go on with", info=info, max_length=64, elem_classes="resume")
            wishes = [dataset, family, steps, seed, side, batch, resume, hue, trim, z_dim, norm, lr, lr_d]
            cancelled = ui.run(train_gan, inputs=wishes, outputs=result, api_name="train_gan", lane=TRAINING)
            bring = gr.File(label="Bring a model back", file_types=[".safetensors"], height=110)
            brought = gr.Textbox(label="Its name", interactive=False, visible=False)
    for control in (dataset, family, seed, side, batch, z_dim, norm):
        control.change(lambda: "", None, resume, queue=False, **ui.PRIVATE)

    def begun(name: str) -> str:
        return name if name and own_models.goes_on(name, ui.cache_folder()) else ""

    name.change(lambda name: name, name, resume, queue=False, **ui.PRIVATE)
    cancelled.then(ui.plain_errors(begun), resume, resume, queue=False, **ui.PRIVATE)
    result.settings.change(
        lambda record: "" if record else gr.skip(), result.settings, resume, queue=False, **ui.PRIVATE
    )
    bring.upload(ui.plain_errors(load_generator), bring, brought, api_name="load_generator", queue=False)
    return result, file, name, brought


def _build_drawing(
    file: gr.File, name: gr.Textbox, brought: gr.Textbox
) -> tuple[gr.Dropdown, ui.Picture, list[ui.Outputs], gr.Tabs]:
    model = ui.weights_picker(TASK)
    kind = gr.Dropdown(  # what kinds there are depends on the model, which checks
        [("Each in turn", "")], value="", label="Kind", visible=False, allow_custom_value=True
    )
    drawn = []
    with gr.Tabs() as ways:
        with gr.Tab("Pictures"), ui.two_columns("Draws pictures from seeds.") as (inputs, outputs):
            with outputs:
                drawn.append(ui.gallery("Pictures", columns=4))
            with inputs:
                seed = gr.Textbox("1", label="Seed", info=SEEDS, max_length=200)
                count = gr.Slider(1, 16, 16, step=1, precision=0, label="How many")
                wishes = [model, seed, count, kind]
                ui.run(generate_pictures, inputs=wishes, outputs=drawn[-1], api_name="generate_pictures")
        with gr.Tab("Film"), ui.two_columns("Films the way from seed to seed.") as (inputs, outputs):
            with outputs:
                drawn.append(ui.video("The way"))
            with inputs:
                seeds = gr.Textbox("1, 2, 3", label="Seeds", max_length=200)
                frames = gr.Slider(2, 60, 24, step=1, precision=0, label="Pictures from one to the next")
                fps = gr.Slider(1, 30, 12, step=1, label="Pictures a second")
                wishes = [model, seeds, frames, kind, fps]
                ui.run(interpolate_pictures, inputs=wishes, outputs=drawn[-1], api_name="interpolate_pictures")
        with gr.Tab("Add up"), ui.two_columns("First − minus + plus, reckoned in latents.") as (inputs, outputs):
            with outputs:
                drawn.append(ui.gallery("Means, and the sum", columns=4))
            with inputs:
                sets = [
                    gr.Textbox(value, label=label, info="Seeds, whose latents are averaged.", max_length=200)
                    for label, value in (("First", "1, 2, 3"), ("Minus", "4, 5, 6"), ("Plus", "7, 8, 9"))
                ]
                ui.run(combine_pictures, inputs=[model, *sets], outputs=drawn[-1], api_name="combine_pictures")
        with gr.Tab("There and back", id="back"):
            sentence = "Encodes a picture and draws it again: only an autoencoding GAN can."
            with ui.two_columns(sentence) as (inputs, outputs):
                with outputs:
                    drawn.append(ui.before_after())
                with inputs:
                    image = ui.picture("A picture", TASK)
                    encoder = ui.weights_picker(TASK, AUTOENCODER)
                    info = "As was done with what the embedded model has learned from."
                    trim = gr.Checkbox(True, label="Cut off even borders", info=info)
                    wishes = [image, encoder, trim]
                    ui.run(reconstruct_picture, inputs=wishes, outputs=drawn[-1], api_name="reconstruct_picture")
    pickers = (model, encoder)
    registered = [picker.choices for picker in pickers]

    def use(own: str, there: Any) -> list[dict]:
        """Offer a visitor's own model where it can be used."""
        if not own or not there:
            return [gr.skip()] * len(pickers)
        chosen = [gr.update(choices=[*choices, ("Your own model", own)], value=own) for choices in registered]
        return chosen if backend_of(own).encodes else [chosen[0], gr.skip()]

    def show_kinds(chosen: str) -> dict:
        kinds = backend_of(chosen).kinds if own_models.is_own(chosen) else registry.get(chosen).kinds
        return gr.update(choices=[("Each in turn", ""), *kinds], value="", visible=bool(kinds))

    file.change(ui.plain_errors(use), [name, file], list(pickers), queue=False, **ui.PRIVATE)
    brought.change(ui.plain_errors(use), [brought, brought], list(pickers), queue=False, **ui.PRIVATE)
    model.change(ui.plain_errors(show_kinds), model, kind, queue=False, **ui.PRIVATE)
    return model, image, drawn, ways
