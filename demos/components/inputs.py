"""What tabs ask for: pictures, seeds, weights."""

import html
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from demos import own_models
from demos.components.errors import plain_errors
from demos.components.messages import note, progress_bar
from gan_models.checkpoints import hub, registry
from gan_models.images import read_provenance
from gan_models.jobs import Step, check_wanted, responsive

EXAMPLES = Path(__file__).parents[2] / "examples"
MAX_SEED = 2**32 - 1
PRIVATE = {"api_visibility": "private", "show_progress": "hidden"}


class Picture(gr.Image):
    """A picture input that hands over the file as it came.

    `gr.Image` opens the file itself: it drops alpha, clips 16-bit pictures and answers broken files with a
    traceback. Our one decoder does better.
    """

    is_template = True  # the browser shows it as its parent, gr.Image

    def preprocess(self, payload: Any) -> str | None:
        """Return the path of the uploaded file, or None."""
        if payload is None:
            return None
        if not payload.path:  # a picture inside the request itself, which `gr.Image` would open
            raise gr.Error("Send the picture as a file.", print_exception=False)
        return payload.path


class Film(gr.Video):
    """A film input that hands over the file as it came: what is none is refused by our own reader."""

    is_template = True

    def preprocess(self, payload: Any) -> str | None:
        """Return the path of the uploaded file, or None."""
        if payload is None:
            return None
        if not payload.path:
            raise gr.Error("Send the film as a file.", print_exception=False)
        return payload.path


class ModelPicker(gr.Dropdown):
    """A choice among models that takes any name: what is none is refused by whoever loads it, with a list."""

    is_template = True

    def preprocess(self, payload: Any) -> str:
        """Return the name that was picked."""
        if not isinstance(payload, str):
            raise gr.Error("A model is asked for by its name.", print_exception=False)
        return payload

    def api_info(self) -> dict[str, Any]:
        """Say that any name may be asked for, as visitors' own models are in no list."""
        return {"type": "string"}


class Seed(gr.Number):
    """A whole number, 0 where the field is empty."""

    is_template = True

    def preprocess(self, payload: Any) -> int:
        """Return the number."""
        return 0 if payload is None else super().preprocess(payload)


def seed() -> Seed:
    """Add a field for a seed."""
    return Seed(0, label="Seed", precision=0, minimum=0, maximum=MAX_SEED)


def upload(label: str, elem_class: str, *, visible: bool = True) -> Picture:
    """Add a small place to drop a picture on."""
    return Picture(
        label=label,
        type="filepath",
        image_mode=None,
        sources=["upload"],
        height=140,
        buttons=[],
        elem_classes=elem_class,
        visible=visible,
    )


def film(label: str) -> Film:
    """Add a place to drop a film on."""
    return Film(label=label, sources=["upload"], height=260, buttons=[], elem_classes="film-input")


def picture(
    label: str,
    examples: str,
    along: tuple[gr.components.Component, dict[str, str]] | None = None,
    name: str | None = None,
) -> Picture:
    """Add a picture input (upload, drop, paste or camera) over the pictures of `examples/{examples}/` to click.

    With `along`, a click sets another component too: to the value for the picture's name. In the page the examples
    are called `name`, or as their folder.
    """
    source = Picture(
        label=label,
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard", "webcam"],
        height=300,
        buttons=["fullscreen"],
        webcam_options=gr.WebcamOptions(mirror=False),
        elem_classes="picture-input",
    )
    other, values = along or (None, {})
    paths = sorted((EXAMPLES / examples).iterdir())
    gr.Examples(
        [[str(path), *([values[path.name]] if along else [])] for path in paths],
        inputs=[source, *([other] if along else [])],
        label="Examples",
        cache_examples=False,
        api_visibility="private",
        elem_id=f"examples-{name or examples}",
    )
    return source


def made_here(what: str) -> Picture:
    """Add a place to drop a result of this app on, for tabs that take no other picture; see `restore_settings`."""
    return upload(f"{what} made here, to restore its settings", "made-here")


