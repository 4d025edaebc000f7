"""Peak signal-to-noise ratio."""

import math

import numpy as np

from gan_models.metrics.checks import require_alike


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Return 10·log10(255² / mean squared difference) of two uint8 pictures of equal shape, in dB.

    The mean is over all pixels and channels; equal pictures give infinity.

    Raises:
        ValueError: The pictures differ in shape, or are not uint8.
    """
    require_alike(a, b)
    return decibels(a.astype(np.float64), b.astype(np.float64))


def decibels(a: np.ndarray, b: np.ndarray) -> float:
    """Return the PSNR in dB of two float arrays of equal shape whose peak is 255."""
    error = float(np.mean(np.square(a - b)))
    return 10 * math.log10(255**2 / error) if error else math.inf
