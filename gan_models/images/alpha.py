"""Transparency, carried round networks that know only colours."""

import cv2
import numpy as np


def split_alpha(image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the colours, H×W×3, and the alpha, H×W, or None where `image`, uint8, has none.

    Under fully transparent pixels files hold arbitrary colours, which a network would smear over the edge: they
    are replaced by those of the nearest visible pixels.
    """
    if image.shape[2] == 3:
        return image, None
    colour, alpha = image[:, :, :3].copy(), image[:, :, 3].copy()
    hidden = alpha == 0
    if hidden.any() and not hidden.all():
        _, labels = cv2.distanceTransformWithLabels(
            hidden.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        nearest = np.zeros((labels.max() + 1, 3), np.uint8)
        nearest[labels[~hidden]] = colour[~hidden]
        colour[hidden] = nearest[labels[hidden]]
    return colour, alpha


def join_alpha(colour: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """Return `colour`, H×W×3, with `alpha`, of any size, put back: H×W×4, or `colour` itself if there is none."""
    if alpha is None:
        return colour
    height, width = colour.shape[:2]
    if alpha.shape != (height, width):
        shrinking = height < alpha.shape[0] or width < alpha.shape[1]
        method = cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
        alpha = cv2.resize(alpha, (width, height), interpolation=method)
    return np.dstack([colour, alpha])


def flatten(image: np.ndarray) -> np.ndarray:
    """Return `image`, H×W×3 or 4, uint8, as it looks on white paper: H×W×3."""
    if image.shape[2] == 3:
        return image
    alpha = image[:, :, 3:].astype(np.float32) / 255
    return np.rint(image[:, :, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def bright(picture: np.ndarray) -> np.ndarray:
    """Return where `picture`, H×W×3 or 4 uint8, is bright and opaque, H×W bool: what a mask means."""
    opaque = picture.shape[2] == 3 or picture[:, :, 3] > 127
    return (picture[:, :, :3].max(-1) > 127) & opaque
