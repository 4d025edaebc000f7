"""Structural similarity at several scales."""

import math

import numpy as np

from gan_models.metrics.checks import require_alike
from gan_models.metrics.ssim import WINDOW, terms

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # found by observers' judgements, from the finest scale on
SMALLEST = WINDOW << (len(WEIGHTS) - 1)


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Return the multi-scale structural similarity of two uint8 pictures, H×W or H×W×C, from 0 to 1.

    Wang et al. 2003, equation 7, with the five scales and weights of section 3.2: contrast and structure are compared
    at each scale, luminance at the coarsest alone, by the windows of `ssim`; from one scale to the next, squares of
    2×2 pixels are averaged. A scale whose structures are opposed on average counts as 0. Each channel is measured
    alone and the mean taken.

    Raises:
        ValueError: The pictures differ in shape, are not uint8, or have a side under 176 pixels, which the window of
            11 pixels needs at a sixteenth of the resolution.
    """
    require_alike(a, b)
    height, width = a.shape[:2]
    if min(height, width) < SMALLEST:
        raise ValueError(f"MS-SSIM needs pictures of {SMALLEST}×{SMALLEST} pixels or more, not {height}×{width}.")
    a, b = np.atleast_3d(a).astype(np.float64), np.atleast_3d(b).astype(np.float64)
    channels = [_of_channel(a[:, :, channel], b[:, :, channel]) for channel in range(a.shape[2])]
    return float(np.mean(channels))


def _of_channel(a: np.ndarray, b: np.ndarray) -> float:
    means = []
    for _ in WEIGHTS:
        luminance, rest = terms(a, b)
        means.append(np.mean(rest))
        a, b = _halved(a), _halved(b)
    means[-1] = np.mean(luminance * rest)
    return math.prod(max(mean, 0.0) ** weight for mean, weight in zip(means, WEIGHTS, strict=True))


def _halved(array: np.ndarray) -> np.ndarray:
    """Average squares of 2×2; a last odd row or column is taken twice, as by the authors' mirrored border."""
    array = np.pad(array, [(0, size % 2) for size in array.shape], mode="edge")
    return (array[::2, ::2] + array[1::2, ::2] + array[::2, 1::2] + array[1::2, 1::2]) / 4
