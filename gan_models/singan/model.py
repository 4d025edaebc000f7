"""The pyramid of SinGAN's generators: drawing with it, keeping it in one file."""

import os
from collections.abc import Sequence
from math import ceil, log
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gan_models.checkpoints import WeightsError
from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.checkpoints.save import save_half
from gan_models.singan.network import Generator

COARSEST = 25  # pixels of the shorter side
SCALE_FACTOR = 0.75
METADATA = {"task": "single-image"}  # of files
MAX_SCALES, MAX_SIDE = 16, 512  # of files that visitors bring
FIRST_CHANNELS, MAX_CHANNELS, CHANNELS_EVERY = 32, 128, 4


def pyramid_sizes(height: int, width: int, max_side: int, factor: float = SCALE_FACTOR) -> list[tuple[int, int]]:
    """Return the sizes (height, width) of the scales from the coarsest to the finest.

    The finest has at most `max_side` pixels a side, or 25 on its shorter one; the coarsest about 25 on its shorter
    one, each scale about `factor` times the one above (supplement, section 1). A smaller picture gets a single scale.
    """
    shrink = min(1.0, max(max_side / max(height, width), COARSEST / min(height, width)))
    short = min(height, width) * shrink
    steps = max(0, ceil(log(min(COARSEST / short, 1)) / log(factor)))
    exact = (COARSEST / short) ** (1 / steps) if steps else 1.0
    scales = [shrink * exact ** (steps - index) for index in range(steps + 1)]
    return [(max(round(height * scale), 1), max(round(width * scale), 1)) for scale in scales]


def resize(pictures: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize N×3×H×W bicubically, antialiased where it gets smaller."""
    if tuple(pictures.shape[2:]) == tuple(size):
        return pictures
    return F.interpolate(pictures, size=list(size), mode="bicubic", antialias=True, align_corners=False)


class SinGAN(nn.Module):
    """A generative model of one picture.

    Attributes:
        sizes: Height and width of each scale, from the coarsest to the finest.
        channels: The width of each scale's networks; by default as published.
        amplitudes: Standard deviation of the noise at each scale.
        z_star: The noise, 1×3×h×w, from which the coarsest scale reconstructs the picture.
        picture: The picture at the finest scale, H×W×3 uint8.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]], channels: Sequence[int] | None = None):
        super().__init__()
        self.sizes = [tuple(size) for size in sizes]
        self.channels = list(channels or published_channels(len(sizes)))
        self.register_buffer("extents", torch.tensor(self.sizes))
        self.generators = nn.ModuleList(map(Generator, self.channels))
        self.register_buffer("amplitudes", torch.ones(len(sizes)))
        self.register_buffer("z_star", torch.zeros(1, 3, *self.sizes[0]))
        self.register_buffer("picture", torch.zeros(*self.sizes[-1], 3, dtype=torch.uint8))

    def noise(self, scale: int, size: tuple[int, int], rng: torch.Generator) -> torch.Tensor:
        """Return white noise, 1×3×H×W; grey at the coarsest scale, as in the official code."""
        grey = torch.randn(1, 1 if scale == 0 else 3, *size, generator=rng)
        return grey.expand(1, 3, *size).to(self.amplitudes.device)

    def draw(
        self,
        count: int = 1,
        *,
        first: int = 0,
        below: torch.Tensor | None = None,
        until: int | None = None,
        factors: tuple[float, float] = (1, 1),
        rng: torch.Generator,
    ) -> torch.Tensor:
        """Return `count` pictures, N×3×H×W in about [-1, 1], with random noise from scale `first` on.

        Args:
            count: How many.
            first: The first scale that gets noise.
            below: What scale `first` is to add its details to, N×3×h×w of any size; None: the reconstruction of
                the training picture up to there, or nothing at the coarsest scale.
            until: The number of scales to go through; None for all.
            factors: Height and width in units of the training picture's.
            rng: Where the noise comes from.
        """
        sizes = [tuple(max(1, round(f * side)) for f, side in zip(factors, size, strict=True)) for size in self.sizes]
        if below is None and first:
            below = self.reconstruct(first)
        x = None if below is None else below.expand(count, -1, -1, -1)
        for scale in range(first, len(self.sizes) if until is None else until):
            size = sizes[scale]
            noise = torch.cat([self.noise(scale, size, rng) for _ in range(count)]) * self.amplitudes[scale]
            previous = torch.zeros_like(noise) if x is None else resize(x, size)
            x = self.generators[scale](noise, previous)
        return x

    def reconstruct(self, until: int | None = None) -> torch.Tensor:
        """Return what the first `until` scales make of z*, 1×3×h×w: about the training picture (section 2.2)."""
        x = None
        for scale, size in enumerate(self.sizes[:until]):
            noise = self.z_star * self.amplitudes[0] if scale == 0 else torch.zeros_like(resize(x, size))
            x = self.generators[scale](noise, torch.zeros_like(noise) if x is None else resize(x, size))
        return x

    def probe(self) -> torch.Tensor:
        """Return a random picture, 1×3×H×W, to see whether the weights are sound."""
        return self.draw(rng=torch.Generator().manual_seed(1))


def save(model: SinGAN, path: str | os.PathLike) -> str:
    """Write a trained model as one safetensors file, in half precision, and return its path."""
    save_half(model.state_dict(), Path(path), METADATA)
    return str(path)


def load(path: str | os.PathLike) -> SinGAN:
    """Read a file that `save` wrote, or anybody else; nothing in it is ever run.

    Raises:
        ValueError: It is no model of SinGAN's, or not one of a sensible size.
    """
    refusal = ValueError("This file is not a SinGAN model of this app.")
    try:
        state = load_state_dict_file(Path(path), "safetensors")
        sizes = [(int(height), int(width)) for height, width in state["extents"].tolist()]
        shapes = [tuple(state[name].shape) for name in ("z_star", "picture")]
        channels = [len(state[f"generators.{scale}.head.conv.bias"]) for scale in range(len(sizes))]
    except (WeightsError, KeyError, TypeError, ValueError, OverflowError):
        raise refusal from None
    fits = 1 <= len(sizes) <= MAX_SCALES and all(1 <= side <= MAX_SIDE for size in sizes for side in size)
    fits = fits and all(1 <= width <= MAX_CHANNELS for width in channels)
    fits = fits and shapes == [(1, 3, *sizes[0]), (*sizes[-1], 3)]
    if not fits or not all(value.isfinite().all() for value in state.values()):
        raise refusal
    model = SinGAN(sizes, channels).requires_grad_(False)
    try:
        model.load_state_dict(state)
    except RuntimeError:
        raise refusal from None
    return model


def published_channels(scales: int) -> list[int]:
    """Return the widths of the networks as published: 32, doubled every four scales, at most 128."""
    return [min(FIRST_CHANNELS * 2 ** (scale // CHANNELS_EVERY), MAX_CHANNELS) for scale in range(scales)]


def to_picture(x: torch.Tensor) -> np.ndarray:
    """Return 1×3×H×W in [-1, 1] as H×W×3 uint8."""
    pixels = (x[0].detach().float().clamp(-1, 1) * 127.5 + 127.5).round()
    return pixels.to("cpu", torch.uint8).permute(1, 2, 0).contiguous().numpy()


def from_picture(picture: np.ndarray) -> torch.Tensor:
    """Return H×W×3 uint8 as 1×3×H×W in [-1, 1]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 127.5 - 1
