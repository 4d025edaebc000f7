"""Face control: a face of sixty, turned to the left, smiling, lit from the right."""

import json
from typing import Any

import gradio as gr

from demos.kit.controls import PRIVATE, controls, weights_picker
from demos.kit.errors import plain_errors
from demos.kit.outputs import Outputs, Ports, Tab, outputs, two_columns
from demos.kit.runs import run
from gan_models.checkpoints import registry
from gan_models.gan_control import COMPACT, PRESETS, PUBLISHED, Control, ControlFace, ControlSheet, label

CONTROLS = COMPACT | {name: one for name, one in PUBLISHED.items() if name not in COMPACT}


def build() -> Ports:
    """Lay out the tab inside the Blocks that is being built."""
    one = ControlFace.parameters()["model"]
    model = weights_picker(one.weights, one.default)
    with gr.Tabs():
        with gr.Tab("One face"):
            face = _build_face(model)
        with gr.Tab("Sheet"):
            sheet = _build_sheet(model)
    return Ports(model, None, (face, sheet))


def _build_face(model: gr.Dropdown) -> Outputs:
    lead = "Draws a face as you ask for it. What you don't ask for is as the seed has it."
    with two_columns(lead) as (inputs, shown):
        with shown:
            result = outputs(ControlFace, compared="Before and after")
        with inputs:
            asked = controls(ControlFace, ("seed",))
            info = "Ticked ones count; moving a slider ticks its own."
            chosen = gr.CheckboxGroup([(label(name), name) for name in COMPACT], label="Asked for", info=info)
            sliders = {
                name: gr.Slider(
                    one.low,
                    one.high,
                    one.begin,
                    step=0.1 if one.high < 10 else 1,
                    label=label(name),
                    info=one.text,
                    visible=name in COMPACT,
                )
                for name, one in CONTROLS.items()
            }
            with gr.Accordion("Advanced", open=False):
                asked |= controls(ControlFace, ("truncation", "controls"))
            asked = controls(ControlFace, (), model=model, **asked)
            _examples(asked["seed"], chosen, sliders, asked["controls"])
            run(ControlFace, asked, result)
    names, values = json.dumps(list(sliders)), [chosen, *sliders.values()]
    kept = f"Object.fromEntries({names}.map((name, i) => [name, values[i]]).filter(e => ticked.includes(e[0])))"
    chosen.change(None, values, asked["controls"], js=f"(ticked, ...values) => {kept}", **PRIVATE)
    for name, slider in sliders.items():
        ticks = f'[...new Set([...was, "{name}"])]'
        collect = f"(was, ...values) => {{ const ticked = {ticks}; return [ticked, {kept}]; }}"
        slider.input(None, values, [chosen, asked["controls"]], js=collect, **PRIVATE)

    def describe(name: str) -> list[Any]:
        """Show what the weights can be asked for."""
        there = _controls_of(name)
        choices = [(label(control), control) for control in there]
        return [gr.update(choices=choices, value=[]), *(gr.update(visible=control in there) for control in sliders)]

    model.change(plain_errors(describe), model, values, queue=False, **PRIVATE)
    return result


def _controls_of(model: str) -> dict[str, Control]:
    """Return what the weights can be asked for; loads nothing."""
    return registry.get(model, task=ControlFace.name).asked


def _examples(seed: gr.Textbox, chosen: gr.CheckboxGroup, sliders: dict[str, gr.Slider], asked: gr.JSON) -> None:
    """Add faces to click."""
    rows = []
    for number, wanted in PRESETS:
        values = [wanted.get(name, one.begin) for name, one in CONTROLS.items()]
        rows.append([number, list(wanted), *values, wanted])
    labels = [
        ", ".join(f"{label(name).lower()} {value:g}" for name, value in wanted.items()) for _, wanted in PRESETS
    ]
    gr.Examples(
        rows,
        [seed, chosen, *sliders.values(), asked],
        label="Examples",
        example_labels=labels,
        cache_examples=False,
        api_visibility="private",
        elem_id="examples-face-control",
    )


def _build_sheet(model: gr.Dropdown) -> Outputs:
    with two_columns("Draws faces in rows, in which one control goes from its least to its most.") as (inputs, shown):
        with shown:
            result = outputs(ControlSheet)
        with inputs:
            one = ControlSheet.parameters()["control"]
            control = gr.Dropdown(
                [(label(name), name) for name in COMPACT], value=one.default, label=one.title, filterable=False
            )
            run(ControlSheet, controls(ControlSheet, model=model, control=control), result)

    def describe(name: str) -> Any:
        """Offer what the weights can be asked for."""
        return gr.update(choices=[(label(one), one) for one in _controls_of(name)], value=one.default)

    model.change(plain_errors(describe), model, control, queue=False, **PRIVATE)
    return result


TAB = Tab("Face control", build)
