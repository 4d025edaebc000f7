"""The main colours of a picture."""

import cv2
import numpy as np

SAMPLE = 200_000  # pixels that are looked at


def main_colours(picture: np.ndarray, count: int = 5) -> np.ndarray:
    """Return the `count` main colours, count×3 uint8, of H×W×3 uint8 by k-means, the commonest first.

    A picture of fewer pixels has as many colours as pixels.
    """
    pixels = picture.reshape(-1, 3)
    pixels = pixels[:: max(1, len(pixels) // SAMPLE)].astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.5)
    cv2.setRNGSeed(0)
    _, labels, centres = cv2.kmeans(pixels, min(count, len(pixels)), None, stop, 3, cv2.KMEANS_PP_CENTERS)
    commonest = np.argsort(-np.bincount(labels.ravel(), minlength=len(centres)), kind="stable")
    return np.rint(centres[commonest]).astype(np.uint8)


def nearest_colours(picture: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return `picture`, H×W×3 uint8, with each colour replaced by the nearest of N×3 `colours`."""
    distances = np.stack([np.square(picture - colour.astype(np.float32)).sum(-1) for colour in colours])
    return colours[distances.argmin(0)]
