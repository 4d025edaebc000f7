"""Faces in photos: where they are, and the upright square that a model of faces was trained on.

Landmarks come from YuNet (Wu et al. 2023) where its file is given, else from OpenCV's Haar cascades (Viola and Jones
2001), which see upright faces from the front. The square is FFHQ's (Karras et al. 2019, appendix C): turned with the
eyes, as large as the distances between eyes and mouth say.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

SEARCHED = 1024  # pixels of the longer side of the picture that is searched
SMALLEST = 24  # pixels of the narrowest face that is found
FACE = 256  # pixels that a face is enlarged or shrunk to before its eyes and mouth are looked for
TURNS = (0, 30, -30)  # degrees by which the picture is turned until cascades find a face
LEFT_EYE, RIGHT_EYE, MOUTH = (0.304, 0.388), (0.694, 0.388), (0.5, 0.814)  # means, in units of a cascade's square
UTK_IN_CASCADE = (-0.023, -0.105, 1.027)  # where cascades see UTKFace's faces: left, top and side, in units of theirs
EYES_TO_MOUTH = 1.09  # mean distance, in units of that between the eyes
CONFIDENT = 0.7  # of YuNet


@dataclass(frozen=True)
class Face:
    """A face: points in pixels (x, y) of the picture.

    Attributes:
        left_eye: The middle of the eye on the picture's left.
        right_eye: The same of the other one.
        mouth: The middle of the mouth.
    """

    left_eye: np.ndarray
    right_eye: np.ndarray
    mouth: np.ndarray

    @property
    def size(self) -> float:
        """The distance between the eyes plus that to the mouth, in pixels."""
        eyes = (self.left_eye + self.right_eye) / 2
        return float(np.linalg.norm(self.right_eye - self.left_eye) + np.linalg.norm(self.mouth - eyes))


@dataclass(frozen=True)
class Crop:
    """The square that the faces of a training set are cut to.

    Attributes:
        eyes: Half its side, in units of the distance between the eyes; of this and the next, the larger counts.
        mouth: Half its side, in units of the distance from between the eyes to the mouth.
        shift: How far its middle is from between the eyes to the mouth, in units of that distance.
    """

    eyes: float
    mouth: float
    shift: float


CROPS = {
    "ffhq": Crop(2.0, 1.8, 0.1),
    # Means over UTKFace: eyes at (37, 37.5) and (88, 37.5), mouth at (63, 93.5) of 128 pixels.
    "utkface": Crop(1.25, 1.14, 0.47),
}


def find_faces(picture: np.ndarray, yunet: Path | None = None) -> list[Face]:
    """Return the faces in `picture`, H×W×3 uint8, the largest first.

    Args:
        picture: The photo.
        yunet: YuNet's ONNX file; without it, Haar cascades look for faces, also in the picture turned by 30 degrees.
    """
    scale = min(1.0, SEARCHED / max(picture.shape[:2]))
    small = picture
    if scale < 1:
        size = [max(1, round(length * scale)) for length in picture.shape[1::-1]]
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    faces = _by_yunet(small, yunet) if yunet else _by_cascades(small)
    factors = np.array(picture.shape[1::-1]) / small.shape[1::-1]
    faces = [Face(*((point + 0.5) * factors - 0.5 for point in points)) for points in faces]
    return sorted(faces, key=lambda face: face.size, reverse=True)


def cut(picture: np.ndarray, face: Face, crop: Crop, side: int) -> np.ndarray:
    """Return the square of `face`, side×side×3 uint8; beyond the border, `picture` is reflected.

    It is drawn at the photo's own scale and then shrunk by averaging, so that nothing aliases.
    """
    middle, across = _square(face, crop)
    drawn = side * max(1, round(2 * np.hypot(*across) / side))
    drawn = drawn if drawn <= 4096 else side
    down = np.array([-across[1], across[0]])
    corners = np.float32([middle - across - down, middle + across - down, middle - across + down])
    targets = np.float32([[0, 0], [drawn, 0], [0, drawn]])
    transform = cv2.getAffineTransform(corners + 0.5, targets)  # between corners, not middles, of pixels
    transform[:, 2] += transform[:, :2] @ [0.5, 0.5] - 0.5
    options = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REFLECT}
    square = cv2.warpAffine(picture, transform, (drawn, drawn), **options)
    return square if drawn == side else cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)


def cut_middle(picture: np.ndarray, side: int) -> np.ndarray:
    """Return the middle square of `picture`, side×side×3 uint8, for pictures that are faces already."""
    length = min(picture.shape[:2])
    top, left = ((size - length) // 2 for size in picture.shape[:2])
    square = picture[top : top + length, left : left + length]
    return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA if length > side else cv2.INTER_CUBIC)


def measured(square: np.ndarray) -> Face | None:
    """Return eyes and mouth in a face that is cut as UTKFace's are, or None where cascades don't see all three."""
    side = square.shape[0]
    x, y, size = (round(side * share) for share in UTK_IN_CASCADE)
    framed = cv2.copyMakeBorder(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY), *[size // 4] * 4, cv2.BORDER_REFLECT)
    left, top = size // 4 + x, size // 4 + y
    face = cv2.resize(framed[top : top + size, left : left + size], (FACE, FACE), interpolation=cv2.INTER_CUBIC)
    points = _points(face, guess=False)
    return points and Face(*(np.array(point) * size / FACE + [x, y] for point in points))


def natural_side(face: Face, crop: Crop) -> int:
    """Return the side of the square of `face` in pixels of the photo."""
    return round(2 * float(np.hypot(*_square(face, crop)[1])))


def _square(face: Face, crop: Crop) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle of the square, and the way from it to the middle of its right side."""
    eyes = (face.left_eye + face.right_eye) / 2
    between, to_mouth = face.right_eye - face.left_eye, face.mouth - eyes
    across = between + np.array([to_mouth[1], -to_mouth[0]])
    half = max(crop.eyes * np.hypot(*between), crop.mouth * np.hypot(*to_mouth))
    return eyes + crop.shift * to_mouth, across / np.hypot(*across) * half


