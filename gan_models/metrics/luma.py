"""PSNR and SSIM as the super-resolution literature gives them: on luma, without the border."""

import numpy as np

from gan_models.metrics.checks import require_alike, shape_name
from gan_models.metrics.psnr import decibels
from gan_models.metrics.ssim import similarity

WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255


def luma(image: np.ndarray) -> np.ndarray:
    """Return the Y channel of an H×W×3 uint8 RGB picture, H×W float64 in 16 (black) to 235 (white).

    ITU-R BT.601, studio range, with the coefficients of MATLAB's `rgb2ycbcr`; not rounded.

    Raises:
        ValueError: The picture is not H×W×3 uint8.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"Luma needs an H×W×3 uint8 picture, not {shape_name(image)} {image.dtype}.")
    return image @ WEIGHTS + 16


def luma_psnr(a: np.ndarray, b: np.ndarray, border: int = 4) -> float:
    """Return the PSNR in dB (peak 255) of the luma of two H×W×3 uint8 pictures, `border` pixels cut off.

    The border is customarily as wide as the factor of enlargement. Equal pictures give infinity.

    Raises:
        ValueError: The pictures differ in shape, are not H×W×3 uint8, or the border leaves nothing.
    """
    return decibels(*_lumas_within(a, b, border))


def luma_ssim(a: np.ndarray, b: np.ndarray, border: int = 4) -> float:
    """Return the SSIM (see `ssim`) of the luma of two H×W×3 uint8 pictures, `border` pixels cut off.

    Raises:
        ValueError: The pictures differ in shape, are not H×W×3 uint8, or the border leaves under 11 pixels.
    """
    return similarity(*_lumas_within(a, b, border))


def _lumas_within(a: np.ndarray, b: np.ndarray, border: int) -> tuple[np.ndarray, np.ndarray]:
    require_alike(a, b)
    height, width = a.shape[:2]
    if not 0 <= 2 * border < min(height, width):
        raise ValueError(f"A border of {border} pixels can't be cut off {height}×{width} pixels.")
    inside = (slice(border, height - border), slice(border, width - border))
    return luma(a)[inside], luma(b)[inside]
