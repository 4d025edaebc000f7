"""The single-image backend: a model trained on one picture, and everything that it can do."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import torch

from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.device import computing
from gan_models.images import flatten, join_alpha, split_alpha
from gan_models.jobs import Drawn, Step
from gan_models.singan import (
    SinganAnimate,
    SinganEdit,
    SinganHarmonize,
    SinganPaint,
    SinganSample,
    SinganUpscale,
    applications,
)
from gan_models.singan.model import SinGAN, from_picture, load, resize, to_picture
from gan_models.singan.trainer import SinGANTrainer
from gan_models.task import Task
from gan_models.training.loop import fit

SHORT_OF_MEMORY = "The memory of this device is too short for this; try a smaller size."
UPSCALING_SHARE = 0.97  # of the time that super-resolution takes, spent on training


class SingleImage(Backend):
    """A model of one picture, and what it draws (SinGAN, Rott Shaham et al. 2019, section 4; see `applications`)."""

    weights = "single-image"

    def __init__(
        self, network: SinGAN, model: registry.Model | None = None, device: torch.device | str | None = None
    ):
        super().__init__(network, model, device)
        self.network.to(self.device)

    @classmethod
    def load(cls, name: str | None = None, device: str | None = None) -> Self:
        """Return a backend with a registered model, or with that in a file that `model.save` wrote.

        Raises:
            ValueError: No such weights, no such device, or the file is no model.
        """
        if name is not None and Path(name).is_file():
            return cls(load(name), None, device)
        return super().load(name, device)

    def run(self, ask: Task) -> Iterator[Step]:
        """Do what is asked.

        Raises:
            ValueError: The model has no such scale, the mask is not as large as the picture, or a sample would be too
                large.
        """
        match ask:
            case SinganSample():
                yield from self._sample(ask)
            case SinganAnimate():
                yield from self._animate(ask)
            case SinganPaint():
                picture = flatten(ask.painting)
                with self._computing():
                    made = applications.paint(
                        self.network, picture, start_scale=ask.start_scale, quantize=ask.quantize, seed=ask.seed
                    )
                yield Step(1, 1, before=picture, result=made, message=_size(made))
            case SinganHarmonize() | SinganEdit():
                picture = ask.composite if isinstance(ask, SinganHarmonize) else ask.edited
                options = {"start_scale": ask.start_scale, "seed": ask.seed, "task": ask.action}
                with self._computing():
                    made = applications.harmonize(self.network, picture, ask.mask, **options)
                yield Step(1, 1, before=picture, result=made, message=_size(made))

    def _sample(self, ask: SinganSample) -> Iterator[Step]:
        options = {"start_scale": ask.start_scale, "count": ask.count, "seed": ask.seed}
        options |= {"width_factor": ask.width_factor, "height_factor": ask.height_factor}
        pictures = _each(applications.sample(self.network, **options), self.device)
        for number, picture in enumerate(pictures, start=1):
            seed = ask.seed + number - 1
            yield Step(
                number, ask.count, preview=picture, drawn=Drawn(picture, f"Seed {seed}", record={"seed": seed})
            )
        text = f"{number} picture{'s' * (number > 1)} of {picture.shape[1]} × {picture.shape[0]} pixels"
        yield Step(number, number, message=text, result={})

    def _animate(self, ask: SinganAnimate) -> Iterator[Step]:
        names = ("start_scale", "alpha", "beta", "frames", "loop", "seed")
        pictures = applications.animate(self.network, **{name: getattr(ask, name) for name in names})
        for number, picture in enumerate(_each(pictures, self.device), start=1):
            yield Step(number, ask.frames, frame=picture)
        text = f"{ask.frames} pictures, {ask.frames / ask.fps:.1f} s of film,"
        yield Step(1, 1, message=text, result={})

    @property
    def picture(self) -> np.ndarray:
        """The picture that the model was trained on, H×W×3 uint8, at the size of its finest scale."""
        return self.network.picture.cpu().numpy()

    @property
    def scales(self) -> int:
        """How many scales the model has."""
        return len(self.network.sizes)

    def kept(self, start_scale: int) -> np.ndarray | None:
        """Return what stays of the training picture when drawing starts at `start_scale`, or None: nothing.

        It comes at the size of the scale below, H×W×3 uint8.
        """
        if not 0 < start_scale < self.scales:
            return None
        return to_picture(resize(from_picture(self.picture), self.network.sizes[start_scale - 1]))

    def _computing(self) -> AbstractContextManager[None]:
        return computing(self.device, SHORT_OF_MEMORY)


def upscale(ask: SinganUpscale, device: str | None = None) -> Iterator[Step]:
    """Train on a picture and enlarge it: super-resolution from nothing but the picture itself.

    The steps are those of the training, then those of `applications.upscale`; the result is the enlarged picture,
    with its alpha. A picture that is larger than the preset trains on is reduced for that, and enlarged from its own
    size.

    Raises:
        ValueError: See `SinGANTrainer`.
    """
    colour, alpha = split_alpha(ask.image)
    model = None
    options = {"preset": ask.preset, "iterations": ask.iterations, "seed": ask.seed}
    trainer = SinGANTrainer(picture=colour, upscaling=True, **options)
    for step in fit(trainer, device=device):
        model, total = step.result, round(step.total / UPSCALING_SHARE)
        if model is None:
            yield replace(step, total=total)
    larger = None
    enlarging = applications.upscale(model, colour, factor=ask.factor, seed=ask.seed)
    for larger in _each(enlarging, model.amplitudes.device):
        yield Step(step.total, total, message=f"Enlarging to {larger.shape[1]} × {larger.shape[0]} pixels")
    made = join_alpha(larger, alpha)
    yield Step(total, total, message=_size(made), result=made)


def _size(picture: np.ndarray) -> str:
    return f"{picture.shape[1]} × {picture.shape[0]} pixels"


def _each(pictures: Iterator[np.ndarray], device: torch.device) -> Iterator[np.ndarray]:
    """Yield `pictures`, holding the lock of `device` while each is drawn."""
    while True:
        with computing(device, SHORT_OF_MEMORY):
            picture = next(pictures, None)
        if picture is None:
            return
        yield picture
