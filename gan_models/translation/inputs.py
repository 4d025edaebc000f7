"""What a translation starts from, beside label maps: drawings, grey pictures, pictures with a hole."""

import cv2
import numpy as np

PAPER = 90  # percentile of the greys that is taken for the paper's
HATCH = 9  # pixels that a stroke of the pencil spans either way
INK, THIN = 0.25, 0.15  # darkness, as a share of the paper's grey, and share of a pixel, from which it is a line's


def line_drawing(photo: np.ndarray, low: float = 60, high: float = 140, width: int = 1) -> np.ndarray:
    """Return the edges of `photo`, H×W×3 uint8, as a drawing: black lines on white, H×W×3.

    Args:
        photo: At the size that the network sees.
        low: Gradient from which an edge goes on (Canny 1986).
        high: Gradient from which it begins.
        width: Of the lines, in pixels.
    """
    smooth = cv2.bilateralFilter(photo, 5, 40, 3)
    edges = cv2.Canny(smooth, low, high, L2gradient=True)
    lines = 255 - cv2.dilate(edges, np.ones((width, width), np.uint8))
    return np.dstack([lines] * 3)


def pencil_drawing(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return `photo`, H×W×3 uint8, as if drawn with a pencil: lines where it is darker than what is round it, and
    hatching that is the denser the darker it is, H×W×3.
    """
    side = min(photo.shape[:2])
    lightness = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    lightness = cv2.GaussianBlur(lightness, (0, 0), side / 180)
    lines = np.clip(lightness / (cv2.GaussianBlur(lightness, (0, 0), side / 24) + 0.02), 0, 1) ** 2.2
    stroke = np.eye(HATCH, dtype=np.float32)[::-1]  # aslant, as by the right hand
    hatching = cv2.filter2D(rng.standard_normal(lightness.shape, np.float32), -1, stroke / np.linalg.norm(stroke))
    shading = 1 - np.clip(0.65 - 0.75 * lightness, 0, 1) * (1 + 0.55 * hatching)
    return np.dstack([np.round(255 * np.clip(0.97 * lines * shading, 0.08, 0.97)).astype(np.uint8)] * 3)


def strokes(drawing: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return `drawing`, dark on light, H×W×3 uint8, black on white at another size (width, height), H×W×3.

    What is ink is told at full size, so that fine lines of large drawings aren't lost.
    """
    lightness = cv2.cvtColor(drawing, cv2.COLOR_RGB2GRAY)
    ink = (lightness < (1 - INK) * np.percentile(lightness, PAPER)).astype(np.float32)
    shrinking = size[0] < drawing.shape[1]
    share = cv2.resize(ink, size, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    return np.dstack([np.where(share > (THIN if shrinking else 0.5), np.uint8(0), np.uint8(255))] * 3)


def grey(picture: np.ndarray) -> np.ndarray:
    """Return the lightness of `picture`, H×W×3 uint8, three times over."""
    lightness = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.dstack([lightness] * 3)


def masked(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return `picture`, H×W×3 uint8, with what is near carried on (Telea 2004) where `mask`, H×W, is above 127.

    The mask is the fourth channel.
    """
    hole = np.where(mask > 127, np.uint8(255), np.uint8(0))
    return np.dstack([cv2.inpaint(np.ascontiguousarray(picture), hole, 3, cv2.INPAINT_TELEA), hole])


def random_mask(side: int, rng: np.random.Generator) -> np.ndarray:
    """Return a mask, side×side uint8, of a rectangle or of a few broad strokes."""
    mask = np.zeros((side, side), np.uint8)
    if rng.uniform() < 0.5:
        height, width = rng.integers(side // 6, side // 2, 2)
        top, left = rng.integers(side - height), rng.integers(side - width)
        mask[top : top + height, left : left + width] = 255
        return mask
    for _ in range(rng.integers(1, 4)):
        points = rng.integers(0, side, (rng.integers(2, 5), 1, 2)).astype(np.int32)
        cv2.polylines(mask, [points], False, 255, int(rng.integers(side // 16, side // 7)))
    return mask
