"""Faces: people who do not exist, mixtures of two, edits, films from one to the next, sums."""

import json
from typing import Any

import gradio as gr

from demos.kit.controls import PRIVATE, controls, weights_picker
from demos.kit.errors import plain_errors
from demos.kit.outputs import Outputs, Ports, Tab, outputs, two_columns
from demos.kit.runs import run
from gan_models.stylegan2 import (
    ATTRIBUTES,
    MAX_STRENGTH,
    CombineFaces,
    EditFace,
    GenerateFaces,
    InterpolateFaces,
    MixStyles,
    attributes_of,
    label,
)
from gan_models.task import Task


def build() -> Ports:
    """Lay out the tab inside the Blocks that is being built."""
    one = GenerateFaces.parameters()["model"]
    model = weights_picker(one.weights, one.default)
    with gr.Tabs() as tabs:
        with gr.Tab("Generate"):
            lead = "Draws people who do not exist. The same seed gives the same face."
            generated = _build(GenerateFaces, model, lead)
        with gr.Tab("Mix"):
            lead = "Gives a face the look of another one: some of its layers in place of the first's."
            mixed = _build(MixStyles, model, lead)
        with gr.Tab("Edit", id="edit"):
            edited, latents = _build_editing(model)
        with gr.Tab("Interpolate"):
            film = _build(InterpolateFaces, model, "Films the way from face to face.")
        with gr.Tab("Add up"):
            lead = "Adds up faces: the average of some, minus the average of others, plus a third group."
            combined = _build(CombineFaces, model, lead)
    results = (generated, mixed, edited, film, combined)
    return Ports(model, None, results, inside=((tabs, "edit"),), latents=latents)


def _build(task: type[Task], model: gr.Dropdown, lead: str) -> Outputs:
    with two_columns(lead) as (inputs, shown):
        with shown:
            result = outputs(task)
        with inputs:
            run(task, controls(task, model=model), result)
    return result


def _build_editing(model: gr.Dropdown) -> tuple[Outputs, gr.File]:
    """Lay out the editing of attributes; returns the outputs and the place for a file of latents."""
    there = attributes_of(model.value)
    with two_columns("Changes a face: older or younger, a smile, other hair.") as (inputs, shown):
        with shown:
            result = outputs(EditFace, compared="Before and after")
        with inputs:
            asked = controls(EditFace, ("seed", "latents"))
            sliders = {
                name: gr.Slider(
                    -MAX_STRENGTH, MAX_STRENGTH, 0, step=0.1, label=label(name), info=text, visible=name in there
                )
                for name, text in ATTRIBUTES.items()
            }
            one = EditFace.parameters()["hold"]
            hold = gr.CheckboxGroup([(label(name), name) for name in there], label=one.title, info=one.description)
            with gr.Accordion("Advanced", open=False):
                asked |= controls(EditFace, ("truncation", "edits"))
            asked = controls(EditFace, (), model=model, hold=hold, **asked)
            run(EditFace, asked, result)
    collect = f"""(...values) => Object.fromEntries(
        {json.dumps(list(sliders))}.map((name, i) => [name, values[i]]).filter(e => e[1]))"""
    changes = [slider.change for slider in sliders.values()]
    gr.on(changes, None, list(sliders.values()), asked["edits"], js=collect, **PRIVATE)

    def describe(name: str) -> list[Any]:
        """Show the sliders of the attributes that the weights know."""
        there = attributes_of(name)
        choices = [(label(attribute), attribute) for attribute in sliders if attribute in there]
        visible = [gr.update(visible=attribute in there, value=0) for attribute in sliders]
        return [*visible, gr.update(choices=choices, value=[])]

    model.change(plain_errors(describe), model, [*sliders.values(), hold], queue=False, **PRIVATE)
    return result, asked["latents"]


TAB = Tab("Faces", build)
