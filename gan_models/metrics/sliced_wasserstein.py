"""Sliced Wasserstein distance: how alike the details of two sets of pictures are, at each scale."""

from typing import NamedTuple

import cv2
import numpy as np

from gan_models.metrics.checks import shape_name

SMALLEST = 16  # pixels of the coarsest level's shorter side, at least
PATCH, PATCHES = 7, 128  # side of a descriptor in pixels, and how many are cut from a level of a picture
PROJECTIONS, AT_ONCE = 512, 64
STEADY = 1e-8  # keeps a channel that is all alike from being divided by zero


class SlicedWasserstein(NamedTuple):
    """Distances, 0 for equal sets; the paper shows them a thousandfold.

    Attributes:
        levels: By the shorter side of a level in pixels, from the finest on.
        average: Their mean.
    """

    levels: dict[int, float]
    average: float


def sliced_wasserstein(x: np.ndarray, y: np.ndarray, *, seed: int = 0) -> SlicedWasserstein:
    """Return the sliced Wasserstein distance between the patches of two sets of uint8 pictures, N×H×W×3 and M×H×W×3.

    Karras et al. 2018, section 5. Each picture becomes a Laplacian pyramid, halved down to 16 pixels. From each level
    come 128 descriptors of 7×7×3 values at random places, which are normalised for each set by the mean and the
    deviation of each channel. The distance is that of the values sorted along 512 random directions. The paper takes
    8,192 pictures; of fewer the distances are larger.

    Args:
        x: Pictures.
        y: Others of the same size; of the larger set, as many descriptors count as the smaller one has.
        seed: Of places, which are the same in both sets, and directions.

    Raises:
        ValueError: The sets are no pictures of one size of 16×16 pixels or more, or empty.
    """
    for pictures in (x, y):
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3 or not len(pictures):
            raise ValueError(f"A set of pictures is N×H×W×3 of 8 bits, not {shape_name(pictures)}.")
    if x.shape[1:] != y.shape[1:]:
        sizes = f"{shape_name(x[0])} and {shape_name(y[0])}"
        raise ValueError(f"The pictures of both sets must have one size, not {sizes}.")
    if min(x.shape[1:3]) < SMALLEST:
        raise ValueError(f"The pictures must have {SMALLEST}×{SMALLEST} pixels or more, not {shape_name(x[0])}.")
    a, b = (_descriptors(pictures, np.random.default_rng(seed)) for pictures in (x, y))
    rng = np.random.default_rng(seed)
    levels = {side: _distance(a[side], b[side], rng) for side in a}
    return SlicedWasserstein(levels, float(np.mean(list(levels.values()))))


def pyramid(picture: np.ndarray) -> list[np.ndarray]:
    """Return the Laplacian pyramid of a picture, H×W×3 float32, from the finest level on (Burt and Adelson 1983).

    The last level is what is left, smoothed and halved; enlarged and added up, the levels are the picture again.
    """
    levels = []
    while min(picture.shape[:2]) // 2 >= SMALLEST:
        smaller = cv2.pyrDown(picture)
        levels.append(picture - cv2.pyrUp(smaller, dstsize=picture.shape[1::-1]))
        picture = smaller
    return [*levels, picture]


def _descriptors(pictures: np.ndarray, rng: np.random.Generator) -> dict[int, np.ndarray]:
    """Return normalised descriptors, K×147 float32, by the shorter side of their level."""
    cut: dict[int, list[np.ndarray]] = {}
    for picture in pictures:
        for level in pyramid(picture.astype(np.float32)):
            windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), axis=(0, 1))
            rows, columns = (rng.integers(size, size=PATCHES) for size in windows.shape[:2])
            cut.setdefault(min(level.shape[:2]), []).append(windows[rows, columns])
    found = {}
    for side, parts in cut.items():
        patches = np.concatenate(parts)  # K×3×7×7
        mean, deviation = (f(axis=(0, 2, 3), keepdims=True, dtype=np.float64) for f in (patches.mean, patches.std))
        found[side] = ((patches - mean) / (deviation + STEADY)).reshape(len(patches), -1).astype(np.float32)
    return found


def _distance(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> float:
    """Return the mean, over random directions, of the distance between two sets K×D along each."""
    count = min(len(a), len(b))
    a, b = (x if len(x) == count else x[rng.permutation(len(x))[:count]] for x in (a, b))
    distances = []
    for _ in range(PROJECTIONS // AT_ONCE):
        directions = rng.normal(size=(a.shape[1], AT_ONCE))
        directions = (directions / np.linalg.norm(directions, axis=0)).astype(np.float32)
        along = [np.sort(x @ directions, axis=0) for x in (a, b)]
        distances.append(np.abs(along[0] - along[1]).mean())
    return float(np.mean(distances))
