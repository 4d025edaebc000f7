"""Parts that tabs share: picture input, weights picker, before/after, and the row that runs and cancels.

A tab's function is a generator that ends in `yield from deliver(...)`; `run` puts it behind a button, under the
API and among the MCP tools.
"""

import functools
import html
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder

from demos.gpu import LANE
from gan_models.checkpoints import hub, registry
from gan_models.images import read_provenance, save_result
from gan_models.runtime import Step, check_wanted, responsive

log = logging.getLogger(__name__)

EXAMPLES = Path(__file__).parent.parent / "examples"
DISPLAY_SIDE = 2048
PREVIEW_SECONDS = 0.7
PRIVATE = {"api_visibility": "private", "show_progress": "hidden"}


class Picture(gr.Image):
    """A picture input that hands over the file as it came.

    `gr.Image` opens the file itself: it drops alpha, clips 16-bit pictures and answers broken files with a
    traceback. Our one decoder does better.
    """

    is_template = True  # the browser shows it as its parent, gr.Image

    def preprocess(self, payload: Any) -> str | None:
        """Return the path of the uploaded file, or None."""
        if payload is None or (payload.url or "").startswith("data:"):
            return super().preprocess(payload)
        return payload.path


@dataclass(frozen=True)
class Outputs:
    """What a run shows: the file itself first, as the API returns it, then how it looks and how it was made."""

    file: gr.File
    slider: gr.ImageSlider
    status: gr.HTML
    settings: gr.JSON
    send_row: gr.Row

    @property
    def components(self) -> list[gr.components.Component]:
        """The components in the order in which `deliver` fills them."""
        return [self.file, self.slider, self.status, self.settings]


@dataclass(frozen=True)
class Ports:
    """What the frame connects once every tab is built: the picture a tab takes, its results, its weights."""

    picture: Picture
    outputs: Outputs
    picker: gr.Dropdown


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


def before_after() -> Outputs:
    """Add what a run shows: status, a before/after slider, the full-size file, its settings."""
    slider = gr.ImageSlider(
        label="Before and after",
        type="filepath",
        interactive=False,
        buttons=["fullscreen"],
        max_height=560,
        elem_classes="before-after",
    )
    status = gr.HTML(_note("Ready."), elem_classes="status", container=False)
    file = gr.File(label="Result at full size (PNG)", interactive=False, elem_classes="result-file")
    send_row = gr.Row(elem_classes="send-row")
    with gr.Accordion("Settings of this result", open=False):
        settings = gr.JSON(
            show_label=False,
            buttons=["copy"],
            elem_classes="settings",
        )
    return Outputs(file, slider, status, settings, send_row)


def weights_picker(task: str) -> gr.Dropdown:
    """Add a choice among the models of `task`. One that is only on the Hub is fetched when it is picked."""
    models = registry.models(task)
    default = registry.default(task).name
    choices = [(_choice_title(model), model.name) for model in models]
    picker = gr.Dropdown(
        choices,
        value=default,
        label="Weights",
        info="Compact ones came with the app; the others are fetched once from the Hugging Face Hub.",
        filterable=False,
    )
    download = gr.HTML("", elem_classes="status", container=False, visible=False)
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


def _choice_title(model: registry.Model) -> str:
    return model.title if model.embedded else f"{model.title} · {model.size_mb:.0f} MB from the Hub"


def _fetch(name: str, default: str) -> Iterator[tuple[Any, Any]]:
    """Fetch the picked model while the page shows how far it is; on trouble go back to the embedded one."""
    model = registry.get(name)
    if hub.ready(model):
        yield gr.skip(), gr.update(value="", visible=False)
        return
    progress = [0, int(model.size_mb * 1e6)]

    def fetch() -> Iterator[Step]:
        def report(done: int, total: int) -> None:
            progress[:] = done, total or progress[1]
            check_wanted()

        hub.fetch(model, report)
        yield Step(1, 1)

    try:
        for _ in responsive(fetch()):
            done, total = progress
            text = f"Fetching {model.title}: {done / 1e6:.0f} of {total / 1e6:.0f} MB"
            yield gr.skip(), gr.update(value=_progress_bar(done, total, text), visible=True)
        yield gr.skip(), gr.update(value=_note(f"{model.title} is ready."), visible=True)
    except ValueError as problem:
        gr.Warning(html.escape(str(problem)))
        text = f"{problem} The compact weights are used instead."
        yield gr.update(value=default), gr.update(value=_note(text), visible=True)


