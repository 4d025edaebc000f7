"""Pairs for training restoration: patches of good pictures, and what a degradation makes of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from gan_models.images.tensors import to_image, to_tensor
from gan_models.metrics import psnr
from gan_models.training.datasets import load_pictures

HELD_OUT = 16
LARGEST = 2.0  # side of the largest patch that is reduced to the size asked for, in its units
INTACT = 0.2  # share of patches that stay as they are, so that networks learn to leave what is good alone

Degradation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class DegradedPairs:
    """Square patches at random scales from random places of pictures, and the same patches degraded.

    Args:
        folder: Where the good pictures are; `HELD_OUT` of them are kept for validation.
        size: Side of the patches.
        seed: Of all that is random.
        degrade: Makes a degraded picture, uint8 of the same size, from a good one.
        margin: Pixels round a patch that are degraded with it and cut off then, since they tell what lies outside.

    Raises:
        ValueError: There are too few pictures, or one is smaller than a patch with its margin.
    """

    def __init__(self, folder: Path, size: int, seed: int, degrade: Degradation, margin: int = 0):
        self.whole, self.margin, self.degrade = size + 2 * margin, margin, degrade
        pictures = load_pictures(folder)
        if len(pictures) <= HELD_OUT:
            raise ValueError(f"Training takes more than {HELD_OUT} pictures; {folder} has {len(pictures)}.")
        if min(min(picture.shape[:2]) for picture in pictures) < self.whole:
            raise ValueError(f"Each training picture must be at least {self.whole} pixels wide and high.")
        order = np.random.default_rng(0).permutation(len(pictures))
        self.pictures = [pictures[index] for index in order[:-HELD_OUT]]
        rng = np.random.default_rng(1)
        originals = [pictures[index] for index in order[-HELD_OUT:]]
        self.held_out = [(degrade(picture, rng), picture) for picture in originals]
        self.rng = np.random.default_rng(seed)

    def good(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Return a patch of one of `pictures` with its margin, turned neither way but mirrored at random."""
        picture = pictures[self.rng.integers(len(pictures))]
        height, width = picture.shape[:2]
        side = int(min(self.whole * self.rng.uniform(1, LARGEST), height, width))
        top, left = self.rng.integers(height - side + 1), self.rng.integers(width - side + 1)
        patch = picture[top : top + side, left : left + side]
        patch = cv2.resize(patch, (self.whole, self.whole), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(patch[:, ::-1]) if self.rng.integers(2) else patch

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` degraded patches and the good ones, N×3×size×size in [0, 1]."""
        kept = slice(self.margin, self.whole - self.margin)
        pairs = []
        for _ in range(count):
            good = self.good(self.pictures)
            degraded = good if self.rng.uniform() < INTACT else self.degrade(good, self.rng)
            pairs.append([to_tensor(side[kept, kept]) for side in (degraded, good)])
        degraded, good = zip(*pairs, strict=True)
        return torch.cat(degraded), torch.cat(good)

    @torch.inference_mode()
    def validate(self, network: nn.Module) -> float:
        """Return the mean PSNR in dB on the held-out pictures."""
        return float(np.mean([psnr(to_image(network(to_tensor(bad))), good) for bad, good in self.held_out]))
