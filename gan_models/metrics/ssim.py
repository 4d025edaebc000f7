"""Structural similarity."""

import cv2
import numpy as np

from gan_models.metrics.checks import require_alike

PEAK = 255
WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03


def ssim(
    a: np.ndarray,
    b: np.ndarray,
    *,
    window: int = WINDOW,
    sigma: float = SIGMA,
    k1: float = K1,
    k2: float = K2,
    alpha: float = 1.0,
    beta: float = 1.0,
    gamma: float = 1.0,
) -> float:
    """Return the structural similarity of two uint8 pictures, H×W or H×W×C, at most 1.

    Wang et al. 2004, equation 12, which with the exponents 1 is equation 13, and section III-C, as in the authors'
    code: a Gaussian window, and only the places where the whole window lies in the picture. Each channel is measured
    alone and the mean taken.

    Args:
        a: A picture.
        b: Another of the same shape.
        window: Side of the window in pixels, odd.
        sigma: Deviation of its Gaussian in pixels.
        k1: Makes C₁ = (255·k1)², which steadies the comparison of luminance.
        k2: Makes C₂ = (255·k2)², which steadies those of contrast and, as C₃ = C₂/2, of structure.
        alpha: Exponent of the luminance's term.
        beta: Exponent of the contrast's.
        gamma: Exponent of the structure's, which keeps its sign where it is negative.

    Raises:
        ValueError: The pictures differ in shape, are not uint8, have a side under the window's, or an option is out
            of its range.
    """
    require_alike(a, b)
    if window < 3 or window % 2 == 0:
        raise ValueError(f"SSIM's window must be odd and 3 pixels or more, not {window}.")
    if min(sigma, k1, k2, alpha, beta, gamma) <= 0:
        raise ValueError("SSIM's deviation, constants and exponents must be positive.")
    a, b = a.astype(np.float64), b.astype(np.float64)
    if alpha == beta == gamma == 1:
        return similarity(a, b, window, sigma, k1, k2)
    luminance, contrast, structure = _three_terms(a, b, window, sigma, k1, k2)
    structure = np.sign(structure) * np.abs(structure) ** gamma
    return float(np.mean(luminance**alpha * contrast**beta * structure))


def ssim_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the SSIM (see `ssim`) at each place of two uint8 pictures, H×W float64, the mean over the channels.

    At the border the pictures are mirrored, so that the map is as large as they are; inside it the mean is `ssim`'s.

    Raises:
        ValueError: The pictures differ in shape, are not uint8, or have a side under 11 pixels.
    """
    require_alike(a, b)
    _require_room(a, WINDOW)
    margin = WINDOW // 2
    around = [(margin, margin), (margin, margin), (0, 0)]
    a, b = (np.pad(np.atleast_3d(x).astype(np.float64), around, mode="symmetric") for x in (a, b))
    luminance, rest = terms(a, b)
    return (luminance * rest).reshape(*luminance.shape[:2], -1).mean(2)


def similarity(
    a: np.ndarray, b: np.ndarray, window: int = WINDOW, sigma: float = SIGMA, k1: float = K1, k2: float = K2
) -> float:
    """Return the SSIM with exponents 1 of two float64 arrays, H×W or H×W×C, whose peak is 255.

    Raises:
        ValueError: A side is under the window's.
    """
    luminance, rest = terms(a, b, window, sigma, k1, k2)
    return float(np.mean(luminance * rest))


def terms(
    a: np.ndarray, b: np.ndarray, window: int = WINDOW, sigma: float = SIGMA, k1: float = K1, k2: float = K2
) -> tuple[np.ndarray, np.ndarray]:
    """Return the term of luminance and that of contrast and structure wherever the window fits.

    Raises:
        ValueError: A side is under the window's.
    """
    _require_room(a, window)
    c1, c2 = (k1 * PEAK) ** 2, (k2 * PEAK) ** 2
    mean_a, mean_b = (_windowed(x, window, sigma) for x in (a, b))
    means_product, means_squared = mean_a * mean_b, mean_a**2 + mean_b**2
    covariance = _windowed(a * b, window, sigma) - means_product
    variances = _windowed(a**2 + b**2, window, sigma) - means_squared
    return (2 * means_product + c1) / (means_squared + c1), (2 * covariance + c2) / (variances + c2)


def _three_terms(
    a: np.ndarray, b: np.ndarray, window: int, sigma: float, k1: float, k2: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the terms of luminance, contrast and structure (equations 6, 9 and 10) wherever the window fits."""
    luminance, both = terms(a, b, window, sigma, k1, k2)
    c2 = (k2 * PEAK) ** 2
    variances = [_windowed(x**2, window, sigma) - _windowed(x, window, sigma) ** 2 for x in (a, b)]
    deviations = np.sqrt(variances[0].clip(0) * variances[1].clip(0))  # rounding may leave less than nothing
    contrast = (2 * deviations + c2) / (sum(variances) + c2)
    return luminance, contrast, both / contrast  # since C₃ = C₂/2


def _require_room(picture: np.ndarray, window: int) -> None:
    height, width = picture.shape[:2]
    if min(height, width) < window:
        raise ValueError(f"SSIM needs pictures of {window}×{window} pixels or more, not {height}×{width}.")


def _windowed(array: np.ndarray, window: int, sigma: float) -> np.ndarray:
    """Average `array` under the window, wherever it fits."""
    margin = window // 2
    kernel = cv2.getGaussianKernel(window, sigma, cv2.CV_64F)
    return cv2.sepFilter2D(array, cv2.CV_64F, kernel, kernel)[margin:-margin, margin:-margin]
