"""Faces, continued: attributes to turn up and down, and sums of faces."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from demos import components as ui
from demos.face_parts import DEFAULT, save_face, truncation_slider
from demos.gpu import on_gpu
from gan_models.images import read_provenance
from gan_models.jobs import Step

ATTRIBUTES = {  # in the order of the sliders: what − and + do
    "age": "younger, older",
    "gender": "more feminine, more masculine",
    "smile": "sadder, happier",
    "long_hair": "shorter, longer hair",
    "dark_hair": "lighter, darker hair",
    "pose": "turned to the left, to the right",
    "young": "older, younger",
    "eyeglasses": "without, with glasses",
    "bald": "more, less hair",
    "hat": "without, with a hat",
    "mustache": "without, with a moustache",
}
COMPACT = ("age", "gender", "smile", "long_hair", "dark_hair", "pose")


class Names(gr.CheckboxGroup):
    """A choice among attributes that takes any names: those that the weights don't know are refused with a list."""

    is_template = True

    def preprocess(self, payload: Any) -> list[str]:
        """Return the names that were picked."""
        if payload is not None and not isinstance(payload, list):
            raise gr.Error("Attributes to hold are a list of names.", print_exception=False)
        return [str(name) for name in payload or []]

    def api_info(self) -> dict[str, Any]:
        """Say that any names may be asked for, as they depend on the model."""
        return {"type": "array", "items": {"type": "string"}}


@on_gpu
def edit_face(
    model: str = DEFAULT,
    seed: str = "1",
    truncation: float = 0.7,
    edits: dict | None = None,
    hold: list[str] | None = None,
    latents: str | None = None,
) -> Iterator[tuple]:
    """Change attributes of a face: its age, its smile, its hair.

    Args:
        model: A name that /models lists for the task "faces".
        seed: The face to edit.
        truncation: From 0, the average face, to 1.5.
        edits: Strengths from -5 to 5 by attribute, such as {"age": 2, "smile": -1}, in units of faces' deviation.
        hold: Attributes to leave as they are, such as ["gender"].
        latents: A file of latents that /invert_face returned, to edit a photo in place of a seed's face.

    Returns:
        The edited face, a PNG that carries what made it; then the face before and after.
    """
    from gan_models.inversion import latents as files
    from gan_models.stylegan2 import parse_seeds
    from gan_models.stylegan2.edit import FaceEditor

    if not isinstance(edits or {}, dict):
        raise ValueError('Edits are strengths by attribute, such as {"age": 2}.')
    number = None if latents else parse_seeds(seed)[0]
    changes = {name: strength for name, strength in (edits or {}).items() if strength != 0}
    settings = {"truncation": truncation, "edits": changes, "hold": hold or [], "noise": "const"}
    if latents:
        settings |= {"latents": "from a file"}

    def work() -> Iterator[Step]:
        editor = FaceEditor.cached(model)
        if latents:
            found = files.load(latents, model, editor.faces.network)
            w, noises = found.w, found.noises
        else:
            w, noises = editor.faces.styles(editor.faces.latents([number]), truncation)[0], None
        after = editor.edited(w, changes, hold or [])
        pair = [editor.faces.draw(one, noises=noises) for one in (w, after)]
        path = save_face(pair[1], model, seed=number, action="edit", **settings)
        before, shown = (
            ui.view(one, ui.new_file(f"{side}.png")) for one, side in zip(pair, ("before", "after"), strict=True)
        )
        yield Step(1, 1, message="An edited face", result=ui.Made((path, (before, shown)), read_provenance(path)))

    yield from ui.stream(work(), model, lambda step: (None, gr.skip()), idle=(None, gr.skip()))


