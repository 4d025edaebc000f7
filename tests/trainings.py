"""Trainings as tests run them: on the CPU."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from gan_models.jobs import Step
from gan_models.training.checkpoint import NAME
from gan_models.training.loop import Trainer, fit


def training(
    kind: Callable[..., Trainer], out: Path | None = None, /, *, resume: bool = False, **options: Any
) -> Iterator[Step]:
    """Return the steps of a training."""
    return fit(kind(**options), out, resume=resume, device="cpu")


def cancel(steps: Iterator[Step], after: int) -> None:
    """Take steps up to the report or validation of the step `after`, and cancel."""
    for step in steps:
        if step.index == after:
            steps.close()
            return
    raise AssertionError(f"Nothing was said after step {after}.")


def built(kind: Callable[..., Trainer], /, **options: Any) -> Any:
    """Return a trainer as it is before its first step."""
    trainer = kind(**options)
    trainer.device = torch.device("cpu")
    torch.manual_seed(trainer.seed)
    trainer.build()
    return trainer


def checkpoint(out: Path) -> dict[str, Any]:
    """Return what a training has kept in `out`."""
    return torch.load(out / NAME, weights_only=True)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Say whether two state dicts are equal to the last bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
