"""Synthetic haze: the atmospheric scattering model (Koschmieder 1924; McCartney 1976) over made-up depths."""

import cv2
import numpy as np

CELLS = 6  # pixels of the coarsest noise
CLUSTERS = 6


def add_haze(image: np.ndarray, depth: np.ndarray, beta: float, airlight: np.ndarray) -> np.ndarray:
    """Return I = J·t + A·(1 - t) with t = e^(-βd).

    Args:
        image: J, H×W×3 uint8.
        depth: d, H×W, from 0.
        beta: Scattering coefficient, in units of 1/depth.
        airlight: A, three values in [0, 1].

    Raises:
        ValueError: `depth` has another size than the picture.
    """
    if depth.shape != image.shape[:2]:
        raise ValueError(f"The depth must have the picture's {image.shape[:2]} pixels, not {depth.shape}.")
    t = np.exp(-beta * depth.astype(np.float32))[:, :, None]
    hazy = image * t + np.asarray(airlight, np.float32) * 255 * (1 - t)
    return np.clip(np.rint(hazy), 0, 255).astype(np.uint8)


def random_haze(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return `image`, H×W×3 uint8, in haze of random depth, density and colour."""
    depth = random_depth(image, rng)
    beta = rng.uniform(0.3, 2.6)
    airlight = np.clip(rng.uniform(0.65, 1.0) + rng.normal(0, 0.03, 3), 0, 1)
    return add_haze(image, depth, beta, airlight)


def random_depth(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a depth for `image`, H×W×3 uint8, H×W float32 in [0.1, 1], as scenes might have it.

    A ground plane that recedes to a horizon, things that stand before it as one (regions of like colour), a slope
    or curve in any direction, and clouds of smooth noise, in random shares.
    """
    height, width = image.shape[:2]
    size = height, width
    parts = np.stack([_plane(*size, rng), _segments(image, rng), _slope(*size, rng), _noise(*size, rng)])
    shares = rng.dirichlet([1.2, 0.8, 0.6, 0.5]).astype(np.float32)
    depth = np.tensordot(shares, parts, 1)
    low, high = depth.min(), depth.max()
    unit = (depth - low) / max(high - low, 1e-6)
    nearest = rng.uniform(0.1, 0.7)
    return (nearest + (1 - nearest) * unit).astype(np.float32)


def _plane(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return the depth of a ground seen under a horizon: inverse to the distance below it, far above it."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    horizon = rng.uniform(-0.3, 0.5)
    tilt = rng.normal(0, 0.1)
    below = rows / height - horizon - tilt * (columns / width - 0.5)
    near = rng.uniform(0.03, 0.3)
    return near / np.maximum(below, near)


def _slope(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return a ramp in a random direction, bent by a random power."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * rows / height + np.sin(angle) * columns / width
    ramp = (ramp - ramp.min()) / max(np.ptp(ramp), 1e-6)
    return ramp ** np.float32(rng.uniform(0.5, 2))


def _segments(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random depth for each region of like colour, with edges that are a little soft."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (48, max(8, round(48 * height / width))), interpolation=cv2.INTER_AREA)
    rows, columns = np.mgrid[0 : small.shape[0], 0 : small.shape[1]].astype(np.float32)
    places = np.stack([rows, columns], 2) * 2.0
    points = np.concatenate([small.astype(np.float32), places], 2).reshape(-1, 5)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 8, 1.0)
    start = rng.integers(CLUSTERS, size=(len(points), 1)).astype(np.int32)
    _, labels, _ = cv2.kmeans(points, CLUSTERS, start, criteria, 1, cv2.KMEANS_USE_INITIAL_LABELS)
    depths = rng.uniform(0, 1, CLUSTERS).astype(np.float32)[labels].reshape(small.shape[:2])
    return cv2.GaussianBlur(cv2.resize(depths, (width, height)), (0, 0), width / 96)


def _noise(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return three octaves of smooth noise, in [0, 1]."""
    total = np.zeros((height, width), np.float32)
    for octave in range(3):
        cells = rng.uniform(0, 1, (CELLS * 2**octave, CELLS * 2**octave)).astype(np.float32)
        total += cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    return np.clip(total / 1.75, 0, 1)
