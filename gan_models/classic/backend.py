"""The backend of the small generators: pictures from seeds, ways between them, sums of latents, reconstructions."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import nn

from gan_models.backend import Backend
from gan_models.checkpoints.hub import file_hash
from gan_models.classic import (
    CombinePictures,
    GeneratePictures,
    InterpolatePictures,
    PictureModel,
    ReconstructPicture,
)
from gan_models.classic.model import load
from gan_models.classic.network import Autoencoder
from gan_models.device import computing, models
from gan_models.images import flatten
from gan_models.images.squares import squared, trimmed
from gan_models.images.tensors import to_image, to_tensor
from gan_models.jobs import Drawn, Step
from gan_models.seeds import parse_seeds
from gan_models.task import Task

MAX_FRAMES = 600
SHORT_OF_MEMORY = "The memory of this device is too short for this; try fewer pictures."


class PictureGenerator(Backend):
    """Pictures drawn by a DCGAN, a conditional GAN, an AEGAN or a progressively grown GAN.

    Args:
        network: The generator.
        model: The registry's entry; None for a file that `model.save` wrote.
        device: Where it computes; None picks the best there is.
        kinds: The names of the kinds that it knows; by default those of the entry.
    """

    weights = "pictures"

    def __init__(
        self,
        network: nn.Module,
        model: PictureModel | None = None,
        device: torch.device | str | None = None,
        kinds: Sequence[str] | None = None,
    ):
        super().__init__(network, model, device)
        self.network.to(self.device)
        self.kinds = tuple(kinds if kinds is not None else model.kinds if model else ())

    @classmethod
    def load(cls, name: str | None = None, device: str | None = None) -> Self:
        """Return a backend with registered weights, or with those in a file that `model.save` wrote.

        Raises:
            ValueError: No such weights, no such device, or the file is no generator.
        """
        if name is not None and Path(name).is_file():
            network, kinds = load(name)
            return cls(network, None, device, kinds)
        return super().load(name, device)

    @classmethod
    def cached(cls, name: str | None = None, device: str | None = None) -> Self:
        """Return the shared backend of `load`; a training may write a file anew, so it goes by its content."""
        key = file_hash(Path(name)) if name is not None and Path(name).is_file() else name
        return models.get((cls, key, device), lambda: cls.load(name, device))

    @property
    def encodes(self) -> bool:
        """Whether the model finds the latent of a picture, too."""
        return isinstance(self.network, Autoencoder)

    def run(self, ask: Task) -> Iterator[Step]:
        """Do what is asked.

        Raises:
            ValueError: Seeds are none, too few or too many, there is no such kind, or the model has no encoder.
        """
        match ask:
            case GeneratePictures():
                yield from self._generate(ask)
            case InterpolatePictures():
                yield from self._interpolate(ask)
            case CombinePictures():
                yield from self._combine(ask)
            case ReconstructPicture():
                picture = flatten(ask.image)
                picture = trimmed(picture) if ask.trim else picture
                made = self.reconstructed(picture)
                text = f"{made.shape[1]} × {made.shape[0]} pixels"
                yield Step(1, 1, before=picture, message=text, result=made)

    def _generate(self, ask: GeneratePictures) -> Iterator[Step]:
        seeds = parse_seeds(ask.seed, ask.count)
        kinds = self.kinds_of(ask.kind, len(seeds)) or [""] * len(seeds)
        latents, labels = torch.cat([self.latent(seed) for seed in seeds]), self._labels(ask.kind, len(seeds))
        pictures = self._drawn(latents, labels)
        for number, (seed, kind, picture) in enumerate(zip(seeds, kinds, pictures, strict=True), start=1):
            caption = f"Seed {seed}, {kind}" if kind else f"Seed {seed}"
            drawn = Drawn(picture, caption, record={"seed": seed, "kind": kind})
            yield Step(number, len(seeds), preview=picture, drawn=drawn)
        text = f"{number} picture{'s' * (number > 1)} of {picture.shape[0]} pixels"
        yield Step(number, number, message=text, result={}, notes={"seed": seeds[0]})

    def _interpolate(self, ask: InterpolatePictures) -> Iterator[Step]:
        """Draw the way from seed to seed and back to the first, along great circles."""
        seeds = parse_seeds(ask.seeds)
        if len(seeds) < 2 or ask.frames * len(seeds) > MAX_FRAMES:
            raise ValueError(f"A film takes two seeds at least, and has {MAX_FRAMES} pictures at most.")
        ends = [self.latent(seed) for seed in (*seeds, seeds[0])]
        shares = torch.linspace(0, 1, ask.frames + 1)[:-1]
        way = [great_circle(a, b, float(share)) for a, b in pairwise(ends) for share in shares]
        labels = self._labels(ask.kind or (self.kinds[0] if self.kinds else ""), len(way))
        for number, picture in enumerate(self._drawn(torch.cat(way), labels), start=1):
            yield Step(number, len(way), frame=enlarged(picture), notes={"seeds": seeds})
        text = f"{len(way)} pictures, {len(way) / ask.fps:.1f} s of film,"
        yield Step(1, 1, message=text, result={})

    def _combine(self, ask: CombinePictures) -> Iterator[Step]:
        """Draw the means of three sets of latents, and the first without the second, with the third.

        As in Radford et al. 2016, section 6.3.2. Means are brought back to the length that latents have.
        """
        sets = {name: parse_seeds(getattr(ask, name)) for name in ("seeds", "minus", "plus")}
        first, minus, plus = (
            torch.cat([self.latent(seed) for seed in seeds]).mean(0, keepdim=True) for seeds in sets.values()
        )
        latents = torch.cat([self._lengthened(z) for z in (first, minus, plus, first - minus + plus)])
        pictures = self._drawn(latents, self._labels("", 1).expand(4))
        captions = ("First", "Minus", "Plus", "Sum")
        for number, (caption, picture) in enumerate(zip(captions, pictures, strict=True), start=1):
            yield Step(number, 4, preview=picture, drawn=Drawn(picture, caption, record=dict(sets)))
        yield Step(4, 4, message="A sum", result={}, notes=dict(sets))

    @torch.inference_mode()
    def reconstructed(self, image: np.ndarray) -> np.ndarray:
        """Return what the model makes of the latent that it finds for the middle square of a picture, H×W×3 uint8.

        Raises:
            ValueError: The model has no encoder.
        """
        if not self.encodes:
            raise ValueError("This model has no encoder; take an AEGAN.")
        square = squared(image, self.side)
        with self._computing():
            return to_image((self.network(self.network.encode(2 * to_tensor(square).to(self.device) - 1)) + 1) / 2)

    @property
    def side(self) -> int:
        """Pixels of a picture's side."""
        with self._computing(), torch.inference_mode():
            return self.network(self.latent(0).to(self.device), self._labels("", 1)).shape[2]

    def latent(self, seed: int) -> torch.Tensor:
        """Return the latent of a seed, 1×z_dim, the same on every machine."""
        return torch.randn(1, self.network.z_dim, generator=torch.Generator().manual_seed(seed))

    def _lengthened(self, z: torch.Tensor) -> torch.Tensor:
        return z * self.network.z_dim**0.5 / z.norm().clamp(min=1e-6)

    def kinds_of(self, kind: str, count: int) -> list[str]:
        """Return the kind of each of `count` pictures: `kind`, or each in turn; none at all if the model knows none.

        Raises:
            ValueError: There is no such kind.
        """
        if kind and kind not in self.kinds:
            known = f"among {', '.join(self.kinds)}" if self.kinds else "none, as this model knows none"
            raise ValueError(f"The kind must be {known}, not “{kind}”.")
        kinds = [kind] if kind else self.kinds
        return [kinds[number % len(kinds)] for number in range(count)] if kinds else []

    def _labels(self, kind: str, count: int) -> torch.Tensor:
        numbers = [self.kinds.index(one) for one in self.kinds_of(kind, count)] or [0] * count
        return torch.tensor(numbers, device=self.device)

    def _computing(self) -> AbstractContextManager[None]:
        return computing(self.device, SHORT_OF_MEMORY)

    def _drawn(self, latents: torch.Tensor, labels: torch.Tensor) -> Iterator[np.ndarray]:
        """Yield the picture, H×H×3 uint8, of each of N×z_dim latents with N labels."""
        for z, label in zip(latents.split(1), labels.split(1), strict=True):
            with self._computing(), torch.inference_mode():
                picture = to_image((self.network(z.to(self.device), label) + 1) / 2)
            yield picture


def enlarged(picture: np.ndarray) -> np.ndarray:
    """Return a small picture, H×W×3, so large that it can be seen: 256 pixels or more."""
    times = max(1, 256 // picture.shape[0])
    return picture.repeat(times, 0).repeat(times, 1)


def great_circle(a: torch.Tensor, b: torch.Tensor, share: float) -> torch.Tensor:
    """Return the latent at `share` of the way from `a` to `b`, 1×z_dim (White 2016, spherical interpolation)."""
    cosine = (a * b).sum() / (a.norm() * b.norm())
    angle = torch.acos(cosine.clamp(-1, 1)).clamp(min=1e-4)
    return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)
