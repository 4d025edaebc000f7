"""The backend of the small generators: pictures from seeds, ways between them, sums of latents, reconstructions."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from gan_models import checkpoints
from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.classic.model import load
from gan_models.classic.network import Autoencoder
from gan_models.device import computing, pick_device
from gan_models.images import flatten
from gan_models.images.checks import require_picture
from gan_models.images.squares import squared
from gan_models.images.tensors import to_image, to_tensor
from gan_models.jobs import Step, watch_layers

TASK = "pictures"
MAX_COUNT, MAX_FRAMES = 64, 600
SHORT_OF_MEMORY = "The memory of this device is too short for this; try fewer pictures."


class PictureGenerator(Backend):
    """Pictures drawn by a DCGAN, a conditional GAN, an AEGAN or a progressively grown GAN.

    Args:
        weights: A registered model of the task "pictures", or the path of a file that `model.save` wrote.
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Raises:
        ValueError: No such weights, no such device, or the file is no generator.
    """

    DEFAULT = "pokemon-dcgan"

    def __init__(self, weights: str | None = None, device: str | None = None):
        watch_layers()
        self.device = pick_device(device)
        weights = weights or self.DEFAULT
        if Path(weights).is_file():
            self.network, self.kinds = load(weights)
        else:
            model = registry.get(weights, task=TASK)
            self.network, self.kinds = checkpoints.load(model.name, str(self.device)), model.kinds
        self.network.to(self.device)

    @property
    def encodes(self) -> bool:
        """Whether the model finds the latent of a picture, too."""
        return isinstance(self.network, Autoencoder)

    def steps(self, *, seeds: Sequence[int], kind: str | None = None) -> Iterator[Step]:
        """Draw one picture for each seed, one a step; the result is a list of them, H×H×3 uint8.

        Args:
            seeds: 1 to 64 numbers.
            kind: One of `kinds`, where the model knows any; None for each in turn.

        Raises:
            ValueError: There are too few seeds or too many, or no such kind.
        """
        self._check_count(len(seeds))
        labels = self._labels(kind, len(seeds))
        return self._drawn(torch.cat([self.latent(seed) for seed in seeds]), labels)

    def between(self, seeds: Sequence[int], *, frames: int = 24, kind: str | None = None) -> Iterator[Step]:
        """Draw the way from seed to seed and back to the first, along great circles, `frames` pictures each.

        Raises:
            ValueError: There are fewer than two seeds, too many pictures in all, or no such kind.
        """
        if len(seeds) < 2 or not 2 <= frames * len(seeds) <= MAX_FRAMES:
            raise ValueError(f"A film takes two seeds at least, and has {MAX_FRAMES} pictures at most.")
        ends = [self.latent(seed) for seed in (*seeds, seeds[0])]
        shares = torch.linspace(0, 1, frames + 1)[:-1]
        way = [great_circle(a, b, float(share)) for a, b in pairwise(ends) for share in shares]
        return self._drawn(torch.cat(way), self._labels(kind or (self.kinds[0] if self.kinds else None), len(way)))

    def combined(self, first: Sequence[int], minus: Sequence[int], plus: Sequence[int]) -> Iterator[Step]:
        """Draw the means of three sets of latents, and the first without the second, with the third.

        As in Radford et al. 2016, section 6.3.2. Means are brought back to the length that latents have.

        Raises:
            ValueError: A set is empty or too large.
        """
        for seeds in (first, minus, plus):
            self._check_count(len(seeds))
        means = [
            torch.cat([self.latent(seed) for seed in seeds]).mean(0, keepdim=True) for seeds in (first, minus, plus)
        ]
        latents = [*means, means[0] - means[1] + means[2]]
        return self._drawn(torch.cat([self._lengthened(z) for z in latents]), self._labels(None, 1).expand(4))

    @torch.inference_mode()
    def reconstructed(self, image: np.ndarray) -> np.ndarray:
        """Return what the model makes of the latent that it finds for the middle square of a picture.

        Args:
            image: H×W×3 or 4, uint8; transparent pictures are put on white.

        Raises:
            ValueError: It is no picture, or the model has no encoder.
        """
        require_picture(image)
        if not self.encodes:
            raise ValueError("This model has no encoder; take an AEGAN.")
        square = squared(flatten(image), self.side)
        with self._computing():
            return to_image((self.network(self.network.encode(2 * to_tensor(square).to(self.device) - 1)) + 1) / 2)

    @property
    def side(self) -> int:
        """Pixels of a picture's side."""
        with self._computing(), torch.inference_mode():
            return self.network(self.latent(0).to(self.device), self._labels(None, 1)).shape[2]

    def latent(self, seed: int) -> torch.Tensor:
        """Return the latent of a seed, 1×z_dim, the same on every machine.

        Raises:
            ValueError: The seed is negative or too large.
        """
        if not 0 <= seed < 2**32:
            raise ValueError(f"A seed is a whole number from 0 to {2**32 - 1}, not {seed}.")
        return torch.randn(1, self.network.z_dim, generator=torch.Generator().manual_seed(seed))

    def _lengthened(self, z: torch.Tensor) -> torch.Tensor:
        return z * self.network.z_dim**0.5 / z.norm().clamp(min=1e-6)

    def kinds_of(self, kind: str | None, count: int) -> list[str]:
        """Return the kind of each of `count` pictures: `kind`, or each in turn; none at all if the model knows none.

        Raises:
            ValueError: There is no such kind.
        """
        if kind and kind not in self.kinds:
            known = f"among {', '.join(self.kinds)}" if self.kinds else "none, as this model knows none"
            raise ValueError(f"The kind must be {known}, not “{kind}”.")
        kinds = [kind] if kind else self.kinds
        return [kinds[number % len(kinds)] for number in range(count)] if kinds else []

    def _labels(self, kind: str | None, count: int) -> torch.Tensor:
        numbers = [self.kinds.index(one) for one in self.kinds_of(kind, count)] or [0] * count
        return torch.tensor(numbers, device=self.device)

    def _check_count(self, count: int) -> None:
        if not 1 <= count <= MAX_COUNT:
            raise ValueError(f"Choose 1 to {MAX_COUNT} seeds.")

    def _computing(self) -> AbstractContextManager[None]:
        return computing(self.device, SHORT_OF_MEMORY)

    def _drawn(self, latents: torch.Tensor, labels: torch.Tensor) -> Iterator[Step]:
        made = []
        for z, label in zip(latents.split(1), labels.split(1), strict=True):
            with self._computing(), torch.inference_mode():
                made.append(to_image((self.network(z.to(self.device), label) + 1) / 2))
            yield Step(len(made), len(latents), preview=made[-1])
        yield Step(len(made), len(made), result=made)


def great_circle(a: torch.Tensor, b: torch.Tensor, share: float) -> torch.Tensor:
    """Return the latent at `share` of the way from `a` to `b`, 1×z_dim (White 2016, spherical interpolation)."""
    cosine = (a * b).sum() / (a.norm() * b.norm())
    angle = torch.acos(cosine.clamp(-1, 1)).clamp(min=1e-4)
    return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)
