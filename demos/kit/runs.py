"""How a task runs: its steps streamed to the page, behind Run and Cancel, under the API and among the MCP tools."""

import inspect
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gradio as gr

from demos.kit import own_models
from demos.kit.controls import PRIVATE
from demos.kit.errors import plain_errors
from demos.kit.files import cache_folder, new_file, view
from demos.kit.gpu import LANE, on_gpu
from demos.kit.messages import Clock, note, progress_bar, progress_text, told
from demos.kit.outputs import Outputs
from gan_models import settings as app_settings
from gan_models.checkpoints import hub, registry
from gan_models.jobs import Step, responsive
from gan_models.results import Results
from gan_models.task import Task

PREVIEW_SECONDS = 0.7
Work = Callable[[type[Task], dict[str, Any]], Iterator[dict[str, Any]]]


def run(
    task: type[Task],
    controls: Mapping[str, gr.components.Component],
    outputs: Outputs,
    *,
    lane: str = LANE,
    work: Work | None = None,
) -> gr.events.Dependency:
    """Put `task` behind Run and Cancel buttons added here, under its endpoint of the API, and among the MCP tools.

    Args:
        task: What is asked for.
        controls: A component for each of its parameters.
        outputs: What shows the result.
        lane: Of the tasks in the same lane one runs at a time.
        work: What does it, in place of `delivered` on a GPU.

    Returns:
        The event of Cancel, to which more can be added.
    """
    with gr.Row():
        start = gr.Button("Run", variant="primary", min_width=120, elem_classes="run")
        cancel = gr.Button("Cancel", min_width=120, elem_classes="cancel")
    event = start.click(
        plain_errors(endpoint(task, outputs, work or delivered_on_gpu)),
        [controls[name] for name in task.parameters()],
        list(outputs.by_name.values()),
        api_name=task.endpoint(),
        concurrency_id=lane,
        concurrency_limit=1,
        show_progress="minimal",
        show_progress_on=outputs.status,
    )
    outputs.asked[task] = controls
    cancelled = cancel.click(None, cancels=[event], queue=False, **PRIVATE)
    return cancelled.then(_cancelled, outputs.status, outputs.status, queue=False, **PRIVATE)


def endpoint(task: type[Task], outputs: Outputs, work: Work) -> Callable[..., Iterator[dict]]:
    """Return a function with the parameters and the documentation of `task`, which fills `outputs` by `work`."""
    parameters = task.parameters()
    components = outputs.by_name

    def answer(*values: Any) -> Iterator[dict]:
        for shown in work(task, dict(zip(parameters, values, strict=True))):
            yield {components[name]: value for name, value in shown.items() if name in components}

    answer.__name__ = answer.__qualname__ = task.endpoint()
    answer.__doc__ = task.documentation()
    answer.__signature__ = _signature(task)
    return answer


def _signature(task: type[Task]) -> inspect.Signature:
    """Return that of a function with the parameters of `task`.

    Gradio takes a default from the component; so those before the last parameter that must be given can do without.
    """
    parameters = list(task.parameters().values())
    required = max((index for index, one in enumerate(parameters) if one.required), default=-1)
    kind, none = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
    return inspect.Signature(
        [
            inspect.Parameter(one.name, kind, default=none if index <= required else one.default)
            for index, one in enumerate(parameters)
        ]
    )


def delivered(task: type[Task], values: dict[str, Any], every: float = PREVIEW_SECONDS) -> Iterator[dict[str, Any]]:
    """Do what is asked, and yield what the outputs show of it, by their names; at last the result.

    Args:
        task: What is asked for.
        values: Those of its parameters.
        every: Seconds from one preview to the next, at least.
    """
    ask = task.ask(**values)
    model = getattr(ask, "model", None)
    results = Results(ask, new_file, **own_models.record(model, cache_folder()))
    weights = str(own_models.file(model, cache_folder())) if model and own_models.is_own(model) else None
    yield from stream(results.follow(ask.run(weights)), Previews(results), model, every)


delivered_on_gpu = on_gpu(delivered)


def stream(
    work: Iterator[Step], previews: "Previews", model: str | None, every: float = PREVIEW_SECONDS
) -> Iterator[dict[str, Any]]:
    """Yield what the outputs show while `work` goes on, by their names, and at last what it made.

    Args:
        work: What `Results.follow` yields.
        previews: What is shown of a step.
        model: The weights' name; None where the run makes its own.
        every: Seconds from one preview to the next, at least.
    """
    title = own_models.title(model) if model else ""
    require_ready(model)
    started, shown, clock, latest = time.monotonic(), 0.0, Clock(), None
    beginning = progress_bar(0, 0, f"Loading {title}" if model else "Beginning")
    yield previews.cleared() | {"status": beginning}
    for step in responsive(work):
        if step.result is not None:
            seconds = time.monotonic() - started
            summary = f"{step.message} in {seconds:.1f} s{f' by {title}' if model else ''}."
            yield previews.final(step) | step.result | {"status": told(summary, step.result["record"])}
            return
        values = {}
        if step is not latest and time.monotonic() - shown > every:
            values = previews.of(step)
            if values:
                shown, latest = time.monotonic(), step  # which comes again and again until there is another
        status = progress_bar(step.index, step.total, progress_text(step, clock.left(step)))
        yield {**previews.known, **values, "status": status}


def require_ready(model: str | None) -> None:
    """Refuse weights that are not on this machine: fetching them in a lane would keep everybody waiting.

    Raises:
        ValueError: They aren't.
    """
    if model is None or own_models.is_own(model) or hub.ready(registry.get(model)):
        return
    way = "the app is offline" if app_settings.offline() else "pick them in the page first, which fetches them"
    raise ValueError(f"The weights “{registry.get(model).title}” are not on this machine; {way}.")


class Previews:
    """What the page shows of a result that is being made, in small files beside it.

    Attributes:
        known: Parts of the result that are known from the start.
    """

    known: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, results: Results):
        self.results = results
        self.folder = Path(tempfile.mkdtemp(dir=cache_folder()))
        self.left: str | None = None
        self.kinds = {name: output.kind for name, output in results.ask.returns.items()}

    def cleared(self) -> dict[str, Any]:
        """Return what takes the place of an earlier result: nothing; galleries stay until there is a picture."""
        return {name: None for name, kind in self.kinds.items() if kind not in ("images", "plot")} | {"record": None}

    def of(self, step: Step) -> dict[str, Any]:
        """Return what is shown of a step, if there is anything to see."""
        shown: dict[str, Any] = {}
        if step.preview is not None:
            shown = self._pictures(step, view(step.preview, self.folder / f"preview-{step.index}.webp"))
        for name, kind in self.kinds.items():
            if kind == "images" and self.results.images:
                shown[name] = list(self.results.images)
            if kind == "plot" and self.results.losses and (shown or step.frame is not None):
                shown[name] = str(self.results.plot(self.folder / f"plot-{step.index}.webp"))
        return shown

    def final(self, step: Step) -> dict[str, Any]:
        """Return what is shown of the last step."""
        if step.preview is None:
            return {}
        return self._pictures(step, view(step.preview, self.folder / "after.webp"))

    def _pictures(self, step: Step, right: str) -> dict[str, Any]:
        if self.left is None or (step.before is not None and step.result is not None):
            before = getattr(self.results.ask, "image", None) if step.before is None else step.before
            self.left = None if before is None else view(before, self.folder / f"before-{step.index}.webp")
        return {"shown": right, "compared": (self.left, right)}


def _cancelled(status: str) -> Any:
    """Say so, unless nothing was under way."""
    return note("Cancelled.") if "progressbar" in status else gr.skip()