def deliver(
    start: Callable[[], Iterator[Step]], before: np.ndarray, *, task: str, model: str, **settings: Any
) -> Iterator[tuple]:
    """Stream a backend's steps to the components of `Outputs`, and end with the result as a file.

    Args:
        start: Loads the backend and returns its steps; called in the thread that does the work.
        before: The picture as it came, H×W×3 or 4, uint8, for the left half of the slider.
        task: The task's name, kept in the file.
        model: The weights' name, kept in the file with their hash.
        settings: All other settings, kept in the file.
    """
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(dir=_cache_folder()))
    views = [_view(before, folder / "before.webp"), None]
    shown = 0.0

    def work() -> Iterator[Step]:
        yield Step(0, 0, message=f"Loading {registry.get(model).title}")
        for step in start():
            if step.result is None:
                yield step
        result = step.result
        yield Step(step.total, step.total, message="Writing the PNG")
        views[1] = _view(result, folder / "after.webp")
        name = f"{task}-{model}"
        path = save_result(result, task=task, model=model, directory=_cache_folder(), name=name, **settings)
        seconds = time.monotonic() - started
        size = f"{result.shape[1]} × {result.shape[0]} pixels"
        summary = f"{size} in {seconds:.1f} s by {registry.get(model).title}."
        yield Step(step.total, step.total, message=summary, result=path)

    for step in responsive(work()):
        if step.result is not None:
            yield step.result, tuple(views), _note(step.message), read_provenance(step.result)
            return
        slider = gr.skip()
        if step.preview is not None and time.monotonic() - shown > PREVIEW_SECONDS:
            shown = time.monotonic()
            slider = (views[0], _view(step.preview, folder / f"preview-{step.index}.webp"))
        yield None, slider, _progress_bar(step.index, step.total, _progress_text(step, started)), None


def run(
    function: Callable,
    *,
    inputs: Sequence[gr.components.Component],
    outputs: Outputs,
    api_name: str,
) -> None:
    """Put `function` behind Run and Cancel buttons under `inputs`, `/{api_name}` of the API, and an MCP tool."""
    with inputs[0].parent, gr.Row():
        start = gr.Button("Run", variant="primary", min_width=120, elem_classes="run")
        cancel = gr.Button("Cancel", min_width=120, elem_classes="cancel")
    event = start.click(
        plain_errors(function),
        list(inputs),
        outputs.components,
        api_name=api_name,
        concurrency_id=LANE,
        concurrency_limit=1,
        show_progress="minimal",
        show_progress_on=outputs.status,
    )
    cancelled = cancel.click(None, cancels=[event], queue=False, **PRIVATE)
    cancelled.then(lambda: _note("Cancelled."), None, outputs.status, queue=False, **PRIVATE)


def restore_settings(source: Picture, task: str, controls: dict[str, gr.Dropdown | gr.Radio]) -> None:
    """When a result of this app is dropped on `source`, set `controls` as they were when it was made."""

    def restore(path: str | None) -> list[Any]:
        record = (path and read_provenance(path)) or {}
        if record.get("task") != task:
            return [gr.skip()] * len(controls)
        values = {**record["settings"], "model": record["weights"]}
        gr.Info("This picture was made here; its settings are restored.")
        return [
            next((gr.update(value=choice) for _, choice in control.choices if choice == values.get(name)), gr.skip())
            for name, control in controls.items()
        ]

    source.upload(restore, source, list(controls.values()), **PRIVATE)


def plain_errors(function: Callable) -> Callable:
    """Turn what goes wrong in the generator `function` into one sentence; only surprises reach the log."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Iterator[Any]:
        try:
            yield from function(*args, **kwargs)
        except ValueError as problem:
            raise gr.Error(html.escape(str(problem)), print_exception=False) from None
        except gr.Error:
            raise
        except Exception:
            log.exception("%s failed", function.__name__)
            raise gr.Error("Something went wrong here; please try again.", print_exception=False) from None

    return guarded


def weights_badge(name: str) -> str:
    """Return the HTML of a badge that names the weights in use, with their licence on hover."""
    model = registry.get(name)
    source = "embedded" if model.embedded else "from the Hub"
    text = f"{html.escape(model.title)} · {source}"
    return badge(text, f"Weights {model.name}. Licence: {model.licence}.")


def badge(text: str, hint: str = "", state: str = "") -> str:
    """Return the HTML of a badge; `state` is "", "good" or "warn"."""
    return f'<span class="badge {state}" title="{html.escape(hint)}" tabindex="0">{text}</span>'


def _cache_folder() -> str:
    """Return Gradio's own folder: what is written there is served without another copy."""
    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def _view(picture: np.ndarray, path: Path) -> str:
    """Write `picture`, H×W×3 or 4, at a size for the screen, and return the path."""
    side = max(picture.shape[:2])
    if side > DISPLAY_SIDE:
        size = [max(1, round(length * DISPLAY_SIDE / side)) for length in picture.shape[1::-1]]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    order = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    cv2.imwrite(str(path), cv2.cvtColor(picture, order), [cv2.IMWRITE_WEBP_QUALITY, 92])
    return str(path)


def _progress_text(step: Step, started: float) -> str:
    seconds = time.monotonic() - started
    left = seconds / step.index * (step.total - step.index) if step.index else 0
    parts = [step.message or f"Step {step.index} of {step.total}"]
    parts += [f"{name} {value:.4g}" for name, value in step.losses.items()]
    if step.index and left >= 1:
        parts.append(f"{left:.0f} s left" if left < 90 else f"{left / 60:.0f} min left")
    return " · ".join(parts)


def _progress_bar(done: float, total: float, text: str) -> str:
    share = 100 * done / total if total else 0
    return (
        f'<div class="progress" role="progressbar" aria-valuenow="{share:.0f}" aria-valuemin="0" '
        f'aria-valuemax="100"><div style="width:{share:.1f}%"></div></div><p>{html.escape(text)}</p>'
    )


def _note(text: str) -> str:
    return f'<p role="status">{html.escape(text)}</p>'
