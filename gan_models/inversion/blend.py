"""What an inversion gives back to the picture that it was made for: colours, or what fills a hole."""

import cv2
import numpy as np

from gan_models.inversion.measurements import LUMA

SEAM = 0.02  # of the picture's side: how wide the seam is feathered


def coloured(face: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return `face`, S×S×3 uint8, with its own grey values and the colours of another picture, of any size.

    Colours are the differences from OpenCV's grey value, which is what the inversion saw; so, but for what is
    clipped, turning the result grey gives what was given.
    """
    side = face.shape[0]
    large = cv2.resize(colours, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    tint = large - large @ np.float32(LUMA)[:, None]
    return np.rint((face @ np.float32(LUMA)[:, None] + tint).clip(0, 255)).astype(np.uint8)


def filled(face: np.ndarray, hole: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return `face`, S×S×3 uint8, with `drawn`, of any size, where `hole`, S×S bool, is true.

    Pixels outside are the picture's own; inside, what is drawn fades in from the border over a fiftieth of the side.
    """
    side = face.shape[0]
    large = cv2.resize(drawn, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    depth = cv2.distanceTransform(np.pad(hole.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    around = cv2.inpaint(face, hole.astype(np.uint8), 3, cv2.INPAINT_TELEA).astype(np.float32)
    share = np.clip(depth / max(1.0, SEAM * side), 0, 1)[:, :, None]
    mixed = np.where(hole[:, :, None], (1 - share) * around + share * large, face)
    return np.rint(mixed.clip(0, 255)).astype(np.uint8)


def checked_hole(mask: np.ndarray | None, face: np.ndarray) -> np.ndarray:
    """Return `mask`, S×S bool.

    Raises:
        ValueError: There is none, it is of another size than the face, empty or full.
    """
    if mask is None or mask.shape != face.shape[:2]:
        raise ValueError("Inpainting takes a mask of the picture's own size.")
    if not mask.any():
        raise ValueError("The mask is empty: mark what should be painted anew.")
    if mask.all():
        raise ValueError("The mask covers the whole face: leave something of it to go by.")
    return mask
