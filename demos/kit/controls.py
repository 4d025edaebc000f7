"""What tabs ask for: a component for each of a task's parameters, made from what the task says of it."""

import html
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import gradio as gr

from demos.kit import own_models
from demos.kit.errors import plain_errors
from demos.kit.messages import note, progress_bar
from gan_models import settings
from gan_models.checkpoints import hub, registry
from gan_models.jobs import Step, check_wanted, responsive
from gan_models.task import Parameter, Task

EXAMPLES = settings.folder("examples")
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


def weights_picker(task: str, default: str, names: Sequence[str] | None = None) -> gr.Dropdown:
    """Add a choice among the models of `task`. One that is only on the Hub is fetched when it is picked.

    With `names`, only these are offered.
    """
    models = [model for model in registry.models(task) if names is None or model.name in names]
    names = [model.name for model in models]
    if default not in names:
        default = registry.default(task, names).name
    choices = [(_choice_title(model), model.name) for model in models]
    picker = gr.Dropdown(
        choices,
        value=default,
        label="Weights",
        info="Compact ones came with the app; the others are fetched once from the Hugging Face Hub.",
        filterable=False,
    )
    about = gr.HTML(_licence(default), elem_classes="status", container=False)

    def fetch(name: str) -> Iterator[tuple[Any, Any]]:
        yield from _fetch(name, default)

    picker.change(plain_errors(_licence), picker, about, queue=False, **PRIVATE)
    picker.input(
        plain_errors(fetch),
        picker,
        [picker, about],
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
        yield gr.skip(), gr.skip()
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
            yield gr.skip(), progress_bar(done, total, text)
        yield gr.skip(), note(f"{model.title} is ready.") + _licence(name)
    except ValueError as problem:
        text = f"{problem} “{registry.get(default).title}” is used instead."
        gr.Warning(html.escape(text, quote=False))
        yield gr.update(value=default), gr.skip()


def controls(
    task: type[Task], names: Sequence[str] | None = None, **given: gr.components.Component
) -> dict[str, gr.components.Component]:
    """Add a control for each parameter of `task`, the advanced ones in an accordion; return all by name.

    Args:
        task: What is asked for.
        names: Only these, in this order; by default all that aren't given.
        given: Controls that the tab made itself.
    """
    parameters = task.parameters()
    wanted = [parameters[name] for name in (parameters if names is None else names) if name not in given]
    made = {one.name: control(one, task.name) for one in wanted if not one.advanced}
    advanced = [one for one in wanted if one.advanced]
    if advanced:
        with gr.Accordion("Advanced", open=False):
            made |= {one.name: control(one, task.name) for one in advanced}
    return made | {name: typed(one, parameters[name]) for name, one in given.items()}


def control(one: Parameter, examples: str) -> gr.components.Component:
    """Add the component that asks for `one`; a picture has the examples of the folder `examples`."""
    shown = {"label": one.title, "info": one.description or None}
    match one.kind:
        case "image" if one.required:
            made = picture(one.title, examples)
        case "image" | "mask":
            made = upload(one.title, one.name)
        case "video":
            made = film(one.title)
        case "file" | "files":
            count = "multiple" if one.kind == "files" else "single"
            types = list(one.suffixes) or None
            made = gr.File(
                label=one.title, file_count=count, file_types=types, height=110, elem_classes=f"{one.name}-input"
            )
        case "model":
            made = weights_picker(one.weights, one.default)
        case "choice":
            choices = [((one.labels or {}).get(choice, str(choice)), choice) for choice in one.choices]
            kind = gr.Radio if len(choices) <= 5 else gr.Dropdown
            made = kind(choices, value=one.default, **shown)
        case "flag":
            made = gr.Checkbox(one.default, **shown)
        case "integer" | "number" if one.step is not None:
            precision = 0 if one.kind == "integer" else None
            made = gr.Slider(one.ge, one.le, one.default, step=one.step, precision=precision, **shown)
        case "integer" | "number":
            precision = 0 if one.kind == "integer" else None
            made = gr.Number(one.default, precision=precision, minimum=one.ge, maximum=one.le, **shown)
        case "values":
            made = gr.JSON(one.default, label=one.title)
        case "choices":
            made = gr.CheckboxGroup([], value=one.default, **shown)
        case _:
            made = gr.Textbox(one.default, max_length=200, **shown)
    return typed(made, one)


def typed(made: gr.components.Component, one: Parameter) -> gr.components.Component:
    """Let `made` hand over what was sent as it came, which the task checks, and tell the API what the task says."""
    if one.kind in ("image", "mask", "file", "files", "video"):
        schema = inlined_info(made)
    else:
        schema = one.schema()
        given = partial(type(made).preprocess, made) if one.kind == "values" else lambda payload: payload
        fallback = None if one.optional or one.required else one.default

        def preprocess(payload: Any) -> Any:
            value = given(payload)
            return fallback if value is None else value

        made.preprocess = preprocess
    made.api_info_as_input = lambda: schema
    made.api_info = made.api_info_as_output = dict  # of no use to anybody, and long
    return made


def inlined_info(made: gr.components.Component) -> Any:
    """Return what Gradio tells the API of `made`, without references; found once for all that are alike."""
    kind = type(made), getattr(made, "file_count", None)
    if kind not in _infos:
        _infos[kind] = inlined(kind[0].api_info(made))  # which `typed` hides
    return _infos[kind]


_infos: dict[tuple[type, str | None], Any] = {}


def inlined(schema: Any, definitions: dict[str, Any] | None = None) -> Any:
    """Return a JSON schema with its definitions in their places: some clients follow no references."""
    if isinstance(schema, list):
        return [inlined(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    definitions = (definitions or {}) | schema.get("$defs", {})
    if "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return inlined(definitions[schema["$ref"].rpartition("/")[2]] | rest, definitions)
    dropped = {"$defs", "description"} if "properties" in schema else {"$defs"}  # those tell of Gradio's classes
    return {key: inlined(value, definitions) for key, value in schema.items() if key not in dropped}
