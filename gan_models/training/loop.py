"""The one loop that all trainings run in: `fit` takes a `Trainer` from step to step, and keeps what comes of it."""

import errno
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, dataclass_transform, get_args, get_origin, get_type_hints

import numpy as np
import torch
from PIL import Image
from torch import nn

from gan_models import processes
from gan_models.checkpoints.save import save_half
from gan_models.device import RandomStream, computing, pick_device
from gan_models.jobs import Step, check_wanted, uninterrupted
from gan_models.training import checkpoint

Network = Callable[[torch.Tensor], torch.Tensor]
SAVE_SECONDS = 60
SHORT_OF_MEMORY = "The memory of this device is too short for this training; try smaller pictures or batches."


@dataclass(frozen=True)
class Report:
    """What a training has come to.

    Attributes:
        message: In a few words.
        preview: As a picture, H×W×3 uint8.
        losses: In figures to plot.
        result: What the training is worth if it ends here.
    """

    message: str = ""
    preview: np.ndarray | None = None
    losses: dict[str, float] = field(default_factory=dict)
    result: Any = None


@dataclass_transform(kw_only_default=True, eq_default=False)
@dataclass(kw_only=True, eq=False)
class Trainer:
    """What learns, what it learns from, and one step of it.

    The fields that a subclass annotates are its options: they become keyword arguments of its constructor, and
    options of the command line, which takes their descriptions from the docstring. A subclass checks them in
    `__post_init__`; choices, of a `Literal`, are checked here.

    Args:
        seed: Of all that is random.

    Attributes:
        steps: Iterations in all.
        device: Where networks and batches belong; `fit` sets it before it calls `build`.
        out: Folder for what comes of the training, if it leaves files; likewise.
        done: Steps that are done; `fit` counts them.
        parts: What a checkpoint holds, by name: networks, optimisers and whatever else has a `state_dict`.
        report_every: Steps from one report to the next.
        validate_every: Steps from one validation to the next; then all is written to disk.
        threads: Of a CPU that a step takes; None for as many as usual.
    """

    seed: int = 0
    steps: int = field(init=False, repr=False)
    device: torch.device = field(init=False, repr=False)
    out: Path | None = field(init=False, repr=False, default=None)
    done: int = field(init=False, repr=False, default=0)
    parts: dict[str, Any] = field(init=False, repr=False)
    report_every = 20
    validate_every = 500
    threads: int | None = field(init=False, repr=False, default=None)

    def __init_subclass__(cls) -> None:
        dataclass(kw_only=True, eq=False)(cls)

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            if get_origin(kind) is Literal and getattr(self, name) not in get_args(kind):
                choices = ", ".join(get_args(kind))
                raise ValueError(f"The {name} must be one of {choices}, not “{getattr(self, name)}”.")

    def build(self) -> None:
        """Make networks, optimisers and data, and set `parts`; what is drawn comes from `seed`."""
        raise NotImplementedError

    def begin(self) -> None:
        """Prepare what depends on how many steps are done, after the parts were restored."""

    def step(self, index: int) -> Mapping[str, torch.Tensor | float]:
        """Learn from one batch, as step `index` from 0 on, and return the losses."""
        raise NotImplementedError

    def effort(self, steps: int) -> int:
        """Return how much work so many steps are, in units of about the same time: steps, if all take as long."""
        return steps

    def report(self, losses: dict[str, float]) -> Report:
        """Return what is told of the step that was just done, with its `losses`."""
        return Report(losses=losses)

    def validate(self) -> Report:
        """Return what has come of the training so far; what is drawn comes from `seed`, and leaves no trace."""
        raise NotImplementedError

    def weights(self) -> dict[str, tuple[Mapping[str, torch.Tensor], dict[str, str]]]:
        """Return what is kept of the training: by the name of its file, a state dict and the metadata."""
        raise NotImplementedError

    def batch(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        """Return this process's rows of `tensors`, on the device, pictures with their channels last."""
        moved = [processes.share(tensor).to(self.device, non_blocking=True) for tensor in tensors]
        return [one.contiguous(memory_format=torch.channels_last) if one.dim() == 4 else one for one in moved]

    def from_cpu(self, network: Network) -> Network:
        """Return `network` as a function of tensors on the CPU."""
        return lambda x: network(x.to(self.device)).cpu()


def fit(
    trainer: Trainer,
    out: Path | None = None,
    *,
    steps: int | None = None,
    resume: bool = False,
    device: str | None = None,
) -> Iterator[Step]:
    """Train, on any device and in one process or several; leave weights, `checkpoint.pt` and `sheet.png` in `out`.

    They are written at every validation and at the end, the checkpoint also once a minute and where the training is
    cancelled between two steps. Yields a `Step` at each report and validation; the last one carries the result.

    Args:
        trainer: What to train.
        out: Folder for what comes of it; None leaves nothing.
        steps: After how many in all to stop; by default `trainer.steps`.
        resume: Go on from the checkpoint in `out`.
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Raises:
        ValueError: The trainer can't begin with its options and data, the checkpoint is of another training, or
            losses are no numbers any more.
        FileNotFoundError: There is no checkpoint to resume.
    """
    trainer.device = pick_device(device) if processes.count() == 1 else processes.accelerator().device
    trainer.out, path = out, out and out / checkpoint.NAME
    numbers = RandomStream(trainer.seed, trainer.device)
    if resume and not path.exists():
        raise FileNotFoundError(errno.ENOENT, "There is no checkpoint", str(path))
    with computing(trainer.device, SHORT_OF_MEMORY), numbers.drawn_from():
        trainer.build()
        trainer.done = checkpoint.load(path, trainer.parts) if resume else 0
        trainer.begin()
    total = trainer.steps if steps is None else steps
    kept, whole, kept_at = trainer.done, True, time.monotonic()

    def keep() -> None:
        nonlocal kept, kept_at
        if path and processes.is_first():
            with numbers.drawn_from():  # whose place the checkpoint holds
                checkpoint.save(path, trainer.done, trainer.parts)
        kept, kept_at = trainer.done, time.monotonic()

    try:
        while trainer.done < total:
            check_wanted()
            whole = False
            with computing(trainer.device, SHORT_OF_MEMORY, trainer.threads), uninterrupted(), numbers.drawn_from():
                losses = trainer.step(trainer.done)
            trainer.done = done = trainer.done + 1
            reports, validates = (
                done == total or done % every == 0 for every in (trainer.report_every, trainer.validate_every)
            )
            overdue = time.monotonic() - kept_at > SAVE_SECONDS
            if reports or validates or overdue:
                figures = {name: torch.as_tensor(value).item() for name, value in losses.items()}
                if not all(map(math.isfinite, figures.values())):
                    raise ValueError(f"The training has diverged at step {done}; try a smaller rate.")
            whole = True
            if reports:
                with computing(trainer.device, SHORT_OF_MEMORY, trainer.threads):
                    found = trainer.report(figures)
                yield _told(trainer, total, found)
            if validates or overdue:
                keep()
            if validates and done < total:
                yield _told(trainer, total, _validated(trainer))
            time.sleep(0.0005)  # so that others who wait for the device get it
    finally:
        if whole and trainer.done > kept:  # else a step was broken off, and what was kept before it is good
            keep()
    found = _validated(trainer)
    yield replace(_told(trainer, total, found), result=found.result)


def _validated(trainer: Trainer) -> Report:
    """Return what the trainer has come to, and leave its weights and preview in its folder."""
    apart = RandomStream(trainer.seed, trainer.device)
    with computing(trainer.device, SHORT_OF_MEMORY), apart.drawn_from():
        found, weights = trainer.validate(), trainer.weights()
    if trainer.out and processes.is_first():
        trainer.out.mkdir(parents=True, exist_ok=True)
        for name, (state, metadata) in weights.items():
            save_half(state, trainer.out / f"{name}.safetensors", metadata)
        if found.preview is not None:
            Image.fromarray(found.preview).save(trainer.out / "sheet.png")
    return found


def _told(trainer: Trainer, total: int, found: Report) -> Step:
    done, whole = trainer.effort(trainer.done), trainer.effort(total)
    return Step(done, whole, preview=found.preview, losses=found.losses, message=found.message)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Let nothing be learned by `network` inside the `with` block: a loss goes through it to what came before."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor, clip: float | None = None) -> None:
    """Take one step down `loss`, along the mean of all processes' gradients, whose norm is `clip` at the most."""
    optimizer.zero_grad()
    loss.backward()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for parameter, gradient in zip(parameters, processes.mean([one.grad for one in parameters]), strict=True):
        parameter.grad = gradient
    if clip is not None:
        nn.utils.clip_grad_norm_(parameters, clip)
    optimizer.step()
