"""The guided filter (He, Sun and Tang 2013), in its fast form (He and Sun 2015)."""

import cv2
import numpy as np


def guided_coefficients(
    guide: np.ndarray, target: np.ndarray, radius: int, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return a and b, both H×W×C, with which a·guide + b comes near to `target` in every window.

    Each channel is guided by the same channel (equations 5, 6 and 8 of the first paper).

    Args:
        guide: H×W×C float32.
        target: The same shape.
        radius: Half the side of a window, in pixels.
        epsilon: What counts as little variance in the guide, in its units squared.
    """
    mean_guide, mean_target = _mean(guide, radius), _mean(target, radius)
    covariance = _mean(guide * target, radius) - mean_guide * mean_target
    variance = _mean(guide * guide, radius) - mean_guide**2
    a = covariance / (variance + epsilon)
    b = mean_target - a * mean_guide
    return _mean(a, radius), _mean(b, radius)


def guided_filter(guide: np.ndarray, target: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """Return `target`, H×W×C float32, smoothed where `guide`, of the same shape, is smooth."""
    a, b = guided_coefficients(guide, target, radius, epsilon)
    return a * guide + b


def _mean(values: np.ndarray, radius: int) -> np.ndarray:
    size = (2 * radius + 1, 2 * radius + 1)
    return cv2.boxFilter(values, -1, size, borderType=cv2.BORDER_REFLECT).reshape(values.shape)
