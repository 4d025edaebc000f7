"""Toy distributions in the plane, by which one sees what a GAN does and what it misses."""

import math
from collections.abc import Callable

import cv2
import numpy as np
import torch

GOOD = 3.0  # standard deviations from a mode within which a sample counts as good (Srivastava et al. 2017, VEEGAN)
LEAST = 0.25  # of an even share of the samples: so many must be good ones at a mode for it to count as covered
BREADTH = 0.05  # standard deviation of modes on a ring of radius 1, or half a unit apart
SIDE, REACH = 384, 1.6  # pixels of a figure's side, and the largest coordinate in it
GRID = 64  # places a side at which a field is computed


class Points:
    """Normal distributions of equal weight and breadth about modes.

    Args:
        modes: K×2.
        breadth: Standard deviation of each.
        seed: Of the samples.
    """

    def __init__(self, modes: torch.Tensor, breadth: float, seed: int = 0):
        self.modes, self.breadth = modes, breadth
        self.rng = torch.Generator().manual_seed(seed)

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` points, N×2, and the number of the mode of each."""
        labels = torch.randint(len(self.modes), (count,), generator=self.rng)
        return self.modes[labels] + self.breadth * torch.randn(count, 2, generator=self.rng), labels

    def coverage(self, samples: torch.Tensor) -> tuple[int, float]:
        """Return the number of modes that `samples`, N×2, cover, and the share of samples that are good.

        A sample is good if it lies within three standard deviations of a mode. A mode is covered if the good samples
        nearest to it are a quarter of an even share of all samples, or more. Papers ask for a single one, but noise
        as broad as the points leaves some at every mode of the ring, and a tenth of that share at most of the grid's.
        """
        distances, nearest = torch.cdist(samples, self.modes).min(1)
        good = distances < GOOD * self.breadth
        counts = nearest[good].bincount(minlength=len(self.modes))
        enough = LEAST * len(samples) / len(self.modes)
        return int((counts >= enough).sum()), float(good.float().mean())


def ring(seed: int = 0) -> Points:
    """Return eight modes on a circle (Metz et al. 2017, section 3.1)."""
    angles = torch.arange(8) * math.pi / 4
    return Points(torch.stack([angles.cos(), angles.sin()], 1), BREADTH, seed)


def grid(seed: int = 0) -> Points:
    """Return twenty-five modes on a square grid."""
    places = torch.linspace(-1, 1, 5)
    return Points(torch.cartesian_prod(places, places), BREADTH, seed)


def spiral(seed: int = 0) -> Points:
    """Return forty modes that follow two turns of a spiral so closely that they make a line."""
    turn = torch.linspace(0.6, 4 * math.pi, 40)
    return Points(torch.stack([turn * turn.cos(), turn * turn.sin()], 1) / (4 * math.pi) * 1.2, 0.04, seed)


TOYS: dict[str, Callable[[int], Points]] = {"ring": ring, "grid": grid, "spiral": spiral}


@torch.no_grad()
def figure(score: Callable[[torch.Tensor], torch.Tensor], real: torch.Tensor, made: torch.Tensor) -> np.ndarray:
    """Draw a discriminator's field with samples on it, 384×384×3 uint8.

    Args:
        score: From N×2 points to N×1 logits or scores; the lowest in the figure is blue, the highest red.
        real: N×2, drawn in white.
        made: N×2, drawn in black.
    """
    places = torch.linspace(-REACH, REACH, GRID)
    y, x = torch.meshgrid(places.flip(0), places, indexing="ij")
    field = score(torch.stack([x, y], 2).view(-1, 2)).view(GRID, GRID)
    low, high = field.min(), field.max()
    levels = ((field - low) / (high - low).clamp(min=1e-6) * 255).to(torch.uint8).numpy()
    large = cv2.resize(levels, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    picture = np.ascontiguousarray(cv2.applyColorMap(large, cv2.COLORMAP_TURBO)[:, :, ::-1])
    for samples, colour in ((real, (255, 255, 255)), (made, (0, 0, 0))):
        for across, up in ((samples.clamp(-10, 10) / REACH + 1) / 2 * SIDE).tolist():
            cv2.circle(picture, (round(across), round(SIDE - up)), 2, colour, -1, cv2.LINE_AA)
    return picture
