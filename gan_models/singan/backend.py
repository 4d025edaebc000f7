"""The single-image backend: a model trained on one picture, and everything that it can do."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gan_models import checkpoints
from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.device import computing, pick_device
from gan_models.images import flatten, join_alpha, split_alpha
from gan_models.images.checks import require_picture
from gan_models.jobs import Step, watch_layers
from gan_models.singan import tasks
from gan_models.singan.model import from_picture, load, resize, to_picture
from gan_models.singan.trainer import train

TASK = "single-image"
SHORT_OF_MEMORY = "The memory of this device is too short for this; try a smaller size."
UPSCALING_SHARE = 0.97  # of the time that super-resolution takes, spent on training


class SingleImage(Backend):
    """A model of one picture, and what it draws (SinGAN, Rott Shaham et al. 2019); `tasks` describes the arguments.

    Args:
        weights: A registered model of the task "single-image", or the path of a file that `model.save` wrote.
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Raises:
        ValueError: No such weights, no such device, or the file is no model.
    """

    DEFAULT = "singan-balloons"

    def __init__(self, weights: str | None = None, device: str | None = None):
        watch_layers()
        self.device = pick_device(device)
        weights = weights or self.DEFAULT
        if Path(weights).is_file():
            self.network = load(weights).to(self.device)
        else:
            self.network = checkpoints.load(registry.get(weights, task=TASK).name, str(self.device))

    @property
    def picture(self) -> np.ndarray:
        """The picture that the model was trained on, H×W×3 uint8, at the size of its finest scale."""
        return self.network.picture.cpu().numpy()

    @property
    def scales(self) -> int:
        """How many scales the model has."""
        return len(self.network.sizes)

    def default_start_scale(self, task: str) -> int:
        """Return where `task`, a name in `tasks.STARTS`, starts if nothing else is asked for."""
        return tasks.default_start_scale(self.network, task)

    def kept(self, start_scale: int) -> np.ndarray | None:
        """Return what stays of the training picture when drawing starts at `start_scale`, or None: nothing.

        It comes at the size of the scale below, H×W×3 uint8.
        """
        if not 0 < start_scale < self.scales:
            return None
        return to_picture(resize(from_picture(self.picture), self.network.sizes[start_scale - 1]))

    def samples(self, *, count: int = 4, **options: int | float | None) -> Iterator[Step]:
        """Draw random pictures, one a step; the result is a list of them. Arguments: see `tasks.sample`."""
        yield from self._drawn(tasks.sample(self.network, count=count, **options), count)

    def animation(self, *, frames: int = 60, **options: int | float | None) -> Iterator[Step]:
        """Draw the frames of an animation, one a step; the result is a list. Arguments: see `tasks.animate`."""
        yield from self._drawn(tasks.animate(self.network, frames=frames, **options), frames)

    def harmonized(self, composite: np.ndarray, mask: np.ndarray, **options: int | str | None) -> np.ndarray:
        """Return `composite` with what was pasted into it redrawn to fit in; see `tasks.harmonize`."""
        require_picture(composite)
        with self._computing():
            return tasks.harmonize(self.network, composite, mask, **options)

    def painted(self, painting: np.ndarray, **options: int | bool | None) -> np.ndarray:
        """Return a picture with the layout of `painting`, H×W×3 or 4 uint8; see `tasks.paint`."""
        require_picture(painting)
        with self._computing():
            return tasks.paint(self.network, flatten(painting), **options)

    def _computing(self) -> AbstractContextManager[None]:
        return computing(self.device, SHORT_OF_MEMORY)

    def _drawn(self, pictures: Iterator[np.ndarray], total: int) -> Iterator[Step]:
        drawn = []
        for picture in _each(pictures, self.device):
            drawn.append(picture)
            yield Step(len(drawn), total, preview=picture)
        yield Step(total, total, result=drawn)


def upscale(
    picture: np.ndarray, *, factor: float = 4, preset: str = "quick", seed: int = 0, device: str | None = None
) -> Iterator[Step]:
    """Train on `picture`, H×W×3 or 4 uint8, and enlarge it: super-resolution from nothing but the picture itself.

    The steps are those of the training, then those of `tasks.upscale`; the result is the enlarged picture, with its
    alpha. A picture that is larger than the preset trains on is reduced for that, and enlarged from its own size.

    Raises:
        ValueError: See `training.train` and `tasks.upscale`.
    """
    require_picture(picture)
    colour, alpha = split_alpha(picture)
    tasks.check_upscaling(*colour.shape[:2], factor)
    model = None
    for step in train(colour, preset=preset, seed=seed, device=device, upscaling=True):
        model, total = step.result, round(step.total / UPSCALING_SHARE)
        if model is None:
            yield replace(step, total=total)
    larger = None
    for larger in _each(tasks.upscale(model, colour, factor=factor, seed=seed), model.amplitudes.device):
        yield Step(step.total, total, message=f"Enlarging to {larger.shape[1]} × {larger.shape[0]} pixels")
    yield Step(total, total, result=join_alpha(larger, alpha))


def _each(pictures: Iterator[np.ndarray], device: torch.device) -> Iterator[np.ndarray]:
    """Yield `pictures`, holding the lock of `device` while each is drawn."""
    while True:
        with computing(device, SHORT_OF_MEMORY):
            picture = next(pictures, None)
        if picture is None:
            return
        yield picture
