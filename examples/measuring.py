"""Make the examples of the quality metrics tab: `python -m examples.measuring`.

A photo that scikit-image carries (CC0), distorted in five ways by equal mean squared errors, as in figure 2 of the
paper on SSIM (Wang et al. 2004); sets of creatures; and what models of single pictures drew. See CREDITS.md.
"""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage import data

from gan_models.classic.pictures import sprites
from gan_models.images import decode
from gan_models.images.degradations import jpeg
from gan_models.images.provenance import write_png
from gan_models.metrics import mse
from gan_models.singan import SinganSample
from gan_models.singan.backend import SingleImage

FOLDER = Path(__file__).parent
ERROR = 150.0  # squared levels: 26.4 dB
COUNT, SIDE = 120, 64  # creatures in a set, and their pixels


def distortions(original: np.ndarray) -> dict[str, Callable[[float], np.ndarray]]:
    """Return ways to distort H×W×3 uint8, each more the larger its number is."""
    noise = np.random.default_rng(0).normal(0, 1, original.shape)
    mean = original.mean()

    def bytes_of(values: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)

    return {
        "brighter": lambda strength: bytes_of(original + 50.0 * strength),
        "contrast": lambda strength: bytes_of(mean + (original - mean) * (1 + strength)),
        "noisy": lambda strength: bytes_of(original + 50 * strength * noise),
        "blurred": lambda strength: cv2.GaussianBlur(original, (0, 0), 0.3 + 6 * strength),
        "compressed": lambda strength: jpeg(original, round(95 * (1 - strength)) or 1),
    }


def by_error(distort: Callable[[float], np.ndarray], original: np.ndarray) -> np.ndarray:
    """Return `original` distorted so far that its mean squared error is `ERROR`, as nearly as can be."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if mse(distort(middle), original) < ERROR else (low, middle)
    return distort(high)


def archive(path: Path, pictures: np.ndarray) -> None:
    """Write N×H×W×3 uint8 as a ZIP of PNGs, whose times are always the same."""
    with zipfile.ZipFile(path, "w") as target:
        for number, picture in enumerate(pictures):
            stream = io.BytesIO()
            Image.fromarray(picture).save(stream, "PNG", optimize=True)
            target.writestr(zipfile.ZipInfo(f"{number:03}.png"), stream.getvalue())


def main() -> None:
    """Make and write them all."""
    names = ("measuring", "measuring-references", "sets", "sifid", "sifid-references")
    folders = {name: FOLDER / name for name in names}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    original = np.ascontiguousarray(data.chelsea()[20:212, 90:330])
    Image.fromarray(original).save(folders["measuring-references"] / "cat.png", optimize=True)
    for name, distort in distortions(original).items():
        Image.fromarray(by_error(distort, original)).save(folders["measuring"] / f"{name}.png", optimize=True)

    drawn = {seed: sprites(SIDE, count=COUNT, seed=seed).pixels.permute(0, 2, 3, 1).numpy() for seed in (1, 2)}
    archive(folders["sets"] / "creatures.zip", drawn[1])
    archive(folders["sets"] / "other-creatures.zip", drawn[2])
    archive(
        folders["sets"] / "blurred-creatures.zip", np.stack([cv2.GaussianBlur(one, (0, 0), 2) for one in drawn[2]])
    )

    for name in ("balloons", "mountains", "sea"):
        model = f"singan-{name}"
        steps = SingleImage.load(model).run(SinganSample(model=model, count=1, seed=1))
        (picture,) = [step.drawn.image for step in steps if step.drawn]
        write_png(folders["sifid"] / f"{name}.png", picture, task="single-image", model=model, seed=1, generated=True)
        trained_on = decode(FOLDER / "single-image" / f"{name}.png")
        reduced = cv2.resize(trained_on, picture.shape[1::-1], interpolation=cv2.INTER_AREA)
        Image.fromarray(reduced).save(folders["sifid-references"] / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
