"""Parts that tabs share: picture input, weights picker, before/after, and the row that runs and cancels.

A tab's function is a generator that ends in `yield from deliver(...)` or `stream(...)`; `run` puts it behind a
button, under the API and among the MCP tools.
"""

import functools
import html
import inspect
import logging
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder

from demos import own_models
from demos.gpu import LANE
from gan_models import settings as app_settings
from gan_models.checkpoints import hub, registry
from gan_models.images import read_provenance
from gan_models.images.provenance import result_path, write_png
from gan_models.runtime import Step, check_wanted, responsive

log = logging.getLogger(__name__)


class _Files(set[str]):
    """Paths that tabs wrote, for Gradio to delete when they are an hour old.

    Gradio goes through them in a thread of its own while others are added: so it gets a copy, of those that are
    there. Paths may be added before they are written, and are forgotten once they have been there and are gone.
    """

    def __init__(self, paths: Iterable[str] = ()):
        super().__init__(paths)
        self._seen: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        paths = self.copy()
        there = {path for path in set.__iter__(paths) if Path(path).exists()}
        gone = self._seen - there
        self._seen = there
        self.difference_update(gone)
        return iter(there)


EXAMPLES = Path(__file__).parent.parent / "examples"
DISPLAY_SIDE = 2048
MAX_SEED = 2**32 - 1
PREVIEW_SECONDS = 0.7
written = _Files()
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


@dataclass(frozen=True)
class Outputs:
    """What a run shows.

    Attributes:
        shown: The result itself first, as the API returns it, then what else there is to see of it.
        status: What is going on.
        settings: How the result was made.
        sent: Holds the path of the picture that “Send to” sends, if there is one to send.
        send_row: Where the buttons for that go.
    """

    shown: tuple[gr.components.Component, ...]
    status: gr.HTML
    settings: gr.JSON
    sent: gr.components.Component | None = None
    send_row: gr.Row | None = None

    @property
    def components(self) -> list[gr.components.Component]:
        """The components in the order in which a tab's function fills them."""
        return [*self.shown, self.status, self.settings]


@dataclass(frozen=True)
class Ports:
    """What the frame connects once every tab is built.

    Attributes:
        picker: The tab's weights.
        picture: The picture that it takes, if any.
        outputs: Its results.
        inside: Where the picture is, if the tab has tabs of its own: those, and the one to open.
    """

    picker: gr.Dropdown
    picture: Picture | None
    outputs: tuple[Outputs, ...]
    inside: tuple[gr.Tabs, str] | None = None


@dataclass(frozen=True)
class Made:
    """A result as the page shows it: a value for each of `Outputs.shown`, and the record of how it was made."""

    values: tuple
    record: dict[str, Any] | None


@contextmanager
def two_columns(sentence: str) -> Iterator[tuple[gr.Column, gr.Column]]:
    """Lay out a tab: what it does, and under that inputs beside outputs (one above the other on a phone)."""
    gr.Markdown(sentence, elem_classes="lead")
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320) as inputs:
            pass
        with gr.Column(scale=6, min_width=320) as outputs:
            pass
    yield inputs, outputs


class Seed(gr.Number):
    """A whole number, 0 where the field is empty."""

    is_template = True

    def preprocess(self, payload: Any) -> int:
        """Return the number."""
        return 0 if payload is None else super().preprocess(payload)


def seed() -> Seed:
    """Add a field for a seed."""
    return Seed(0, label="Seed", precision=0, minimum=0, maximum=MAX_SEED)


def upload(label: str, elem_class: str) -> Picture:
    """Add a small place to drop a picture on."""
    return Picture(
        label=label,
        type="filepath",
        image_mode=None,
        sources=["upload"],
        height=140,
        buttons=[],
        elem_classes=elem_class,
    )


def picture(label: str, examples: str) -> Picture:
    """Add a picture input (upload, drop, paste or camera) over the pictures of `examples/{examples}/` to click."""
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
    gr.Examples(
        [[str(path)] for path in sorted((EXAMPLES / examples).iterdir())],
        inputs=[source],
        label="Examples",
        cache_examples=False,
        api_visibility="private",
        elem_id=f"examples-{examples}",
    )
    return source


def _cancelled(status: str) -> Any:
    """Say so, unless nothing was under way."""
    return _note("Cancelled.") if "progressbar" in status else gr.skip()


