"""What every backend is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Self

from gan_models.device import models
from gan_models.jobs import Step, finish

if TYPE_CHECKING:
    import numpy as np


class Backend:
    """What every backend shares: weights by name, one cached instance for all callers, work as steps.

    A subclass sets `DEFAULT`, loads what it needs in its constructor, and yields `Step`s from `steps`. It keeps
    no state between calls but its weights.
    """

    DEFAULT: ClassVar[str]

    def __init__(self, weights: str | None = None, device: str | None = None):
        raise TypeError("A backend loads its own weights.")

    @classmethod
    def cached(cls, weights: str | None = None, device: str | None = None) -> Self:
        """Return the shared instance for `weights` (None: the default), loading it on first use."""
        weights = weights or cls.DEFAULT
        return models.get((cls, weights, device), lambda: cls(weights, device))

    def steps(self, *inputs: np.ndarray, **options: Any) -> Iterator[Step]:
        """Work step by step, on pictures H×W×3 or 4, uint8, where the backend takes any."""
        raise TypeError(f"{type(self).__name__} has no steps.")

    def __call__(self, *inputs: np.ndarray, **options: Any) -> Any:
        """Return the result of `steps` with the same arguments."""
        return finish(self.steps(*inputs, **options))
