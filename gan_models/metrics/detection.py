"""The detection score: whether a detector finds in a restored picture what it finds in the sharp one."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from gan_models.metrics.checks import require_alike

OVERLAP = 0.5
CASCADE = "haarcascade_frontalface_default.xml"
SMALLEST = 24  # pixels of the narrowest face that is looked for
CONFIDENT = 0.7  # of YuNet


class DetectionScore(NamedTuple):
    """How well detections agree; a share of nothing is 0.

    Attributes:
        precision: Of what is found, the share that is right.
        recall: Of what is to be found, the share that is found.
        f1: Their harmonic mean.
        found: How many are found.
        wanted: How many are to be found.
    """

    precision: float
    recall: float
    f1: float
    found: int
    wanted: int


def detection_score(found: Iterable[np.ndarray], wanted: Iterable[np.ndarray]) -> DetectionScore:
    """Compare boxes, K×4 for each picture of a set, with those that are right.

    A box is left, top, right and bottom in pixels. Those that overlap most are matched first, each with one other at
    most, as long as they share half of what they cover together. Counts are added up over the pictures. With a
    detector's boxes in restored and in sharp pictures it is the score of Kupyn et al. 2018, section 6.3.

    Raises:
        ValueError: The sets differ in length, or a box is none.
    """
    pairs = [(checked(a), checked(b)) for a, b in zip(found, wanted, strict=True)]
    matched = sum(matches(a, b) for a, b in pairs)
    of_found, of_wanted = sum(len(a) for a, _ in pairs), sum(len(b) for _, b in pairs)
    return DetectionScore(
        precision=matched / of_found if of_found else 0.0,
        recall=matched / of_wanted if of_wanted else 0.0,
        f1=2 * matched / (of_found + of_wanted) if matched else 0.0,
        found=of_found,
        wanted=of_wanted,
    )


def matches(a: np.ndarray, b: np.ndarray) -> int:
    """Return how many of the boxes `a`, K×4, find one of their own among `b`, L×4."""
    shared = overlaps(a, b)
    count = 0
    while shared.size and shared.max() >= OVERLAP:
        row, column = np.unravel_index(shared.argmax(), shared.shape)
        shared[row], shared[:, column] = 0, 0
        count += 1
    return count


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return K×L: what each of K boxes shares with each of L, as a share of what both cover."""
    starts, ends = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (ends - starts).clip(0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (a, b)]
    return shared / (areas[0][:, None] + areas[1][None] - shared)


def checked(boxes: np.ndarray) -> np.ndarray:
    """Return boxes in float64, K×4.

    Raises:
        ValueError: A box has no area.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if not (boxes[:, 2:] > boxes[:, :2]).all():
        raise ValueError("A box goes from the left to the right and from the top to the bottom.")
    return boxes


def face_detection(restored: np.ndarray, sharp: np.ndarray) -> DetectionScore:
    """Return how well the faces in `restored` agree with those in `sharp`, uint8 H×W×3 of one size.

    Raises:
        ValueError: The pictures differ in shape, or are not uint8 H×W×3.
    """
    require_alike(restored, sharp)
    return detection_score([find_face_boxes(restored)], [find_face_boxes(sharp)])


def face_detector() -> str:
    """Return the name of the detector that `find_face_boxes` takes: YuNet if its file is here, else the cascade."""
    from gan_models.checkpoints import hub, registry  # bring the Hub's client

    return "yunet" if hub.ready(registry.get("yunet")) else "haar-cascades"


def find_face_boxes(picture: np.ndarray) -> np.ndarray:
    """Return the boxes of faces in a uint8 picture, H×W×3, as K×4: left, top, right and bottom in pixels.

    By YuNet (Wu et al. 2023) if its file is on this machine, else by OpenCV's cascade for faces from the front (Viola
    and Jones 2001).

    Raises:
        ValueError: The picture is not H×W×3.
    """
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError("Faces are found in pictures H×W×3.")
    if face_detector() == "yunet":
        corners = _by_yunet(picture)
    else:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        corners = _cascade().detectMultiScale(grey, 1.1, 5, minSize=(SMALLEST, SMALLEST))
    boxes = np.asarray(corners, np.float64).reshape(-1, 4)
    return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def _by_yunet(picture: np.ndarray) -> np.ndarray:
    from gan_models import checkpoints

    height, width = picture.shape[:2]
    detector = cv2.FaceDetectorYN.create(str(checkpoints.load("yunet", "cpu")), "", (width, height), CONFIDENT)
    _, rows = detector.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return np.empty((0, 4)) if rows is None else rows[:, :4]


@cache
def _cascade() -> "cv2.CascadeClassifier":
    return cv2.CascadeClassifier(str(Path(cv2.data.haarcascades, CASCADE)))
