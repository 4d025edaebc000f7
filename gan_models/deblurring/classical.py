"""Deconvolution with a guessed kernel, to compare networks with: Wiener's filter, Richardson and Lucy's iteration."""

import numpy as np
from skimage import restoration

from gan_models.images.blur import linear_kernel

BALANCE = 0.02  # of smoothness against faithfulness, in Wiener's filter
ITERATIONS = 12  # of Richardson and Lucy


def guessed_kernel(length: float, angle: float) -> np.ndarray:
    """Return the kernel of a steady motion of `length` pixels at `angle` degrees against the horizontal."""
    size = 2 * int(np.ceil(length / 2)) + 3
    return linear_kernel(length, np.deg2rad(angle), size)


def wiener(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return `image`, H×W×3 float in [0, 1], filtered against `kernel` with a Laplacian as what is unlikely."""
    return _each_channel(image, lambda channel: restoration.wiener(channel, kernel, BALANCE, clip=False))


def richardson_lucy(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return `image`, H×W×3 float in [0, 1], after some iterations towards what `kernel` made it of."""
    return _each_channel(
        image, lambda channel: restoration.richardson_lucy(channel, kernel, ITERATIONS, filter_epsilon=1e-3)
    )


def _each_channel(image: np.ndarray, function) -> np.ndarray:  # noqa: ANN001
    return np.stack([function(channel) for channel in np.moveaxis(image, 2, 0)], 2).clip(0, 1)
