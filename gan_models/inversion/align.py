"""From a photo to the square that a model of faces takes."""

from dataclasses import dataclass

import numpy as np

from gan_models import checkpoints
from gan_models.checkpoints import hub, registry
from gan_models.images.faces import CROPS, cut, cut_middle, find_faces, natural_side

FRAMINGS = ("face", "middle")
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


def framed(
    picture: np.ndarray, model: str, *, framing: str = "face", face: int = 1, mask: np.ndarray | None = None
) -> Framed:
    """Return a face of `picture`, H×W×3 uint8, upright and cut as the training set of `model` was.

    The square has as many pixels as the face in the photo, between the model's resolution (or 64) and 1024.

    Args:
        picture: The photo.
        model: A registered model of the task "faces".
        framing: "face" looks for faces; "middle" takes the picture's middle square as it is.
        face: Which face, from 1, the largest.
        mask: H×W bool, cut likewise.

    Raises:
        ValueError: There is no face, or not so many; the mask has another size; no such framing.
    """
    if framing not in FRAMINGS:
        raise ValueError(f"The framing must be one of {', '.join(FRAMINGS)}, not “{framing}”.")
    if mask is not None and mask.shape != picture.shape[:2]:
        height, width = picture.shape[:2]
        raise ValueError(f"The mask must have the picture's own size, {width} × {height} pixels.")
    masks = None if mask is None else np.repeat(mask[:, :, None], 3, 2).astype(np.uint8) * 255
    if framing == "middle":
        side = int(np.clip(min(picture.shape[:2]), 64, LARGEST))
        square, hole = cut_middle(picture, side), None if masks is None else cut_middle(masks, side)
        return Framed(square, _hole(hole), None, None)
    known = hub.ready(registry.get(DETECTOR))
    faces = find_faces(picture, checkpoints.load(DETECTOR, "cpu") if known else None)
    if not faces:
        raise ValueError(
            "No face was found in this picture; to go on with its middle square, set the framing to middle."
        )
    if isinstance(face, bool) or not isinstance(face, int) or not 1 <= face <= len(faces):
        count = "one face" if len(faces) == 1 else f"{len(faces)} faces"
        raise ValueError(f"There is no face {face} here: {count} found, counted from 1, the largest.")
    crop = CROPS[registry.get(model, task="faces").crop or "ffhq"]
    side = int(np.clip(natural_side(faces[face - 1], crop), 64, LARGEST))
    square = cut(picture, faces[face - 1], crop, side)
    hole = None if masks is None else cut(masks, faces[face - 1], crop, side)
    return Framed(square, _hole(hole), len(faces), "YuNet" if known else "Haar cascades")


def _hole(mask: np.ndarray | None) -> np.ndarray | None:
    return None if mask is None else mask[:, :, 0] > 127
