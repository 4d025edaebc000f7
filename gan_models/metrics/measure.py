"""How near a picture comes to another of the same size, by several measures at once."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gan_models.images import flatten
from gan_models.images.checks import require_picture
from gan_models.jobs import Step, check_wanted, finish
from gan_models.metrics.ciede2000 import ciede2000
from gan_models.metrics.lpips import LARGEST, lpips, lpips_ready
from gan_models.metrics.lpips import SMALLEST as LEAST_FOR_LPIPS
from gan_models.metrics.ms_ssim import SMALLEST as LEAST_FOR_MS_SSIM
from gan_models.metrics.ms_ssim import ms_ssim
from gan_models.metrics.mse import mse
from gan_models.metrics.ssim import WINDOW, ssim

BAND = 500_000  # pixels that are measured at once: whole ones would fill the memory


def measure(image: np.ndarray, reference: np.ndarray, names: Sequence[str] | None = None) -> dict[str, float]:
    """Return how near `image` comes to `reference`, both H×W×3 or 4 uint8 of one size.

    Values by the names "psnr" in dB, infinite for equal pictures; "ssim"; "ms_ssim"; "mse" in squared levels; and
    "ciede2000", the mean difference of the colours; and "lpips", if its weights are on this machine. Each is as the
    function of that name has it. Left out are SSIM under 11 pixels a side, MS-SSIM under 176, and LPIPS under 16 or
    over four megapixels. Alpha is laid on white.

    Args:
        image: A picture.
        reference: What it should be.
        names: Those that are wanted; None for all.

    Raises:
        ValueError: One is no picture, or they differ in size.
    """
    return finish(steps(image, reference, names))


def steps(image: np.ndarray, reference: np.ndarray, names: Sequence[str] | None = None) -> Iterator[Step]:
    """Do as `measure` step by step; the last step's result are the values."""
    a, b = alike(image, reference)
    wanted = names or list(MEASURES)
    found = {}
    for index, name in enumerate(wanted):
        yield Step(index, len(wanted), message=f"Measuring {name.upper().replace('_', '-')}")
        possible, function = MEASURES[name]
        if possible(*a.shape[:2]):
            found[name] = function(a, b)
    yield Step(len(wanted), len(wanted), result=found)


def alike(image: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both pictures as H×W×3, on white.

    Raises:
        ValueError: One is no picture, or they differ in size.
    """
    for picture in (image, reference):
        require_picture(picture)
    require_size(reference, *image.shape[:2])
    return flatten(image), flatten(reference)


def require_size(reference: np.ndarray, height: int, width: int) -> None:
    """Do nothing if `reference`, H×W×C, has the size of what it is compared with.

    Raises:
        ValueError: It has another.
    """
    if reference.shape[:2] != (height, width):
        size = f"{reference.shape[1]}×{reference.shape[0]}"
        raise ValueError(f"The reference has {size} pixels, and what is compared with it {width}×{height}.")


def over_bands(function: Callable, a: np.ndarray, b: np.ndarray, overlap: int = 0) -> float:
    """Return what `function`, a mean over places, is of two pictures H×W×C, found band by band.

    `overlap` is by how many rows the pictures are higher than the map of places.
    """
    height, width = a.shape[:2]
    rows, total = max(1, BAND // width), 0.0
    for top in range(0, height - overlap, rows):
        check_wanted()
        bottom = min(top + rows + overlap, height)
        total += function(a[top:bottom], b[top:bottom]) * (bottom - overlap - top)
    return total / (height - overlap)


def _always(height: int, width: int) -> bool:
    return True


def _fits_lpips(height: int, width: int) -> bool:
    return min(height, width) >= LEAST_FOR_LPIPS and height * width <= LARGEST and lpips_ready()


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = over_bands(mse, a, b)
    return 10 * math.log10(255**2 / error) if error else math.inf


def _ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean([ms_ssim(a[:, :, channel], b[:, :, channel]) for channel in range(3)]))


MEASURES: dict[str, tuple[Callable, Callable]] = {  # whether height and width are such as it needs, and the function
    "psnr": (_always, _psnr),
    "ssim": (lambda *size: min(size) >= WINDOW, lambda a, b: over_bands(ssim, a, b, WINDOW - 1)),
    "ms_ssim": (lambda *size: min(size) >= LEAST_FOR_MS_SSIM, _ms_ssim),
    "mse": (_always, lambda a, b: over_bands(mse, a, b)),
    "ciede2000": (_always, lambda a, b: over_bands(ciede2000, a, b)),
    "lpips": (_fits_lpips, lpips),
}
