"""From a photo to the square that a model of faces takes."""

from dataclasses import dataclass

import numpy as np

from gan_models import checkpoints
from gan_models.checkpoints import hub, registry
from gan_models.images import flatten
from gan_models.images.faces import CROPS, cut, cut_middle, find_faces, natural_side
from gan_models.inversion import AlignFace, ColorizeFace, InpaintFace, InvertFace, MeasureFace

LARGEST = 1024  # pixels of a square
DETECTOR = "yunet"


@dataclass(frozen=True)
class Framed:
    """A face as a model takes it.

    Attributes:
        square: S×S×3 uint8.
        mask: S×S bool, if a mask was given.
        found: How many faces there are in the photo; None if nobody looked.
        detector: What found them: "YuNet" or "Haar cascades"; None if nobody looked.
    """

    square: np.ndarray
    mask: np.ndarray | None
    found: int | None
    detector: str | None


def framed(ask: AlignFace | InvertFace | ColorizeFace | InpaintFace | MeasureFace) -> Framed:
    """Return the face of the photo, upright and cut as the training set of the model was.

    The square has as many pixels as the face in the photo, between 64 and 1024. A mask is cut likewise.

    Raises:
        ValueError: There is no face, or not so many; or the mask has another size.
    """
    picture, mask = flatten(ask.image), getattr(ask, "mask", None)
    if mask is not None and mask.shape != picture.shape[:2]:
        height, width = picture.shape[:2]
        raise ValueError(f"The mask must have the picture's own size, {width} × {height} pixels.")
    masks = None if mask is None else np.repeat(mask[:, :, None], 3, 2).astype(np.uint8) * 255
    if ask.framing == "middle":
        side = int(np.clip(min(picture.shape[:2]), 64, LARGEST))
        square, hole = cut_middle(picture, side), None if masks is None else cut_middle(masks, side)
        return Framed(square, _hole(hole), None, None)
    known = hub.ready(registry.get(DETECTOR))
    faces = find_faces(picture, checkpoints.load(DETECTOR, "cpu") if known else None)
    if not faces:
        raise ValueError(
            "No face was found in this picture; to go on with its middle square, set the framing to middle."
        )
    if ask.face > len(faces):
        count = "one face" if len(faces) == 1 else f"{len(faces)} faces"
        raise ValueError(f"There is no face {ask.face} here: {count} found, counted from 1, the largest.")
    crop = CROPS[registry.get(ask.model, task="faces").crop]
    found = faces[ask.face - 1]
    side = int(np.clip(natural_side(found, crop), 64, LARGEST))
    square = cut(picture, found, crop, side)
    hole = None if masks is None else cut(masks, found, crop, side)
    return Framed(square, _hole(hole), len(faces), "YuNet" if known else "Haar cascades")


def _hole(mask: np.ndarray | None) -> np.ndarray | None:
    return None if mask is None else mask[:, :, 0] > 127
