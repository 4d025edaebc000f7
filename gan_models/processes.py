"""Training in several processes at once, under `torchrun`, through Accelerate.

Every process draws the same random numbers and so the same batches, works on its share of them, and learns from the
mean of all gradients: what comes of it is what one process would make of the whole batch, where networks look at
samples one by one, or at the batch by `layers.BatchNorm` and `layers.batch_variance` alone.
"""

import os
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch.distributed.nn.functional import all_reduce


def count() -> int:
    """Return how many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Say whether this is the process that writes files."""
    return count() == 1 or accelerator().is_main_process


@cache
def accelerator() -> Any:
    """Return Accelerate's view of the processes, which brings them together.

    Raises:
        ValueError: Accelerate is not installed.
    """
    try:
        from accelerate import Accelerator
    except ImportError:
        raise ValueError("Several processes take Accelerate: pip install accelerate.") from None
    return Accelerator(cpu=not torch.cuda.is_available())


def share(rows: torch.Tensor) -> torch.Tensor:
    """Return this process's part of `rows`, of which every process has all, and whose number they divide."""
    if count() == 1:
        return rows
    size = len(rows) // count()
    return rows[accelerator().process_index * size :][:size]


def randn(rows: int, *shape: int) -> torch.Tensor:
    """Return rows×shape normal numbers: this process's share of what all draw."""
    return share(torch.randn(rows * count(), *shape))


def rand(rows: int, *shape: int, rng: torch.Generator | None = None) -> torch.Tensor:
    """Return rows×shape numbers in [0, 1) likewise."""
    return share(torch.rand(rows * count(), *shape, generator=rng))


def mean(tensors: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
    """Return the means of `tensors` over all processes, through which gradients go back; what is None stays None."""
    if count() == 1:
        return list(tensors)
    there = [tensor for tensor in tensors if tensor is not None]
    parts = torch.cat([tensor.flatten().float() for tensor in there]) / accelerator().num_processes
    means = iter(all_reduce(parts).split([tensor.numel() for tensor in there]))
    return [None if tensor is None else next(means).view_as(tensor).to(tensor.dtype) for tensor in tensors]
