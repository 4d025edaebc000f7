"""Pairs for training restoration: patches of good pictures, and what a degradation makes of them."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch

from gan_models.images.tensors import to_image, to_tensor
from gan_models.metrics import psnr
from gan_models.training.datasets import Pictures
from gan_models.training.loop import Network

HELD_OUT = 16
LARGEST = 2.0  # side of the largest patch that is reduced to the size asked for, in its units
INTACT = 0.2  # share of patches that stay as they are, so that networks learn to leave what is good alone

Degradation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class DegradedPairs:
    """Square patches at random scales from random places of pictures, and the same patches degraded.

    Args:
        folder: Where the good pictures are.
        size: Side of the patches.
        degrade: Makes a degraded picture, uint8 of the same size, from a good one.
        margin: Pixels round a patch that are degraded with it and cut off then, since they tell what lies outside.
        held_out: How many pictures are kept for validation.
        intact: Share of patches that stay as they are.

    Raises:
        ValueError: There are too few pictures, or one is smaller than a patch with its margin.
    """

    def __init__(
        self,
        folder: Path,
        size: int,
        degrade: Degradation,
        *,
        margin: int = 0,
        held_out: int = HELD_OUT,
        intact: float = INTACT,
    ):
        self.whole, self.margin, self.degrade, self.intact = size + 2 * margin, margin, degrade, intact
        pictures = Pictures(folder)
        if len(pictures) <= held_out:
            raise ValueError(f"Training takes more than {held_out} pictures; {folder} has {len(pictures)}.")
        if min(map(min, pictures.sizes())) < self.whole:
            raise ValueError(f"Each training picture must be at least {self.whole} pixels wide and high.")
        order = np.random.default_rng(0).permutation(len(pictures))
        self.pictures, self.others = pictures.some(order[:-held_out]), pictures.some(order[-held_out:])

    @cached_property
    def held_out(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The pictures that are held out, H×W×3 uint8, degraded and good."""
        rng = np.random.default_rng(1)
        return [(self.degrade(picture, rng), picture) for picture in self.others]

    def good(self, pictures: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
        """Return a patch of one of `pictures` with its margin, turned neither way but mirrored at random."""
        picture = pictures[rng.integers(len(pictures))]
        height, width = picture.shape[:2]
        side = int(min(self.whole * rng.uniform(1, LARGEST), height, width))
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        patch = picture[top : top + side, left : left + side]
        patch = cv2.resize(patch, (self.whole, self.whole), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(patch[:, ::-1]) if rng.integers(2) else patch

    def batch(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` degraded patches and the good ones, N×3×size×size in [0, 1]."""
        kept = slice(self.margin, self.whole - self.margin)
        pairs = []
        for _ in range(count):
            good = self.good(self.pictures, rng)
            degraded = good if rng.uniform() < self.intact else self.degrade(good, rng)
            pairs.append([to_tensor(side[kept, kept]) for side in (degraded, good)])
        degraded, good = zip(*pairs, strict=True)
        return torch.cat(degraded), torch.cat(good)

    @torch.inference_mode()
    def validate(self, network: Network) -> float:
        """Return the mean PSNR in dB of what `network` makes of the held-out pictures, 1×3×H×W in [0, 1]."""
        return float(np.mean([psnr(to_image(network(to_tensor(bad))), good) for bad, good in self.held_out]))
