"""What restoration networks learn to undo. Pure functions; randomness comes from the generator that is passed."""

import io
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image

SOFT, NOISY, CODED = 0.35, 0.5, 0.7  # shares of pictures that are blurred, noisy, coded as JPEG, each time
COARSE = 0.3  # share in which noise spans pixels, as where a camera or a program has resampled it


def crop_to_multiple(image: np.ndarray, factor: int) -> np.ndarray:
    """Return `image`, H×W×C, without the last rows and columns that make its size no multiple of `factor`."""
    height, width = (length - length % factor for length in image.shape[:2])
    return image[:height, :width]


def bicubic_downscale(image: np.ndarray, factor: int) -> np.ndarray:
    """Reduce `image`, H×W×C uint8 with H and W multiples of `factor`, as MATLAB's imresize does.

    Keys' cubic kernel (1981) with a = -1/2, widened by `factor` against aliasing, pictures mirrored at their edges:
    the convention behind the figures of the super-resolution literature.
    """
    return _resize(image, image.shape[0] // factor, image.shape[1] // factor)


def bicubic_upscale(image: np.ndarray, factor: int) -> np.ndarray:
    """Enlarge `image`, H×W×C uint8, `factor` times, as MATLAB's imresize does."""
    return _resize(image, image.shape[0] * factor, image.shape[1] * factor)


def gaussian_noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Return `image`, uint8, with independent normal noise of standard deviation `sigma` (of 255 levels)."""
    return _to_bytes(image + rng.normal(0, sigma, image.shape))


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Return `image`, H×W×3 uint8, after JPEG compression at `quality` from 1 to 95."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content)).copy()


def poor(image: np.ndarray, factor: int, rng: np.random.Generator) -> np.ndarray:
    """Return `image`, H×W×3 uint8 with sides that are multiples of `factor`, reduced to a poor photo at random.

    Blur, a change of size, noise and coding come twice, the first time where the picture still is larger (the second
    order of Wang et al. 2021, section 3.2); each time any of them may be left out.
    """
    height, width = (length // factor for length in image.shape[:2])
    between = rng.uniform(1, factor) if rng.uniform() < 0.5 else 1.0  # reduced at once, or in two steps
    first = _worse(_reduced(image, round(height * between), round(width * between)), rng, 0.6 * between)
    return _worse(_reduced(first, height, width), rng, 1.0)


def _reduced(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return image if image.shape[:2] == (height, width) else _resize(image, height, width)


def _worse(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Return `image` blurred, noisy and coded, each perhaps, with `strength` times the usual blur."""
    if rng.uniform() < SOFT:
        spread = rng.uniform(0.2, 1.2, 2) * strength  # along either axis
        image = cv2.GaussianBlur(image, (0, 0), spread[0], sigmaY=spread[1])
    if rng.uniform() < NOISY:
        noise = rng.standard_normal((*image.shape[:2], 3 if rng.uniform() < 0.6 else 1)) * rng.uniform(1, 15)
        if rng.uniform() < COARSE:
            noise = 1.5 * cv2.GaussianBlur(noise, (0, 0), 0.6).reshape(noise.shape)
        image = _to_bytes(image + noise)
    return jpeg(image, int(rng.integers(30, 96))) if rng.uniform() < CODED else image


def _resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    rows = _resize_first_axis(image, height)
    return _to_bytes(_resize_first_axis(rows.swapaxes(0, 1), width).swapaxes(0, 1))


def _resize_first_axis(image: np.ndarray, length: int) -> np.ndarray:
    """Return the weighted sums along the first axis, float64, tap by tap: all taps at once would fill the memory."""
    indices, weights = _contributions(image.shape[0], length)
    result = np.zeros((length, *image.shape[1:]))
    for index, weight in zip(indices.T, weights.T, strict=True):
        result += weight[:, None, None] * image[index]
    return result


@lru_cache(maxsize=256)
def _contributions(length: int, new_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each new pixel of one axis the indices of the old ones that count, and their weights."""
    scale = new_length / length
    widening = max(1, 1 / scale)
    centres = (np.arange(new_length) + 0.5) / scale - 0.5
    count = int(np.ceil(4 * widening)) + 1
    positions = np.floor(centres - 2 * widening).astype(int)[:, None] + np.arange(count + 1)
    weights = _cubic((centres[:, None] - positions) / widening)
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = np.mod(positions, 2 * length)
    return np.minimum(mirrored, 2 * length - 1 - mirrored), weights


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Return Keys' kernel with a = -1/2 (1981, equation 15)."""
    x = np.abs(distance)
    inner = 1.5 * x**3 - 2.5 * x**2 + 1
    outer = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, inner, np.where(x < 2, outer, 0))


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)
