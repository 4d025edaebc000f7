"""The training lab: GANs on points and on pictures before one's eyes, and what they draw when they are trained."""

from functools import partial
from typing import Any

import gradio as gr

from demos.kit import own_models
from demos.kit.controls import PRIVATE, controls, inlined_info, weights_picker
from demos.kit.errors import plain_errors
from demos.kit.files import cache_folder
from demos.kit.gpu import SEARCH, TRAINING
from demos.kit.outputs import Outputs, Ports, Tab, outputs, two_columns
from demos.kit.runs import delivered, run
from demos.training_lab.training import load_generator, trained
from gan_models import settings
from gan_models.checkpoints import registry
from gan_models.classic import (
    EXPERIMENTS,
    CombinePictures,
    GeneratePictures,
    InterpolatePictures,
    ReconstructPicture,
    TrainGan,
    TrainToy,
    TwoLines,
)

POINTS_SECONDS = 0.2  # from one figure of points to the next, at least


def build() -> Ports:
    """Lay out the tab inside the Blocks that is being built."""
    with gr.Tabs() as tabs:
        with gr.Tab("Points"):
            points = _build_points()
        with gr.Tab("Two lines"):
            lines = _build_lines()
        with gr.Tab("Pictures"):
            learned, brought = _build_training()
        with gr.Tab("Generate", id="generate"):
            model, image, drawn, ways = _build_drawing(learned, brought)
    inside = ((tabs, "generate"), (ways, "back"))
    return Ports(model, image, (points, lines, learned, *drawn), inside=inside)


def _build_points() -> Outputs:
    lead = "Trains a GAN on points before your eyes: what it covers, what it misses, and what its gradients do."
    with two_columns(lead) as (inputs, shown):
        with shown:
            result = outputs(TrainToy, height=400)
            gr.Markdown(
                "White: real points. Black: drawn ones. Red is where the discriminator thinks points likely real, or "
                "a critic's score is highest; blue is the opposite. Colours are stretched between the two, however "
                "sure it is: that the losses tell. A Wasserstein GAN has a curve more: the distance that its critic "
                "sees. With a gradient penalty it falls as the samples get better, with clipped weights less surely; "
                "a plain GAN's losses don't tell."
            )
        with inputs:
            asked = controls(TrainToy)
            work = partial(delivered, every=POINTS_SECONDS)
            run(TrainToy, asked, result, lane=SEARCH, work=work)
            defaults = {name: one.default for name, one in TrainToy.parameters().items()}
            gr.Examples(
                [list((defaults | other).values()) for other in EXPERIMENTS.values()],
                inputs=[asked[name] for name in defaults],
                label="Try",
                example_labels=list(EXPERIMENTS),
                cache_examples=False,
                api_visibility="private",
                elem_id="examples-points",
            )
    return result


def _build_lines() -> Outputs:
    lead = "Two parallel lines: one distance says how far they are apart, the other only that they are."
    with two_columns(lead) as (inputs, shown):
        with shown:
            result = outputs(TwoLines)
        with inputs:
            asked = controls(TwoLines)
            gr.Markdown(
                "A discriminator and a critic (WGAN-GP) are trained on the lines. The first is soon so sure that a "
                "generator learns nothing from it; the second keeps a slope of about 1."
            )
            run(TwoLines, asked, result, lane=SEARCH, work=delivered)
    return result


