"""The pictures that translation learns from: pairs for pix2pix, two sets for CycleGAN."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import cv2
import numpy as np
import torch

from gan_models.images.facades import nearest_labels
from gan_models.images.squares import middle, squared
from gan_models.images.tensors import to_image, to_tensor
from gan_models.metrics import psnr
from gan_models.training.datasets import Pictures, squares
from gan_models.training.loop import Network
from gan_models.translation import inputs

HELD_OUT = 16
JITTER = 286 / 256  # by which pictures are larger than what is cut from them (Isola et al. 2017, section 6.2)


@dataclass(frozen=True)
class Task:
    """A kind of pairs.

    Attributes:
        side: Of the pictures, in pixels.
        input_nc: Channels of the input.
        load: From a folder and a side to pictures that `pair` takes.
        pair: From one of these and a random generator to input and target, side×side uint8.
        cut: From one of these, a side and a random generator to a square of it.
    """

    side: int
    input_nc: int
    load: Callable[[Path, int], Pictures]
    pair: Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]
    cut: Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def _facades(folder: Path, side: int) -> Pictures:
    """Return photo and labels of each picture, which shows them side by side, as side×side×6."""
    return Pictures(folder, partial(_photo_and_labels, side=side))


def _photo_and_labels(picture: np.ndarray, side: int) -> np.ndarray:
    half = picture.shape[1] // 2
    photo = cv2.resize(picture[:, :half], (side, side), interpolation=cv2.INTER_AREA)
    labels = cv2.resize(nearest_labels(picture[:, half:]), (side, side), interpolation=cv2.INTER_NEAREST)
    return np.dstack([photo, labels])


def _facade_pair(both: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return both[:, :, 3:], both[:, :, :3]


def _edge_pair(photo: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    low = rng.uniform(40, 90)  # drawings have few lines or many, fine ones or broad
    return inputs.line_drawing(photo, low, rng.uniform(1.5, 3) * low, int(rng.integers(1, 3))), photo


def _grey_pair(photo: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return inputs.grey(photo), photo


def _hole_pair(photo: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return inputs.masked(photo, inputs.random_mask(len(photo), rng)), photo


def _whole(folder: Path, side: int) -> Pictures:
    """Return pictures at their own size, of which squares at any scale are cut."""
    return Pictures(folder)


def cut(picture: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Return a square from a random place of `picture`, mirrored at random."""
    top, left = (rng.integers(length - side + 1) for length in picture.shape[:2])
    square = picture[top : top + side, left : left + side]
    return np.ascontiguousarray(square[:, ::-1] if rng.integers(2) else square)


def cut_at_any_scale(picture: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Return a square of any size, from `side` to the largest, at the size `side`; smaller pictures are enlarged."""
    largest = min(picture.shape[:2])
    square = cut(picture, int(rng.integers(min(side, largest), largest + 1)), rng)
    return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)


TASKS = {
    "facades": Task(256, 3, _facades, _facade_pair, cut),
    "edges": Task(128, 3, squares, _edge_pair, cut),
    "grey": Task(64, 3, squares, _grey_pair, cut),
    "masked": Task(128, 4, _whole, _hole_pair, cut_at_any_scale),
}


def two_folders(folder: Path, side: int) -> tuple[Pictures, Pictures]:
    """Return the pictures of `folder`/trainA and of `folder`/trainB, side×side."""
    return squares(folder / "trainA", side), squares(folder / "trainB", side)


def photos_and_drawings(folder: Path, side: int) -> tuple[Pictures, Pictures]:
    """Return every second photo of `folder`, and pencil drawings of the others, side×side."""
    photos = squares(folder, side)
    return photos.some(slice(None, None, 2)), Pictures(photos.paths[1::2], partial(_drawing, side=side))


def _drawing(picture: np.ndarray, side: int) -> np.ndarray:
    photo = squared(picture, side)
    return inputs.pencil_drawing(photo, np.random.default_rng(zlib.crc32(photo.tobytes())))  # always the same


SETS = {"folders": two_folders, "drawings": photos_and_drawings}


class TwoSets:
    """Pictures of two kinds, cut from random places of slightly larger ones and mirrored at random.

    Args:
        folder: Of pictures.
        task: One of `SETS`, by which there are two kinds.
        side: Of the pictures.
        held_out: How many pictures of the first kind are kept for validation.

    Raises:
        ValueError: There are too few pictures of a kind.
    """

    def __init__(self, folder: Path, task: str, side: int, held_out: int = HELD_OUT):
        self.side = side
        a, b = SETS[task](folder, round(side * JITTER))
        if min(len(a), len(b)) <= held_out:
            raise ValueError(f"Training takes more than {held_out} pictures of each of two kinds.")
        self.sets, self.others = (a.some(slice(held_out, None)), b), a.some(slice(held_out))

    @cached_property
    def held_out(self) -> list[np.ndarray]:
        """The pictures that are held out."""
        return [middle(picture, self.side) for picture in self.others]

    def batch(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` pictures of either kind, N×3×side×side in [-1, 1]."""
        cuts = ([cut(drawn(pictures, rng), self.side, rng) for _ in range(count)] for pictures in self.sets)
        a, b = (torch.cat([to_tensor(picture) for picture in pictures]) for pictures in cuts)
        return 2 * a - 1, 2 * b - 1

    @torch.inference_mode()
    def validate(self, a_to_b: Network, b_to_a: Network) -> float:
        """Return the mean PSNR in dB of held-out pictures of A that went to B and back."""
        again = [to_image((b_to_a(a_to_b(2 * to_tensor(picture) - 1)) + 1) / 2) for picture in self.held_out]
        return float(np.mean([psnr(back, picture) for back, picture in zip(again, self.held_out, strict=True)]))


def drawn(pictures: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Return one of `pictures`."""
    return pictures[rng.integers(len(pictures))]


class Pairs:
    """Pairs of a task, cut from a random place of a slightly larger picture and mirrored at random.

    Args:
        folder: Of pictures.
        task: What they are pairs of.
        side: Of the pairs.
        held_out: How many pictures are kept for validation.

    Raises:
        ValueError: There are too few pictures.
    """

    def __init__(self, folder: Path, task: Task, side: int, held_out: int = HELD_OUT):
        self.task, self.side = task, side
        pictures = task.load(folder, round(side * JITTER))
        if len(pictures) <= held_out:
            raise ValueError(f"Training takes more than {held_out} pictures; {folder} has {len(pictures)}.")
        order = np.random.default_rng(0).permutation(len(pictures))
        self.pictures, self.others = pictures.some(order[:-held_out]), pictures.some(order[-held_out:])

    @cached_property
    def held_out(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Inputs and targets of the pictures that are held out."""
        rng = np.random.default_rng(1)
        return [self.task.pair(middle(picture, self.side), rng) for picture in self.others]

    def batch(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` inputs and targets, N×C×side×side in [-1, 1]."""
        squares = (self.task.cut(drawn(self.pictures, rng), self.side, rng) for _ in range(count))
        pairs = [self.task.pair(square, rng) for square in squares]
        given, photos = (torch.cat([to_tensor(part) for part in parts]) for parts in zip(*pairs, strict=True))
        return 2 * given - 1, 2 * photos - 1

    @torch.inference_mode()
    def validate(self, network: Network) -> float:
        """Return the mean PSNR in dB on the held-out pictures."""
        values = []
        for given, photo in self.held_out:
            made = network(2 * to_tensor(given) - 1)
            values.append(psnr(to_image((made + 1) / 2), photo))
        return float(np.mean(values))
