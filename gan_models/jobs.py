"""Long work as a generator of `Step`s: closing it at any yield cancels it, `finish` runs it to its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Drawn:
    """One of several pictures that a piece of work makes.

    Attributes:
        image: H×W×3 or 4, uint8.
        caption: What it is, in a few words.
        name: Of its file, without the suffix; None for what suits the task.
        generated: Whether a model drew all of it; None for what is so of the task.
        record: What differs in its record from that of the task, such as its seed.
    """

    image: np.ndarray
    caption: str
    name: str | None = None
    generated: bool | None = None
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One step of a long piece of work; the last one carries the result.

    Attributes:
        index: Units of work done so far.
        total: Units of work in all.
        preview: The picture so far, H×W×3 uint8, at most about a thousand pixels wide, where there is one.
        losses: Named values to plot, where there are any.
        message: What is going on, in a few words; of the last step, what was made.
        result: What the work made: a value, or several by the names of `Task.returns`; None until the last step.
        before: What preview and result are held against, where it isn't the picture that was given.
        frame: The next picture of the video that is made, H×W×3 uint8.
        fps: Pictures a second of that video, where the task doesn't tell.
        drawn: One of several pictures, when it is done.
        notes: What the record says, from this step on, besides what was asked; a video has those of its first frame.
    """

    index: int
    total: int
    preview: np.ndarray | None = None
    losses: dict[str, float] = field(default_factory=dict)
    message: str = ""
    result: Any = None
    before: np.ndarray | None = None
    frame: np.ndarray | None = None
    fps: float | None = None
    drawn: Drawn | None = None
    notes: dict[str, Any] = field(default_factory=dict)


class Cancelled(Exception):
    """Raised inside work that its caller no longer wants."""


def finish(steps: Iterator[Step]) -> Any:
    """Run `steps` to the end and return the last one's result."""
    result = None
    for step in steps:
        result = step.result
    return result


_current = threading.local()


def responsive(steps: Iterator[Step], every: float = 0.2) -> Iterator[Step]:
    """Yield what `steps` yields, and its last step again whenever nothing new came for `every` seconds.

    `steps` runs in a thread of its own. Closing this generator returns at once and makes the work stop at its
    next `check_wanted`, which every layer of every network calls too: so even one long pass through a large
    network is cancelled within a fraction of a second.
    """
    unwanted = threading.Event()
    arrivals: SimpleQueue[Step | BaseException | None] = SimpleQueue()

    def work() -> None:
        _current.unwanted = unwanted
        try:
            for step in steps:
                arrivals.put(step)
                check_wanted()
            arrivals.put(None)
        except BaseException as problem:  # raised again by whoever waits for the steps
            arrivals.put(problem)
        finally:
            steps.close()

    threading.Thread(target=work, daemon=True).start()
    step = Step(0, 0)
    try:
        while True:
            try:
                arrival = arrivals.get(timeout=every)
            except Empty:
                yield step
                continue
            if arrival is None:
                return
            if isinstance(arrival, BaseException):
                raise arrival
            step = arrival
            yield step
    finally:
        unwanted.set()


def check_wanted() -> None:
    """Do nothing, or raise `Cancelled` in the thread of a `responsive` generator that was closed."""
    unwanted = getattr(_current, "unwanted", None)
    if unwanted is not None and unwanted.is_set():
        raise Cancelled


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let `check_wanted` do nothing inside the `with` block: for steps of a training that must not end halfway."""
    unwanted, _current.unwanted = getattr(_current, "unwanted", None), None
    try:
        yield
    finally:
        _current.unwanted = unwanted


@cache
def watch_layers() -> None:
    """Make every layer of every network call `check_wanted` before it computes."""
    import torch

    torch.nn.modules.module.register_module_forward_pre_hook(lambda module, arguments: check_wanted())