def _build_training() -> tuple[Outputs, gr.Textbox]:
    lead = "Trains a GAN on your pictures; the next tab draws with it. Others get the device in between."
    with two_columns(lead) as (inputs, shown):
        with shown:
            result = outputs(TrainGan, columns=3)
        with inputs:
            asked = controls(TrainGan)
            gr.Markdown(
                "Without any pictures, the lab learns from 600 creatures that it draws itself. For a conditional GAN "
                f"bring an archive with a folder for each kind. A file may have {settings.max_upload_mb():g} MB, an "
                "archive too; bring many in archives. They are read in memory and forgotten after the training."
            )
            cancelled = run(TrainGan, asked, result, lane=TRAINING, work=trained)
            bring = gr.File(label="Bring a model back", file_types=[".safetensors"], height=110)
            bring.api_info = bring.api_info_as_input = partial(inlined_info, bring)
            brought = gr.Textbox(label="Its name", interactive=False, visible=False)
    resume, name = asked["resume"], result.parts["model"]
    others = [asked[one] for one in ("dataset", "family", "seed", "side", "batch_size", "z_dim", "norm")]
    gr.on([one.change for one in others], None, None, resume, js="() => ''", **PRIVATE)

    def begun(name: str) -> str:
        return name if name and own_models.goes_on(name, cache_folder()) else ""

    name.change(None, name, resume, js="(name) => name", **PRIVATE)
    cancelled.then(plain_errors(begun), resume, resume, queue=False, **PRIVATE)
    record = result.parts["record"]
    record.change(lambda record: "" if record else gr.skip(), record, resume, queue=False, **PRIVATE)
    bring.upload(plain_errors(load_generator), bring, brought, api_name="load_generator", queue=False)
    return result, brought


def _build_drawing(learned: Outputs, brought: gr.Textbox) -> tuple[gr.Dropdown, gr.Image, list[Outputs], gr.Tabs]:
    parameters = GeneratePictures.parameters()
    model = weights_picker(parameters["model"].weights, parameters["model"].default)
    kind = gr.Dropdown(  # what kinds there are depends on the model, which checks
        [("Each in turn", "")], value="", label="Kind", visible=False, allow_custom_value=True
    )
    drawn = []
    with gr.Tabs() as ways:
        for title, lead, task in (
            ("Pictures", "Draws pictures from seeds.", GeneratePictures),
            ("Film", "Films the way from seed to seed.", InterpolatePictures),
            ("Add up", "First − minus + plus, reckoned in latents.", CombinePictures),
        ):
            with gr.Tab(title), two_columns(lead) as (inputs, shown):
                with shown:
                    drawn.append(outputs(task))
                with inputs:
                    given = {"model": model, "kind": kind}
                    asked = controls(task, **{name: one for name, one in given.items() if name in task.parameters()})
                    run(task, asked, drawn[-1])
        with gr.Tab("There and back", id="back"):
            lead = "Encodes a picture and draws it again: only an autoencoding GAN can."
            with two_columns(lead) as (inputs, shown):
                with shown:
                    drawn.append(outputs(ReconstructPicture, compared="Before and after"))
                with inputs:
                    one = ReconstructPicture.parameters()["model"]
                    encoders = [entry.name for entry in registry.models(one.weights) if entry.encodes]
                    encoder = weights_picker(one.weights, one.default, encoders)
                    asked = controls(ReconstructPicture, model=encoder)
                    image = asked["image"]
                    run(ReconstructPicture, asked, drawn[-1])
    pickers = (model, encoder)
    registered = [picker.choices for picker in pickers]

    def use(own: str, there: Any) -> list[Any]:
        """Offer a visitor's own model where it can be used."""
        if not own or not there:
            return [gr.skip()] * len(pickers)
        chosen = [gr.update(choices=[*choices, ("Your own model", own)], value=own) for choices in registered]
        return chosen if _backend(own).encodes else [chosen[0], gr.skip()]

    def show_kinds(chosen: str) -> dict:
        kinds = _backend(chosen).kinds if own_models.is_own(chosen) else registry.get(chosen).kinds
        return gr.update(choices=[("Each in turn", ""), *kinds], value="", visible=bool(kinds))

    name, file = learned.parts["model"], learned.parts["file"]
    file.change(plain_errors(use), [name, file], list(pickers), queue=False, **PRIVATE)
    brought.change(plain_errors(use), [brought, brought], list(pickers), queue=False, **PRIVATE)
    model.change(plain_errors(show_kinds), model, kind, queue=False, **PRIVATE)
    return model, image, drawn, ways


def _backend(own: str) -> Any:
    """Return the backend of a visitor's own model."""
    return GeneratePictures.backend_class().cached(str(own_models.file(own, cache_folder())))


TAB = Tab("Training lab", build)