def _by_yunet(picture: np.ndarray, file: Path) -> list[tuple[np.ndarray, ...]]:
    height, width = picture.shape[:2]
    detector = cv2.FaceDetectorYN.create(str(file), "", (width, height), CONFIDENT)
    _, rows = detector.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    found = []
    for row in [] if rows is None else rows:  # box, right and left eye, nose, corners of the mouth, confidence
        eye, other, _, corner, other_corner = row[4:14].reshape(5, 2).astype(float)
        left, right = sorted((eye, other), key=lambda point: point[0])
        found.append((left, right, (corner + other_corner) / 2))
    return found


@cache
def _cascade(name: str) -> "cv2.CascadeClassifier":
    return cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_{name}.xml")


def _by_cascades(picture: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """Look for faces in the picture, and where there are none, in the picture turned a little."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    for degrees in TURNS:
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        found = _upright_faces(cv2.warpAffine(grey, turn, (width, height)) if degrees else grey)
        if found:
            back = cv2.invertAffineTransform(turn)
            return [tuple(back @ [*point, 1] for point in points) for points in found]
    return []


def _upright_faces(grey: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    found = []
    border = max(grey.shape) // 8  # faces that fill the picture
    framed = cv2.copyMakeBorder(grey, border, border, border, border, cv2.BORDER_REFLECT)
    boxes = _cascade("frontalface_alt2").detectMultiScale(framed, 1.1, 4, minSize=(SMALLEST, SMALLEST))
    for x, y, side, _ in boxes:
        face = cv2.resize(framed[y : y + side, x : x + side], (FACE, FACE), interpolation=cv2.INTER_AREA)
        points = _points(face)
        if points:
            found.append(tuple(np.array(point) * side / FACE + [x - border, y - border] for point in points))
    return found


def _points(face: np.ndarray, guess: bool = True) -> tuple | None:
    """Return both eyes and the mouth in a square of FACE×FACE pixels, or None where it is hardly a face.

    With `guess`, one of the three may be out of sight, and is put where it is on average.
    """
    left, right = _eyes(face)
    means = (np.array(LEFT_EYE) * FACE, np.array(RIGHT_EYE) * FACE)
    guessed = [mean if eye is None else eye for eye, mean in zip((left, right), means, strict=True)]
    across = guessed[1] - guessed[0]
    expected = sum(guessed) / 2 + EYES_TO_MOUTH * np.array([-across[1], across[0]])
    mouth = _mouth(face, expected, 0.25 * np.hypot(*across))
    if sum(point is None for point in (left, right, mouth)) > int(guess):
        return None
    return *guessed, expected if mouth is None else mouth


def _eyes(face: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the eye in either half that is nearest to where it is on average."""
    upper, found = face[: int(0.62 * FACE)], [None, None]
    for name in ("eye_tree_eyeglasses", "eye"):
        boxes = _cascade(name).detectMultiScale(upper, 1.05, 3, minSize=(30, 30), maxSize=(90, 90))
        centres = [np.array([x + w / 2, y + h / 2]) for x, y, w, h in boxes]
        for half, mean in enumerate((LEFT_EYE, RIGHT_EYE)):
            there = [point for point in centres if (point[0] >= FACE / 2) == bool(half)]
            if found[half] is None and there:
                found[half] = _nearest(there, np.array(mean) * FACE)
        if found[0] is not None and found[1] is not None:
            break
    return tuple(found)


def _mouth(face: np.ndarray, expected: np.ndarray, reach: float) -> np.ndarray | None:
    """Return the mouth that is nearest to `expected`, if there is one within `reach` pixels."""
    top = int(0.55 * FACE)
    boxes = _cascade("smile").detectMultiScale(face[top:], 1.1, 12, minSize=(50, 25))
    near = [np.array([x + w / 2, top + y + h / 2]) for x, y, w, h in boxes]
    near = [mouth for mouth in near if np.hypot(*(mouth - expected)) < reach]
    return _nearest(near, expected) if near else None


def _nearest(points: list[np.ndarray], place: np.ndarray) -> np.ndarray:
    return min(points, key=lambda point: np.hypot(*(point - place)))
