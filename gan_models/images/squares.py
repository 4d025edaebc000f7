"""Squares cut from images of any shape."""

import cv2
import numpy as np

EVEN = 12  # levels of 255 that an even background may vary by
MARGIN = 0.06  # of the background that is left on each side of what is cut out, of its length


def squared(picture: np.ndarray, side: int) -> np.ndarray:
    """Return the middle square of `picture`, H×W×3 uint8, as side×side×3."""
    length = min(picture.shape[:2])
    top, left = ((size - length) // 2 for size in picture.shape[:2])
    square = picture[top : top + length, left : left + length]
    return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA if length > side else cv2.INTER_CUBIC)


def trimmed(picture: np.ndarray) -> np.ndarray:
    """Return what stands out from an even background, H×W×3 uint8, in the middle of a square of that background.

    A picture whose corners differ has no even background and is returned as it is, as is one that is even all over.
    """
    background = picture[0, 0]
    differs = np.abs(picture.astype(np.int16) - background).max(2) > EVEN
    if not differs.any() or differs[[0, 0, -1, -1], [0, -1, 0, -1]].any():
        return picture
    (top, bottom), (left, right) = (np.flatnonzero(differs.any(axis))[[0, -1]] for axis in (1, 0))
    figure = picture[top : bottom + 1, left : right + 1]
    height, width = figure.shape[:2]
    side = round(max(height, width) * (1 + 2 * MARGIN))
    square = np.full((side, side, 3), background)
    y, x = (side - height) // 2, (side - width) // 2
    square[y : y + height, x : x + width] = figure
    return square


def middle(picture: np.ndarray, side: int) -> np.ndarray:
    """Return the middle of `picture`, H×W×C, as it is: side×side×C."""
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + side, left : left + side])
