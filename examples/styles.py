"""Draw the styles of the style transfer tab: `python -m examples.styles`. Made here, CC0; see CREDITS.md."""

from pathlib import Path

import cv2
import numpy as np

FOLDER = Path(__file__).parent / "styles"
SIDE, DETAIL = 256, 2


def smooth_noise(rng: np.random.Generator, size: int, sigma: float) -> np.ndarray:
    """Return smooth noise, size×size, of mean 0 and deviation 1."""
    noise = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), sigma)
    return (noise - noise.mean()) / noise.std()


def strokes(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return thick brush strokes along a swirling field, from deep blue to yellow."""
    palette = np.array(
        [(18, 38, 92), (35, 74, 142), (70, 120, 176), (126, 168, 190), (236, 200, 86), (248, 232, 160)]
    )
    field = smooth_noise(rng, size, size / 9)
    down, across = np.gradient(field)
    picture = np.full((size, size, 3), palette[0], np.uint8)
    tone = smooth_noise(rng, size, size / 12)
    for _ in range(9000):
        x, y = rng.integers(0, size, 2)
        direction = np.array([-down[y, x], across[y, x]])
        direction = direction / (np.hypot(*direction) + 1e-9) * size * rng.uniform(0.02, 0.04)
        place = np.clip((tone[y, x] + 1.6) / 3.2 + rng.normal() * 0.12, 0, 0.999) * len(palette)
        colour = np.clip(palette[int(place)] + rng.normal(size=3) * 12, 0, 255)
        start, end = (np.array([x, y]) + sign * direction[::-1] for sign in (-1, 1))
        cv2.line(
            picture, *(tuple(map(int, point)) for point in (start, end)), colour.tolist(), size // 100, cv2.LINE_AA
        )
    return picture


def mosaic(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return glass of many colours between dark leads."""
    palette = np.array([(178, 34, 52), (232, 168, 56), (38, 92, 142), (46, 128, 96), (226, 216, 190), (96, 44, 108)])
    points = rng.uniform(0, size, (160, 2)).astype(np.float32)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    distances = np.stack([np.hypot(rows - y, columns - x) for y, x in points])
    order = np.sort(distances, axis=0)
    colours = np.clip(palette[rng.integers(0, len(palette), len(points))] + rng.normal(size=(160, 3)) * 14, 0, 255)
    picture = colours[distances.argmin(0)]
    return np.where((order[1] - order[0] < size / 90)[:, :, None], (24, 22, 26), picture).astype(np.uint8)


def hatching(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return ink lines on paper, denser where it is dark."""
    tone, picture = smooth_noise(rng, size, size / 8), np.full((size, size, 3), (244, 238, 224), np.uint8)
    for angle, limit in ((0.8, 1.0), (-0.7, 0.0), (1.6, -0.8)):
        direction = np.array([np.cos(angle), np.sin(angle)]) * size * 0.03
        for _ in range(1100):
            x, y = rng.integers(0, size, 2)
            if tone[y, x] < limit:
                start, end = (np.array([x, y]) + sign * direction for sign in (-1, 1))
                ends = [tuple(map(int, point)) for point in (start, end)]
                cv2.line(picture, *ends, (34, 30, 44), max(1, size // 256), cv2.LINE_AA)
    return picture


def main() -> None:
    """Draw and write them all."""
    FOLDER.mkdir(exist_ok=True)
    for seed, draw in enumerate((strokes, mosaic, hatching)):
        picture = draw(np.random.default_rng(seed), SIDE * DETAIL)
        picture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(FOLDER / f"{draw.__name__}.jpg"), picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])


if __name__ == "__main__":
    main()
