"""What a network gives back to the picture that it saw: colours, or what fills a hole."""

import cv2
import numpy as np

LUMA = (0.299, 0.587, 0.114)  # OpenCV's, of ITU-R BT.601
SEAM = 2  # pixels of what is drawn: how wide the seam is feathered
STRIP = 256  # rows that are worked on at a time
MARGIN = 8  # pixels round a hole from which its surroundings are carried on


def coloured(picture: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return `picture`, H×W×3 uint8, with its own grey values and the colours of another one, of any size.

    Colours are the differences from OpenCV's grey value, which is what the network saw; so, but for what is
    clipped, turning the result grey gives what was given.
    """
    large = cv2.resize(colours, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    result, luma = np.empty_like(picture), np.float32(LUMA)[:, None]
    for top in range(0, len(picture), STRIP):
        rows = slice(top, top + STRIP)
        tint = large[rows] - large[rows] @ luma
        result[rows] = np.rint((picture[rows] @ luma + tint).clip(0, 255))
    return result


def filled(picture: np.ndarray, hole: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return `picture`, H×W×3 uint8, with `drawn`, of any size, where `hole`, H×W bool, is true.

    Pixels outside are the picture's own; inside, what is drawn fades in from the border over two of its pixels, since
    what was enlarged fits there only so far.
    """
    large = cv2.resize(drawn, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    place = surroundings(hole, MARGIN)
    result, covered = picture.copy(), hole[place].astype(np.uint8)
    around = cv2.inpaint(np.ascontiguousarray(picture[place]), covered, 3, cv2.INPAINT_TELEA)
    share = np.clip(depth(hole)[place] * len(drawn) / len(picture) / SEAM, 0, 1)[:, :, None]
    mixed = (1 - share) * around + share * large[place]
    result[place] = np.where(covered[:, :, None] > 0, np.rint(mixed.clip(0, 255)), picture[place])
    return result


def depth(hole: np.ndarray) -> np.ndarray:
    """Return how far each pixel of `hole`, H×W bool, is from its border, which the picture's own is none of; H×W."""
    return cv2.distanceTransform(np.pad(hole.astype(np.uint8), 1, mode="edge"), cv2.DIST_L2, 5)[1:-1, 1:-1]


def surroundings(hole: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Return the rows and columns that `hole`, H×W bool, reaches, with `margin` more on each side."""
    left, top, width, height = cv2.boundingRect(hole.astype(np.uint8))
    return (
        slice(max(0, top - margin), top + height + margin),
        slice(max(0, left - margin), left + width + margin),
    )
