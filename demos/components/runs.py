"""How a tab's function runs: its steps streamed to the page, behind buttons, under the API and among the MCP tools.

A tab's function is a generator that ends in `yield from deliver(...)` or `stream(...)`; `run` puts it in its place.
"""

import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from demos import own_models
from demos.components.errors import plain_errors
from demos.components.files import cache_folder, new_file, view
from demos.components.inputs import PRIVATE
from demos.components.messages import Clock, note, progress_bar, progress_text
from demos.components.outputs import Outputs
from demos.gpu import LANE
from gan_models import settings as app_settings
from gan_models.checkpoints import hub, registry
from gan_models.images import read_provenance
from gan_models.images.provenance import write_png
from gan_models.jobs import Step, responsive

PREVIEW_SECONDS = 0.7


@dataclass(frozen=True)
class Made:
    """A result as the page shows it: a value for each of `Outputs.shown`, and the record of how it was made."""

    values: tuple
    record: dict[str, Any] | None


def deliver(
    start: Callable[[], Iterator[Step]],
    before: np.ndarray,
    *,
    task: str,
    model: str | None,
    remark: Callable[[np.ndarray], str] = lambda result: "",
    **settings: Any,
) -> Iterator[tuple]:
    """Stream a backend's steps to the components of `before_after`, and end with the result as a file.

    Args:
        start: Loads the backend and returns its steps; called in the thread that does the work.
        before: The picture as it came, H×W×3 or 4, uint8, for the left half of the slider.
        task: The task's name, kept in the file.
        model: The weights' name, kept in the file with their hash; None where the run makes its own.
        remark: What the status line says of the result besides its size.
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
        about = f"{step.result.shape[1]} × {step.result.shape[0]} pixels{remark(step.result)}"
        yield Step(1, 1, message=about, result=Made((path, (left, right)), read_provenance(path)))

    def preview(step: Step) -> tuple:
        return None, (left, view(step.preview, folder / f"preview-{step.index}.webp"))

    yield from stream(work(), model, preview, idle=(None, gr.skip()))


def stream(
    work: Iterator[Step],
    model: str | None,
    preview: Callable[[Step], tuple],
    idle: tuple,
    every: float = PREVIEW_SECONDS,
) -> Iterator[tuple]:
    """Yield what the components of `Outputs` show while `work` goes on, and at last what it made.

    Args:
        work: Yields steps, of which the last one has a `Made` as its result and says in its message what it is.
        model: The weights' name; None where the run makes its own.
        preview: What `Outputs.shown` show of a step that has a preview.
        idle: What they show of any other.
        every: Seconds from one preview to the next, at least.
    """
    started, shown, clock, latest = time.monotonic(), 0.0, Clock(), None
    title = own_models.title(model) if model else ""
    if not own_models.is_own(model) and not hub.ready(
        registry.get(model)
    ):  # fetching them here would keep everybody waiting
        way = "the app is offline" if app_settings.offline() else "pick them in the page first, which fetches them"
        raise ValueError(f"The weights “{title}” are not on this machine; {way}.")
    yield *idle, progress_bar(0, 0, f"Loading {title}" if model else "Beginning"), None
    for step in responsive(work):
        if step.result is not None:
            seconds = time.monotonic() - started
            summary = f"{step.message} in {seconds:.1f} s{f' by {title}' if model else ''}."
            yield *step.result.values, note(summary), step.result.record
            return
        values = idle
        if step.preview is not None and step is not latest and time.monotonic() - shown > every:
            shown, latest = time.monotonic(), step  # which comes again and again until there is another
            values = preview(step)
        yield *values, progress_bar(step.index, step.total, progress_text(step, clock.left(step))), None


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
) -> gr.events.Dependency:
    """Put `function` behind Run and Cancel buttons added here, `/{api_name}` of the API, and an MCP tool.

    Of the functions in the same `lane` one runs at a time. What else Cancel does can be added to what is returned.
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
    return cancelled.then(_cancelled, outputs.status, outputs.status, queue=False, **PRIVATE)


def _cancelled(status: str) -> Any:
    """Say so, unless nothing was under way."""
    return note("Cancelled.") if "progressbar" in status else gr.skip()