def weights_picker(task: str, network: str | None = None, names: Sequence[str] | None = None) -> gr.Dropdown:
    """Add a choice among the models of `task`. One that is only on the Hub is fetched when it is picked.

    With `network`, only models of that network are offered; with `names`, only these.
    """
    models = [
        model
        for model in registry.models(task)
        if network in (None, model.network) and (names is None or model.name in names)
    ]
    default = registry.default(task, [model.name for model in models]).name
    choices = [(_choice_title(model), model.name) for model in models]
    picker = ModelPicker(
        choices,
        value=default,
        label="Weights",
        info="Compact ones came with the app; the others are fetched once from the Hugging Face Hub.",
        filterable=False,
    )
    licence = gr.HTML(_licence(default), elem_classes="status", container=False)
    download = gr.HTML("", elem_classes="status", container=False, visible=False)

    def fetch(name: str) -> Iterator[tuple[Any, Any]]:
        yield from _fetch(name, default)

    picker.change(plain_errors(_licence), picker, licence, queue=False, **PRIVATE)
    picker.input(
        plain_errors(fetch),
        picker,
        [picker, download],
        concurrency_limit=2,
        concurrency_id="download",
        trigger_mode="always_last",
        **PRIVATE,
    )
    return picker


def _licence(name: str) -> str:
    if own_models.is_own(name):
        return note("For you alone; it is kept for an hour or so, so download it.")
    model = registry.get(name)
    return note(f"Licence: {model.licence}. {model.note or ''}")


def _choice_title(model: registry.Model) -> str:
    return f"{model.title} · {model.size_mb:.0f} MB from the Hub" if model.hub else model.title


def _fetch(name: str, default: str) -> Iterator[tuple[Any, Any]]:
    """Fetch the picked model while the page shows how far it is; on trouble go back to the embedded one."""
    if own_models.is_own(name) or hub.ready(registry.get(name)):
        yield gr.skip(), gr.update(value="", visible=False)
        return
    model = registry.get(name)
    progress = [0, int(model.size_mb * 1e6)]

    def fetch() -> Iterator[Step]:
        from gan_models.checkpoints import loading  # brings PyTorch

        def report(done: int, total: int) -> None:
            progress[:] = done, total or progress[1]
            check_wanted()

        hub.fetch(model, report)
        loading.verify(model)
        yield Step(1, 1)

    try:
        for _ in responsive(fetch()):
            done, total = progress
            text = f"Fetching {model.title}: {done / 1e6:.0f} of {total / 1e6:.0f} MB"
            yield gr.skip(), gr.update(value=progress_bar(done, total, text), visible=True)
        yield gr.skip(), gr.update(value=note(f"{model.title} is ready."), visible=True)
    except ValueError as problem:
        gr.Warning(html.escape(str(problem), quote=False))
        text = f"{problem} The compact weights are used instead."
        yield gr.update(value=default), gr.update(value=note(text), visible=True)


def restore_settings(
    source: Picture, task: str, controls: dict[str, gr.components.Component], action: str | None = None
) -> None:
    """When a result of this app is dropped on `source`, set `controls` as they were when it was made.

    With `action`, only results of that one of the task's actions are taken.
    """

    def restore(path: str | None) -> list[Any]:
        record = (path and read_provenance(path)) or {}
        if record.get("task") != task:
            return [gr.skip()] * len(controls)
        values = {**record["settings"], "model": record["weights"]}
        if record["seed"] is not None:
            values["seed"] = record["seed"]
        if not controls.keys() <= values.keys() or (action and values.get("action") != action):
            gr.Warning("This picture was made here, but in another way; its settings don't fit in here.")
            return [gr.skip()] * len(controls)
        gr.Info("This picture was made here; its settings are restored.")
        return [_restored(control, values[name]) for name, control in controls.items()]

    source.upload(restore, source, list(controls.values()), **PRIVATE)


def _restored(control: gr.components.Component, value: Any) -> Any:
    """Return the update that sets `control` to `value`, or none if it is nothing that the control could hold."""
    if isinstance(control, gr.Dropdown | gr.Radio):
        fits = value in [choice for _, choice in control.choices]
    elif isinstance(control, gr.Slider):
        fits = isinstance(value, int | float) and control.minimum <= value <= control.maximum
    else:
        fits = value is None or isinstance(value, int | float | str)
    return gr.update(value=value) if fits else gr.skip()
