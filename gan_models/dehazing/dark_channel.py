"""The dark channel prior (He, Sun and Tang 2009): haze removed by a formula, to compare networks with."""

import cv2
import numpy as np

from gan_models.images.guided import guided_filter

PATCH = 15  # pixels a side
KEPT_HAZE = 0.95  # omega: some haze of far things is left, for depth
LEAST_TRANSMISSION = 0.1
BRIGHTEST = 0.001  # share of the haziest pixels that the airlight is read from
RADIUS, EPSILON = 40, 1e-3


def remove_haze(image: np.ndarray) -> np.ndarray:
    """Return H×W×3 float32 values, about in [0, 1], of what `image`, H×W×3 float32 in [0, 1], shows without haze.

    Dark channel over 15×15 patches (equation 5), airlight from the brightest of the haziest 0.1 % of the pixels
    (section 4.4), transmission with omega 0.95 (equation 12), refined by a guided filter in place of matting, and the
    scene recovered with t at least 0.1 (equation 16).
    """
    dark = _dark_channel(image)
    count = max(1, round(dark.size * BRIGHTEST))
    haziest = np.argpartition(dark.ravel(), -count)[-count:]
    pixels = image.reshape(-1, 3)[haziest]
    airlight = pixels[pixels.sum(1).argmax()].clip(1e-3, None)
    transmission = 1 - KEPT_HAZE * _dark_channel(image / airlight)
    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    refined = guided_filter(grey[:, :, None], transmission[:, :, None].astype(np.float32), RADIUS, EPSILON)
    return (image - airlight) / refined.clip(LEAST_TRANSMISSION, 1) + airlight


def _dark_channel(image: np.ndarray) -> np.ndarray:
    """Return the least value of any channel near each pixel."""
    return cv2.erode(image.min(2), np.ones((PATCH, PATCH), np.uint8))
