"""Make the examples of the dehazing, deblurring and inversion tabs: `python -m examples.degrade`.

Photos that scikit-image carries (CC0 or public domain) and drawings of `draw.py`, in haze, blurred or without
colours, from fixed seeds; see CREDITS.md.
"""

from pathlib import Path

import cv2
import numpy as np
from skimage import data

from examples.draw import DETAIL, HEIGHT, WIDTH, mountains, town
from gan_models.images.blur import blurred, defocus_kernel, kernel_of, linear_kernel, random_trajectory
from gan_models.images.haze import add_haze

FOLDER = Path(__file__).parent
QUALITY = 93


def receding(picture: np.ndarray, horizon: float) -> np.ndarray:
    """Return the depth, H×W, of a ground that recedes to `horizon`, a share of the height from the top."""
    height, width = picture.shape[:2]
    rows = (np.arange(height) + 0.5) / height - horizon
    depth = 0.12 / np.maximum(rows, 0.12)
    return cv2.GaussianBlur(np.repeat(depth[:, None], width, 1), (0, 0), 4).astype(np.float32)


def drawn(draw, seed: int) -> np.ndarray:  # noqa: ANN001
    """Return one of the drawings at full detail, uint8."""
    picture = draw(np.random.default_rng(seed), HEIGHT * DETAIL, WIDTH * DETAIL)
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)


def write(folder: str, name: str, picture: np.ndarray) -> None:
    """Write H×W×3 uint8 as a JPEG."""
    (FOLDER / folder).mkdir(exist_ok=True)
    cv2.imwrite(str(FOLDER / folder / f"{name}.jpg"), picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def main() -> None:
    """Make and write them all."""
    rocket = data.rocket()
    write("dehazing", "rocket", add_haze(rocket, receding(rocket, 0.45), 1.0, np.array([0.86, 0.87, 0.9])))
    hills, houses = drawn(mountains, 3), drawn(town, 4)
    write("dehazing", "mountains", add_haze(hills, receding(hills, 0.35), 1.3, np.array([0.9, 0.91, 0.93])))
    write("dehazing", "town", add_haze(houses, receding(houses, 0.4), 1.1, np.array([0.84, 0.84, 0.83])))
    shake = kernel_of(random_trajectory(np.random.default_rng(5)), 9)
    write("deblurring", "cat", blurred(data.chelsea(), shake))
    write("deblurring", "coffee", blurred(data.coffee(), linear_kernel(11, 0.4, 15)))
    write("deblurring", "astronaut", blurred(data.astronaut(), defocus_kernel(2.5)))
    portrait = data.astronaut()[:300, 80:380]
    write("face-inversion", "astronaut", portrait)
    write("face-inversion", "astronaut-grey", np.repeat(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)[:, :, None], 3, 2))


if __name__ == "__main__":
    main()
