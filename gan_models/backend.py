"""What every backend is: weights, and one verb."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Self

from gan_models.checkpoints import registry
from gan_models.device import models, pick_device
from gan_models.jobs import Step, finish, watch_layers

if TYPE_CHECKING:
    import numpy as np
    import torch

    from gan_models.restoration import Filmed
    from gan_models.task import Task


class Backend:
    """Does what tasks ask for with the weights that it holds; it keeps no state between calls but these.

    A subclass says in `weights` for which task of the registry its models are, and does what is asked in `run`.

    Args:
        network: What `checkpoints.load` gives, or any network in its place; None for a formula, which needs none.
        model: The registry's entry of the weights.
        device: Where they are; None picks the best there is.
    """

    weights: ClassVar[str]

    def __init__(self, network: Any, model: registry.Model, device: torch.device | str | None = None):
        watch_layers()
        self.network, self.model, self.device = network, model, pick_device(device and str(device))

    @classmethod
    def load(cls, name: str | None = None, device: str | None = None) -> Self:
        """Return a backend with the weights `name`, by default the first embedded ones.

        Raises:
            ValueError: No such weights, or no such device; or they can't be had (`WeightsError`).
        """
        from gan_models import checkpoints

        model = registry.get(name, task=cls.weights) if name else registry.default(cls.weights)
        place = pick_device(device)
        return cls(None if model.formula else checkpoints.load(model.name, str(place)), model, place)

    @classmethod
    def cached(cls, name: str | None = None, device: str | None = None) -> Self:
        """Return the shared backend of `load`, loading it on first use."""
        return models.get((cls, name, device), lambda: cls.load(name, device))

    def run(self, ask: Task) -> Iterator[Step]:
        """Do what is asked; the last step carries the result. Closing the iterator at any step cancels the work."""
        raise NotImplementedError

    def __call__(self, ask: Task) -> Any:
        """Return the result of `run`."""
        return finish(self.run(ask))

    def video(self, ask: Filmed, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield what `run` makes of each of `frames`, H×W×3 uint8, by itself."""
        for frame in frames:
            yield self(ask.one(frame))