def made_here(what: str) -> Picture:
    """Add a place to drop a result of this app on, for tabs that take no other picture; see `restore_settings`."""
    return upload(f"{what} made here, to restore its settings", "made-here")


def before_after() -> Outputs:
    """Add what a run that alters a picture shows: a before/after slider, and the file at full size."""
    slider = gr.ImageSlider(
        label="Before and after",
        type="filepath",
        interactive=False,
        buttons=["fullscreen"],
        max_height=560,
        elem_classes="before-after",
    )
    status = status_line()
    file = gr.File(label="Result at full size (PNG)", interactive=False, elem_classes="result-file")
    send_row = gr.Row(elem_classes="send-row")
    return Outputs((file, slider), status, settings_panel(), sent=file, send_row=send_row)


def gallery(label: str, columns: int, file_label: str | None = None, *, file_first: bool = False) -> Outputs:
    """Add what a run that makes several pictures shows: a gallery, and a file besides them if it has a label.

    With `file_first` the file is the result, and sent elsewhere; else the gallery is, of which the picture that was
    clicked last is sent, or the first one.
    """
    pictures = pictures_grid(label, columns)
    status = status_line()
    send_row = gr.Row(elem_classes="send-row")
    if file_label is None:
        return Outputs((pictures,), status, settings_panel(), sent=clicked(pictures), send_row=send_row)
    file = gr.File(label=file_label, interactive=False, elem_classes="result-file")
    if file_first:
        return Outputs((file, pictures), status, settings_panel(), sent=file, send_row=send_row)
    return Outputs((pictures, file), status, settings_panel(), sent=clicked(pictures), send_row=send_row)


def pictures_grid(label: str, columns: int) -> gr.Gallery:
    """Add a gallery of as many rows as it takes."""
    return gr.Gallery(
        label=label,
        columns=columns,
        height="auto",
        object_fit="contain",
        interactive=False,
        format="png",
        buttons=["download", "fullscreen"],
        elem_classes="pictures",
    )


def clicked(pictures: gr.Gallery) -> gr.State:
    """Return what holds the path of the picture that was clicked last, or of the first one."""
    sent = gr.State()
    pictures.change(lambda shown: shown[0][0] if shown else None, pictures, sent, queue=False, **PRIVATE)
    pictures.select(_selected, pictures, sent, queue=False, **PRIVATE)
    return sent


def video(label: str, *, gif: bool = False) -> Outputs:
    """Add what a run that makes a video shows; with `gif`, a second file."""
    film = gr.Video(label=label, interactive=False, autoplay=True, loop=True, height=420, elem_classes="film")
    status = status_line()
    files = (gr.File(label="The same as a GIF", interactive=False, elem_classes="result-file"),) if gif else ()
    return Outputs((film, *files), status, settings_panel())


def status_line() -> gr.HTML:
    """Add the line that says what is going on."""
    return gr.HTML(_note("Ready."), elem_classes="status", container=False)


def settings_panel() -> gr.JSON:
    """Add a closed panel that shows how the result was made."""
    with gr.Accordion("Settings of this result", open=False):
        return gr.JSON(show_label=False, buttons=["copy"], elem_classes="settings")


def _selected(pictures: list[tuple[str, str | None]], event: gr.SelectData) -> str:
    return pictures[event.index][0]


