"""Face control: a face of sixty, turned to the left, smiling, lit from the right."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from demos import components as ui
from demos.face_editing import Names, label
from demos.face_parts import truncation_slider
from demos.gpu import on_gpu
from gan_models.checkpoints import registry
from gan_models.images import read_provenance
from gan_models.images.provenance import write_png
from gan_models.jobs import Step

TITLE = "Face control"
TASK = "face-control"
DEFAULT = "faces-control-compact"
CONTROLS = {  # least, most, where the slider begins, what it says
    "age": (5, 80, 60, "In years, as people judge it."),
    "pose": (-2, 2, 1, "Turned to the left, to the right; in deviations of real faces, as the ones below are."),
    "expression": (-2, 2, 1, "Serious, smiling."),
    "hair": (-2, 2, 1, "Fair, dark."),
    "light": (-2, 2, 1, "Lit from the left, from the right."),
    "light_up": (-2, 2, 1, "Lit from below, from above."),
    "brightness": (-2, 2, 0, "Dark, bright; light and skin can't be told apart."),
    "yaw": (-90, 90, 30, "Turned to the side, in degrees."),
    "pitch": (-90, 90, 0, "Looking up or down, in degrees."),
    "roll": (-90, 90, 0, "Leaning to the side, in degrees."),
    "hair_red": (0, 255, 186, "Of the colour of the hair."),
    "hair_green": (0, 255, 158, "Of the colour of the hair."),
    "hair_blue": (0, 255, 92, "Of the colour of the hair."),
}
COMPACT = ("age", "pose", "expression", "hair", "light", "light_up", "brightness")
PUBLISHED = ("age", "yaw", "pitch", "roll", "hair_red", "hair_green", "hair_blue")
PRESETS = (  # seed, and what is asked for
    ("1", {"age": 10, "expression": 1.5}),
    ("4", {"age": 70, "pose": -1.2, "expression": 1}),
    ("9", {"age": 35, "light": 1.5, "hair": 1.5}),
)


@on_gpu
def control_face(
    model: str = DEFAULT, seed: str = "1", controls: dict | None = None, truncation: float = 0.7
) -> Iterator[tuple]:
    """Draw a face as it is asked for: of an age, turned, smiling, lit from a side.

    Args:
        model: A name that /models lists for the task "face-control".
        seed: The person; all that isn't asked for is as the seed has it.
        controls: Values by name, such as {"age": 60, "pose": -1, "expression": 1.5, "hair": 1, "light": 1,
            "light_up": 0, "brightness": 0}; the age in years, all others in deviations of real faces, -2 to 2. The
            published weights take "age", "yaw", "pitch", "roll" in degrees, "hair_red", "hair_green", "hair_blue".
        truncation: From 0, the average face, to 1.5.

    Returns:
        The face, a PNG that carries what made it and what was measured in it; then the face before and after.
    """
    from gan_models.gan_control import FaceController
    from gan_models.stylegan2 import parse_seeds

    if not isinstance(controls or {}, dict):
        raise ValueError('Controls are values by name, such as {"age": 60}.')
    number = parse_seeds(seed)[0]

    def work() -> Iterator[Step]:
        faces = FaceController.cached(model)
        w = faces.styles(faces.latents([number]), truncation)[0]
        pair = [faces.draw(one) for one in (w, faces.controlled(w, controls or {}))]
        measured = {name: round(value, 2) for name, value in faces.measured(pair[1]).items()}
        path = str(ui.new_file(f"{TASK}-{model}-{number}.png"))
        settings = {"truncation": truncation, "controls": controls or {}, "measured": measured}
        write_png(path, pair[1], task=TASK, model=model, generated=True, seed=number, action="control", **settings)
        before, shown = (
            ui.view(one, ui.new_file(f"{side}.png")) for one, side in zip(pair, ("before", "after"), strict=True)
        )
        said = _compared(controls or {}, measured)
        yield Step(1, 1, message=f"A face{said}", result=ui.Made((path, (before, shown)), read_provenance(path)))

    yield from ui.stream(work(), model, lambda step: (None, gr.skip()), idle=(None, gr.skip()))


def _compared(controls: dict[str, float], measured: dict[str, float]) -> str:
    """Say how near the face comes to what was asked for, if that can be measured."""
    found = [f"{label(name).lower()} {measured[name]:g} (asked: {controls[name]:g})" for name in controls if measured]
    return f" in which we measure {', '.join(found)}," if found else ""


@on_gpu
def control_sheet(
    model: str = DEFAULT, seeds: str = "1-4", control: str = "age", columns: int = 7, truncation: float = 0.7
) -> Iterator[tuple]:
    """Draw a sheet of faces, a row each, in which one control goes from its least value to its most.

    Args:
        model: A name that /models lists for the task "face-control".
        seeds: One to six people, such as "1-4".
        control: What changes, such as "age".
        columns: Values, 2 to 11.
        truncation: From 0, the average face, to 1.5.

    Returns:
        The sheet, a PNG that carries what made it.
    """
    from gan_models.gan_control import FaceController
    from gan_models.stylegan2 import parse_seeds

    numbers = parse_seeds(seeds)

    def work() -> Iterator[Step]:
        faces = FaceController.cached(model)
        steps = faces.sheet(numbers, control, columns=columns, truncation=truncation)
        step = yield from ui.until_result(steps)
        picture, values = step.result
        path = str(ui.new_file(f"{TASK}-{model}-{control}.png"))
        settings = {"seeds": numbers, "control": control, "values": values, "truncation": truncation}
        write_png(path, picture, task=TASK, model=model, generated=True, action="sheet", **settings)
        message = f"{label(control)} from {values[0]:g} to {values[-1]:g}"
        made = ui.Made((path, ui.view(picture, ui.new_file("sheet.png"))), read_provenance(path))
        yield Step(1, 1, message=message, result=made)

    def preview(step: Step) -> tuple:
        return None, ui.view(step.preview, ui.new_file(f"rows-{step.index}.png"))

    yield from ui.stream(work(), model, preview, idle=(None, gr.skip()))


def build() -> ui.Ports:
    """Lay out the tab inside the Blocks that is being built."""
    model = ui.weights_picker(TASK)
    with gr.Tabs():
        with gr.Tab("One face"):
            face = _build_face(model)
        with gr.Tab("Sheet"):
            sheet = _build_sheet(model)
    return ui.Ports(model, None, (face, sheet))


def _build_face(model: gr.Dropdown) -> ui.Outputs:
    sentence = "Draws a face as you ask for it. What you don't ask for is as the seed has it."
    with ui.two_columns(sentence) as (inputs, outputs):
        with outputs:
            result = ui.before_after()
        with inputs:
            seed = gr.Textbox("1", label="Seed", info="The person.", max_length=20)
            info = "Ticked ones count; moving a slider ticks its own."
            chosen = Names([(label(name), name) for name in COMPACT], label="Asked for", info=info)
            sliders = {
                name: gr.Slider(low, high, begin, step=0.1 if high < 10 else 1, label=label(name), info=text)
                for name, (low, high, begin, text) in CONTROLS.items()
            }
            for name, slider in sliders.items():
                slider.visible = name in COMPACT
            with gr.Accordion("Advanced", open=False):
                truncation = truncation_slider()
                asked = gr.JSON({}, label="Controls", elem_classes="controls")
                made = ui.made_here("A face")
            _examples(seed, chosen, sliders, asked)
            arguments = [model, seed, asked, truncation]
            ui.run(control_face, inputs=arguments, outputs=result, api_name="control_face")
    names = "[" + ", ".join(f'"{name}"' for name in sliders) + "]"
    kept = f"Object.fromEntries({names}.map((name, i) => [name, values[i]]).filter(e => ticked.includes(e[0])))"
    values = [chosen, *sliders.values()]
    chosen.change(None, values, asked, js=f"(ticked, ...values) => {kept}", **ui.PRIVATE)
    for name, slider in sliders.items():
        ticks = f'[...new Set([...was, "{name}"])]'
        collect = f"(was, ...values) => {{ const ticked = {ticks}; return [ticked, {kept}]; }}"
        slider.input(None, values, [chosen, asked], js=collect, **ui.PRIVATE)

    def describe(name: str) -> list[Any]:
        """Show what the weights can be asked for."""
        there = COMPACT if registry.get(name, task=TASK).embedded else PUBLISHED
        choices = [(label(control), control) for control in there]
        return [gr.update(choices=choices, value=[]), *(gr.update(visible=control in there) for control in sliders)]

    model.change(ui.plain_errors(describe), model, values, queue=False, **ui.PRIVATE)
    controls = {"model": model, "seed": seed, "truncation": truncation, "controls": asked}
    ui.restore_settings(made, TASK, controls, action="control")
    return result


def _examples(seed: gr.Textbox, chosen: Names, sliders: dict[str, gr.Slider], asked: gr.JSON) -> None:
    """Add faces to click."""
    rows = []
    for number, controls in PRESETS:
        values = [controls.get(name, begin) for name, (_, _, begin, _) in CONTROLS.items()]
        rows.append([number, list(controls), *values, controls])
    labels = [
        ", ".join(f"{label(name).lower()} {value:g}" for name, value in controls.items()) for _, controls in PRESETS
    ]
    gr.Examples(
        rows, [seed, chosen, *sliders.values(), asked], label="Examples", example_labels=labels, cache_examples=False
    )


def _build_sheet(model: gr.Dropdown) -> ui.Outputs:
    with ui.two_columns("Draws faces in rows, in which one control goes from its least to its most.") as (
        inputs,
        outputs,
    ):
        with outputs:
            shown = gr.Image(label="Sheet", interactive=False, buttons=["fullscreen"], elem_classes="sheet")
            status = ui.status_line()
            file = gr.File(label="Sheet (PNG)", interactive=False, elem_classes="result-file")
            result = ui.Outputs((file, shown), status, ui.settings_panel())
        with inputs:
            seeds = gr.Textbox("1-4", label="Seeds", info="One to six people.", max_length=200)
            control = gr.Dropdown(
                [(label(name), name) for name in COMPACT], value="age", label="Control", filterable=False
            )
            columns = gr.Slider(2, 11, 7, step=1, precision=0, label="Values", info="From the least to the most.")
            truncation = truncation_slider()
            arguments = [model, seeds, control, columns, truncation]
            ui.run(control_sheet, inputs=arguments, outputs=result, api_name="control_sheet")

    def describe(name: str) -> Any:
        """Offer what the weights can be asked for."""
        there = COMPACT if registry.get(name, task=TASK).embedded else PUBLISHED
        return gr.update(choices=[(label(one), one) for one in there], value="age")

    model.change(ui.plain_errors(describe), model, control, queue=False, **ui.PRIVATE)
    return result
