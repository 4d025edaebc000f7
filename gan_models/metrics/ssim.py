"""Structural similarity."""

import cv2
import numpy as np

from gan_models.metrics.checks import require_alike

WINDOW = 11
SIGMA = 1.5
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Return the structural similarity of two uint8 pictures, H×W or H×W×C, at most 1.

    Wang et al. 2004, equation 13 and section III-C, as in the authors' code: a Gaussian window of 11×11
    pixels with deviation 1.5, K1 = 0.01, K2 = 0.03, and only the places where the whole window lies in the
    picture. Each channel is measured alone and the mean taken.

    Raises:
        ValueError: The pictures differ in shape, are not uint8, or have a side under 11 pixels.
    """
    require_alike(a, b)
    return similarity(a.astype(np.float64), b.astype(np.float64))


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Return the SSIM of two float64 arrays, H×W or H×W×C, whose peak is 255.

    Raises:
        ValueError: A side is under 11 pixels.
    """
    height, width = a.shape[:2]
    if min(height, width) < WINDOW:
        raise ValueError(f"SSIM needs pictures of {WINDOW}×{WINDOW} pixels or more, not {height}×{width}.")
    mean_a, mean_b = _windowed(a), _windowed(b)
    means_product, means_squared = mean_a * mean_b, mean_a**2 + mean_b**2
    covariance = _windowed(a * b) - means_product
    variances = _windowed(a**2 + b**2) - means_squared
    luminance = (2 * means_product + C1) / (means_squared + C1)
    structure = (2 * covariance + C2) / (variances + C2)
    return float(np.mean(luminance * structure))


def _windowed(array: np.ndarray) -> np.ndarray:
    """Average `array` under the window, wherever it fits."""
    margin = WINDOW // 2
    kernel = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_64F)
    return cv2.sepFilter2D(array, cv2.CV_64F, kernel, kernel)[margin:-margin, margin:-margin]