def weights_picker(task: str) -> gr.Dropdown:
    """Add a choice among the models of `task`. One that is only on the Hub is fetched when it is picked."""
    models = registry.models(task)
    default = registry.default(task).name
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
    picker.change(_licence, picker, licence, queue=False, **PRIVATE)
    picker.input(
        functools.partial(_fetch, default=default),
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
        return _note("Made from your picture, for you alone; it is kept for an hour or so, so download it.")
    model = registry.get(name)
    return _note(f"Licence: {model.licence}. {model.note or ''}")


def _choice_title(model: registry.Model) -> str:
    return model.title if model.embedded else f"{model.title} · {model.size_mb:.0f} MB from the Hub"


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
            yield gr.skip(), gr.update(value=_progress_bar(done, total, text), visible=True)
        yield gr.skip(), gr.update(value=_note(f"{model.title} is ready."), visible=True)
    except ValueError as problem:
        gr.Warning(html.escape(str(problem), quote=False))
        text = f"{problem} The compact weights are used instead."
        yield gr.update(value=default), gr.update(value=_note(text), visible=True)


def deliver(
    start: Callable[[], Iterator[Step]], before: np.ndarray, *, task: str, model: str | None, **settings: Any
) -> Iterator[tuple]:
    """Stream a backend's steps to the components of `before_after`, and end with the result as a file.

    Args:
        start: Loads the backend and returns its steps; called in the thread that does the work.
        before: The picture as it came, H×W×3 or 4, uint8, for the left half of the slider.
        task: The task's name, kept in the file.
        model: The weights' name, kept in the file with their hash; None where the run makes its own.
        settings: All other settings, kept in the file.
    """
    folder = Path(tempfile.mkdtemp(dir=cache_folder()))
    left = view(before, folder / "before.webp")

    def work() -> Iterator[Step]:
        step = yield from until_result(start())
        yield Step(step.total, step.total, message="Writing the PNG")
        right = view(step.result, folder / "after.webp")
        path = str(new_file(f"{task}-{own_models.short(model)}.png"))
        write_png(path, step.result, task=task, **own_models.record(model, cache_folder()), **settings)
        size = f"{step.result.shape[1]} × {step.result.shape[0]} pixels"
        yield Step(1, 1, message=size, result=Made((path, (left, right)), read_provenance(path)))

    def preview(step: Step) -> tuple:
        return None, (left, view(step.preview, folder / f"preview-{step.index}.webp"))

    yield from stream(work(), model, preview, idle=(None, gr.skip()))


def stream(work: Iterator[Step], model: str | None, preview: Callable[[Step], tuple], idle: tuple) -> Iterator[tuple]:
    """Yield what the components of `Outputs` show while `work` goes on, and at last what it made.

    Args:
        work: Yields steps, of which the last one has a `Made` as its result and says in its message what it is.
        model: The weights' name; None where the run makes its own.
        preview: What `Outputs.shown` show of a step that has a preview.
        idle: What they show of any other.
    """
    started, shown, clock = time.monotonic(), 0.0, _Clock()
    title = own_models.title(model) if model else ""
    if not own_models.is_own(model) and not hub.ready(
        registry.get(model)
    ):  # fetching them here would keep everybody waiting
        way = "the app is offline" if app_settings.offline() else "pick them in the page first, which fetches them"
        raise ValueError(f"The weights “{title}” are not on this machine; {way}.")
    yield *idle, _progress_bar(0, 0, f"Loading {title}" if model else "Beginning"), None
    for step in responsive(work):
        if step.result is not None:
            seconds = time.monotonic() - started
            summary = f"{step.message} in {seconds:.1f} s{f' by {title}' if model else ''}."
            yield *step.result.values, _note(summary), step.result.record
            return
        values = idle
        if step.preview is not None and time.monotonic() - shown > PREVIEW_SECONDS:
            shown = time.monotonic()
            values = preview(step)
        yield *values, _progress_bar(step.index, step.total, _progress_text(step, clock.left(step))), None


def until_result(steps: Iterator[Step]) -> Generator[Step, None, Step]:
    """Yield the steps of a backend up to the one that carries the result, and return that one."""
    for step in steps:
        if step.result is not None:
            return step
        yield step
    raise RuntimeError("A backend's last step must carry its result.")


def run(
    function: Callable,
    *,
    inputs: Sequence[gr.components.Component],
    outputs: Outputs,
    api_name: str,
    lane: str = LANE,
) -> None:
    """Put `function` behind Run and Cancel buttons added here, `/{api_name}` of the API, and an MCP tool.

    Of the functions in the same `lane` one runs at a time.
    """
    with gr.Row():
        start = gr.Button("Run", variant="primary", min_width=120, elem_classes="run")
        cancel = gr.Button("Cancel", min_width=120, elem_classes="cancel")
    event = start.click(
        plain_errors(function),
        list(inputs),
        outputs.components,
        api_name=api_name,
        concurrency_id=lane,
        concurrency_limit=1,
        show_progress="minimal",
        show_progress_on=outputs.status,
    )
    cancelled = cancel.click(None, cancels=[event], queue=False, **PRIVATE)
    cancelled.then(_cancelled, outputs.status, outputs.status, queue=False, **PRIVATE)


def restore_settings(source: Picture, task: str, controls: dict[str, gr.components.Component]) -> None:
    """When a result of this app is dropped on `source`, set `controls` as they were when it was made."""

    def restore(path: str | None) -> list[Any]:
        record = (path and read_provenance(path)) or {}
        if record.get("task") != task:
            return [gr.skip()] * len(controls)
        values = {**record["settings"], "model": record["weights"]}
        if record["seed"] is not None:
            values["seed"] = record["seed"]
        if not controls.keys() <= values.keys():
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
        fits = value is None or isinstance(value, int | str)
    return gr.update(value=value) if fits else gr.skip()


@contextmanager
def _in_one_sentence(name: str) -> Iterator[None]:
    """Turn what goes wrong inside into one sentence for the visitor; only surprises reach the log."""
    try:
        yield
    except ValueError as problem:
        raise gr.Error(html.escape(str(problem), quote=False), print_exception=False) from None
    except gr.Error:
        raise
    except Exception:
        log.exception("%s failed", name)
        raise gr.Error("Something went wrong here; please try again.", print_exception=False) from None


def plain_errors(function: Callable) -> Callable:
    """Make `function`, a generator or not, answer with one sentence when something goes wrong."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def streamed(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with _in_one_sentence(function.__name__):
                yield from function(*args, **kwargs)

        return streamed

    @functools.wraps(function)
    def answered(*args: Any, **kwargs: Any) -> Any:
        with _in_one_sentence(function.__name__):
            return function(*args, **kwargs)

    return answered


def weights_badge(name: str) -> str:
    """Return the HTML of a badge that names the weights in use, with their licence on hover."""
    if own_models.is_own(name):
        return badge("Your own model", "Trained on a picture of yours")
    model = registry.get(name)
    source = "embedded" if model.embedded else "from the Hub"
    text = f"{html.escape(model.title)} · {source}"
    return badge(text, f"Weights {model.name}. Licence: {model.licence}.")


def badge(text: str, hint: str = "", state: str = "") -> str:
    """Return the HTML of a badge; `state` is "", "good" or "warn"."""
    return f'<span class="badge {state}" title="{html.escape(hint)}" tabindex="0">{text}</span>'


def new_file(name: str) -> Path:
    """Return a path for a new result that only this visitor knows of, and that is deleted in an hour or so."""
    path = result_path(name, cache_folder())
    written.add(str(path))
    return path


def cache_folder() -> str:
    """Return Gradio's own folder: what is written there is served without another copy."""
    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def view(picture: np.ndarray, path: Path) -> str:
    """Write `picture`, H×W×3 or 4, at a size for the screen, as its path says, and return the path."""
    side = max(picture.shape[:2])
    if side > DISPLAY_SIDE:
        size = [max(1, round(length * DISPLAY_SIDE / side)) for length in picture.shape[1::-1]]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    order = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    written.add(str(path))
    options = [cv2.IMWRITE_WEBP_QUALITY, 92] if Path(path).suffix == ".webp" else []
    cv2.imwrite(str(path), cv2.cvtColor(picture, order), options)
    return str(path)


class _Clock:
    """Tells from the steps so far how long the rest will take."""

    def __init__(self):
        self.first = self.latest = None  # (index, when it was reached)

    def left(self, step: Step) -> float | None:
        """Return the seconds until `step.total`, or None while nothing is known."""
        now = time.monotonic()
        if self.latest is None or step.index != self.latest[0]:
            self.latest = (step.index, now)
            self.first = self.first or self.latest
        done = self.latest[0] - self.first[0]
        if not done:
            return None
        each = (self.latest[1] - self.first[1]) / done
        return max(0.0, each * (step.total - step.index) - (now - self.latest[1]))


def _progress_text(step: Step, left: float | None) -> str:
    parts = [step.message or (f"Step {step.index} of {step.total}" if step.total else "Working")]
    parts += [f"{name} {value:.4g}" for name, value in step.losses.items()]
    if left is not None and left >= 1:
        parts.append(f"{left:.0f} s left" if left < 90 else f"{left / 60:.0f} min left")
    return " · ".join(parts)


def _progress_bar(done: float, total: float, text: str) -> str:
    share = 100 * done / total if total else 0
    now = f'aria-valuenow="{share:.0f}" ' if total else ""
    return (
        f'<div class="progress" role="progressbar" aria-label="Progress" {now}aria-valuemin="0" '
        f'aria-valuemax="100"><div style="width:{share:.1f}%"></div></div><p>{html.escape(text)}</p>'
    )


def _note(text: str) -> str:
    return f'<p role="status">{html.escape(text)}</p>'