@on_gpu
def combine_faces(
    model: str = DEFAULT, plus: str = "1-4", minus: str = "5-8", also: str = "9-12", truncation: float = 0.7
) -> Iterator[tuple]:
    """Add up faces: the average of some, minus that of others, plus that of a third group.

    Args:
        model: A name that /models lists for the task "faces".
        plus: Seeds of faces with something, such as "1-4".
        minus: Seeds of faces like those without it.
        also: Seeds of the faces that get it.
        truncation: From 0, the average face, to 1.5.

    Returns:
        The sum, a PNG that carries what made it; then a gallery of the averages and the sum.
    """
    from gan_models.stylegan2 import parse_seeds
    from gan_models.stylegan2.edit import FaceEditor

    groups = {"plus": parse_seeds(plus), "minus": parse_seeds(minus), "also": parse_seeds(also)}
    captions = ("Plus", "Minus", "Also plus", "Together")
    shown: list[tuple[str, str]] = []

    def work() -> Iterator[Step]:
        editor = FaceEditor.cached(model)
        styles = editor.combined(*groups.values(), truncation)
        for caption, w in zip(captions, styles, strict=True):
            picture = editor.faces.draw(w)
            path = save_face(picture, model, truncation=truncation, noise="const", action="combine", **groups)
            shown.append((path, caption))
            yield Step(len(shown), len(captions), preview=picture)
        yield Step(1, 1, message="A sum of faces", result=ui.Made((path, shown), read_provenance(path)))

    yield from ui.stream(work(), model, lambda step: (None, list(shown)), idle=(None, gr.skip()))


def build_editing(model: gr.Dropdown) -> tuple[ui.Outputs, gr.File]:
    """Lay out the editing of attributes; returns the outputs and the place for a file of latents."""
    with ui.two_columns("Changes a face: older or younger, a smile, other hair.") as (inputs, outputs):
        with outputs:
            result = ui.before_after()
        with inputs:
            seed = gr.Textbox("1", label="Seed", info="The face to edit.", max_length=20)
            latents = gr.File(
                label="Or latents of a photo, from the tab “Face inversion”",
                file_types=[".safetensors"],
                height=110,
                elem_classes="latents-input",
            )
            sliders = {
                name: gr.Slider(-5, 5, 0, step=0.1, label=label(name), info=text, visible=name in COMPACT)
                for name, text in ATTRIBUTES.items()
            }
            hold = Names(
                [(label(name), name) for name in COMPACT], label="Hold", info="What should stay as it is meanwhile."
            )
            with gr.Accordion("Advanced", open=False):
                truncation = truncation_slider()
                edits = gr.JSON({}, label="Strengths", elem_classes="edits")
            arguments = [model, seed, truncation, edits, hold, latents]
            ui.run(edit_face, inputs=arguments, outputs=result, api_name="edit_face")
    names = "[" + ", ".join(f'"{name}"' for name in sliders) + "]"
    collect = f"(...values) => Object.fromEntries({names}.map((name, i) => [name, values[i]]).filter(e => e[1]))"
    for slider in sliders.values():
        slider.change(None, list(sliders.values()), edits, js=collect, **ui.PRIVATE)

    def describe(name: str) -> list[Any]:
        """Show the sliders of the attributes that the weights know."""
        from gan_models.stylegan2.edit import attributes_of

        there = attributes_of(name)
        choices = [(label(attribute), attribute) for attribute in sliders if attribute in there]
        visible = [gr.update(visible=attribute in there, value=0) for attribute in sliders]
        return [*visible, gr.update(choices=choices, value=[])]

    model.change(ui.plain_errors(describe), model, [*sliders.values(), hold], queue=False, **ui.PRIVATE)
    return result, latents


def label(attribute: str) -> str:
    """Return the name of an attribute as the page shows it."""
    return attribute.replace("_", " ").capitalize()


def build_combining(model: gr.Dropdown) -> ui.Outputs:
    """Lay out the sums of faces."""
    sentence = "Adds up faces: the average of some, minus the average of others, plus a third group."
    with ui.two_columns(sentence) as (inputs, outputs):
        with outputs:
            result = ui.gallery("The averages and their sum", 4, file_label="Sum (PNG)", file_first=True)
        with inputs:
            info = "Seeds of faces that have something, such as 1-4: laughing men, say."
            plus = gr.Textbox("1-4", label="Plus", info=info, max_length=200)
            minus = gr.Textbox("5-8", label="Minus", info="The same without it: men.", max_length=200)
            also = gr.Textbox("9-12", label="Plus", info="Who gets it: women, say.", max_length=200)
            truncation = truncation_slider()
            arguments = [model, plus, minus, also, truncation]
            ui.run(combine_faces, inputs=arguments, outputs=result, api_name="combine_faces")
    return result
