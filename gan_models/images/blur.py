"""Synthetic blur: camera shake, straight motion and defocus, in linear light."""

import cv2
import numpy as np

from gan_models.images.degradations import jpeg

STEPS = 200  # of a trajectory
GAMMA = 2.2
MOVING, NOISY, CODED = 0.2, 0.25, 0.3  # shares of pictures where a thing moves, with much noise, coded as JPEG
LONGEST = 25  # side of the largest kernel


def blurred(image: np.ndarray, kernel: np.ndarray, gamma: float = GAMMA) -> np.ndarray:
    """Return `image`, H×W×C uint8, convolved with `kernel`, K×K of sum 1, as a sensor adds light up.

    Values are raised to `gamma` before and brought back after; edges are mirrored.
    """
    light = (image.astype(np.float32) / 255) ** gamma
    mixed = cv2.filter2D(light, -1, kernel[::-1, ::-1].copy(), borderType=cv2.BORDER_REFLECT_101)
    return np.rint(np.clip(mixed, 0, 1) ** (1 / gamma) * 255).astype(np.uint8)


def random_blur(image: np.ndarray, rng: np.random.Generator, longest: int = LONGEST) -> np.ndarray:
    """Return `image`, H×W×3 uint8, shaken, moved or out of focus, in part or as a whole, with noise and coding.

    Args:
        image: A sharp picture.
        rng: What decides.
        longest: Side of the largest kernel, odd.
    """
    gamma = rng.uniform(1.6, 2.4)
    if rng.uniform() < MOVING:
        soft = partly_blurred(image, random_kernel(rng, longest), random_thing(image.shape[:2], rng), gamma)
    else:
        soft = blurred(image, random_kernel(rng, longest), gamma)
    noise = rng.standard_normal(soft.shape, np.float32)
    soft = soft + noise * rng.uniform(0, 6.0 if rng.uniform() < NOISY else 1.0)
    soft = np.clip(np.rint(soft), 0, 255).astype(np.uint8)
    return jpeg(soft, int(rng.integers(60, 96))) if rng.uniform() < CODED else soft


def random_kernel(rng: np.random.Generator, longest: int = LONGEST) -> np.ndarray:
    """Return a kernel of camera shake, of a steady motion or of defocus, K×K of sum 1, K at most `longest`, odd."""
    kind = rng.choice(["shake", "linear", "defocus"], p=[0.4, 0.4, 0.2])
    size = int(rng.integers(1, longest // 2 + 1)) * 2 + 1
    if kind == "shake":
        return kernel_of(random_trajectory(rng), size)
    if kind == "linear":
        return linear_kernel(rng.uniform(2, size), rng.uniform(0, np.pi), size)
    return defocus_kernel(rng.uniform(0.7, max(1, size / 4)))


def partly_blurred(image: np.ndarray, kernel: np.ndarray, where: np.ndarray, gamma: float = GAMMA) -> np.ndarray:
    """Return `image`, H×W×3 uint8, where what `where`, H×W bool, covers has moved before a ground that stands still.

    What moves covers the ground in part while it passes, so its share of each pixel is blurred as it is.
    """
    share = cv2.filter2D(where.astype(np.float32), -1, kernel[::-1, ::-1].copy(), borderType=cv2.BORDER_REFLECT_101)
    moved = ((blurred(image, kernel, gamma) / np.float32(255)) ** gamma) * share[:, :, None]
    still = ((image / np.float32(255)) ** gamma) * (1 - share[:, :, None])
    return np.rint(np.clip(moved + still, 0, 1) ** (1 / gamma) * 255).astype(np.uint8)


def random_thing(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return where a thing of a random round shape is in a picture of `size`, height and width, as bool."""
    height, width = size
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    reach = rng.uniform(0.15, 0.5, (12, 1)) * min(size)
    middle = rng.uniform(0.2, 0.8, 2) * (width, height)
    outline = middle + reach * np.stack([np.cos(angles), np.sin(angles)], 1)
    return cv2.fillPoly(np.zeros(size, np.uint8), [outline.astype(np.int32)], 1) > 0


def random_trajectory(rng: np.random.Generator, steps: int = STEPS) -> np.ndarray:
    """Return the path of a shaken camera, steps×2 float, around 0 (Boracchi and Foi 2012; Kupyn et al. 2018, alg. 1).

    A Markov process: velocity with inertia, pulled back to the start, with Gaussian jitter and, now and then, an
    impulsive shake that nearly reverses it.
    """
    pull = 0.7 * rng.uniform()
    impulse = 0.08 * rng.uniform()
    shake = 0.7 * rng.uniform() * (rng.uniform() < 0.5)
    direction = rng.uniform(0, 2 * np.pi)
    velocity = np.array([np.cos(direction), np.sin(direction)]) / steps
    path = np.zeros((steps, 2))
    for step in range(1, steps):
        if rng.uniform() < shake / steps * 5:
            turned = np.pi + rng.uniform(-0.5, 0.5)
            velocity = 2 * _rotated(velocity, turned)
        jitter = rng.normal(0, 1, 2) * impulse
        change = jitter - pull * path[step - 1]
        velocity = velocity + change / steps
        velocity = velocity / max(np.hypot(*velocity), 1e-9) / steps
        path[step] = path[step - 1] + velocity
    return path - path.mean(0)


def kernel_of(path: np.ndarray, size: int) -> np.ndarray:
    """Return the kernel, size×size of sum 1, that a path around 0, N×2, fills; `size` is odd."""
    reach = np.abs(path).max() or 1.0
    return _rasterised(path / reach * (size // 2 - 0.5), size)


def linear_kernel(length: float, angle: float, size: int) -> np.ndarray:
    """Return the kernel of a steady motion of `length` pixels at `angle` (radians, clockwise from the right).

    It is size×size, of sum 1; `size` is odd, and `length` at most as large.
    """
    along = np.linspace(-0.5, 0.5, STEPS)[:, None] * length
    return _rasterised(along * np.array([np.sin(angle), np.cos(angle)]), size)


def defocus_kernel(radius: float) -> np.ndarray:
    """Return the disc of `radius` pixels, with soft edges, of sum 1: what a lens out of focus makes of a point."""
    reach = int(np.ceil(radius))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(rows, columns), 0, 1)
    return (disc / disc.sum()).astype(np.float32)


def _rasterised(places: np.ndarray, size: int) -> np.ndarray:
    """Return size×size float32 of sum 1 of points, N×2 from the middle, each of which falls on four pixels."""
    kernel = np.zeros((size + 2, size + 2))  # with a margin that is cut off
    places = places + size // 2 + 1
    corner = np.floor(places).astype(int)
    part = places - corner
    for down in (0, 1):
        for right in (0, 1):
            weight = np.abs(1 - down - part[:, 0]) * np.abs(1 - right - part[:, 1])
            np.add.at(kernel, (corner[:, 0] + down, corner[:, 1] + right), weight)
    kernel = kernel[1:-1, 1:-1]
    return (kernel / kernel.sum()).astype(np.float32)


def _rotated(vector: np.ndarray, angle: float) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([cosine * vector[0] - sine * vector[1], sine * vector[0] + cosine * vector[1]])
