"""Draw docs/quality-metrics.jpg and print the README's table: `python -m benchmarks.distortions`."""

from pathlib import Path

import cv2
import numpy as np

from gan_models.images import decode
from gan_models.metrics.maps import similarity_map
from gan_models.metrics.measure import measure

ROOT = Path(__file__).parents[1]
NAMES = ("contrast", "brighter", "noisy", "compressed", "blurred")
GAP, QUALITY = 6, 88  # pixels between pictures; of the JPEG


def row(pictures: list[np.ndarray]) -> np.ndarray:
    """Return pictures of one size side by side, with white between and below."""
    edged = [np.pad(one, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for one in pictures]
    return np.concatenate(edged, 1)


def main() -> None:
    """Measure, print and draw."""
    original = decode(ROOT / "examples/measuring-references/cat.png")
    distorted = {name: decode(ROOT / "examples/measuring" / f"{name}.png") for name in NAMES}
    for name, picture in distorted.items():
        found = measure(picture, original)
        print(
            f"| {name} | {found['psnr']:.2f} | {found['ssim']:.3f} | {found['ms_ssim']:.3f} "
            f"| {found['ciede2000']:.2f} |"
        )
    maps = [np.full_like(original, 255), *(similarity_map(picture, original) for picture in distorted.values())]
    sheet = np.concatenate([row([original, *distorted.values()]), row(maps)])[:-GAP, :-GAP]
    cv2.imwrite(str(ROOT / "docs/quality-metrics.jpg"), sheet[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


if __name__ == "__main__":
    main()
