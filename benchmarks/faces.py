"""Measure a face generator against the pictures it was trained on, and draw sheets of what it makes.

python -m benchmarks.faces quality --data FOLDER      FID and KID, beside the floor of two halves of the real set
python -m benchmarks.faces sheet OUT.png              8×8 random faces
python -m benchmarks.faces truncation OUT.png         the same faces at truncations from 0 to 1
python -m benchmarks.faces mixing OUT.png             shapes down, colours across
python -m benchmarks.faces start                      seconds to the first picture of a new process, and for 16 more
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.measuring import markdown

if TYPE_CHECKING:
    from gan_models.nn.features.network import VGG
    from gan_models.stylegan2.backend import FaceGenerator

SHEET_SEEDS = range(64)
FEATURES = "features-compact"
QUALITIES = ["Set", "Pictures", f"FID ({FEATURES})", f"KID × 1000 ({FEATURES}, of 5000 each)"]


def embed(pictures: Iterator[np.ndarray], network: VGG) -> np.ndarray:
    """Return N×D pooled features of batches N×3×H×H uint8."""
    import torch

    with torch.inference_mode():
        return np.concatenate([network.pooled(torch.from_numpy(batch) / 255).numpy() for batch in pictures])


def batches(pictures: np.ndarray, size: int = 250) -> Iterator[np.ndarray]:
    """Yield parts of N×3×H×H pictures."""
    for start in range(0, len(pictures), size):
        yield pictures[start : start + size]


def quality(options: argparse.Namespace) -> None:
    """Print FID and KID of generated against real pictures, at truncation 1, and of two halves of the real ones."""
    print(markdown(QUALITIES, quality_rows(options.model, options.data, options.count)))


def quality_rows(model: str, data: Path, count: int) -> list[list[str]]:
    """Return the rows of `quality`."""
    from gan_models import checkpoints
    from gan_models.metrics import fid, kid
    from gan_models.stylegan2.backend import FaceGenerator
    from gan_models.training.datasets import load_squares

    faces = FaceGenerator.load(model, "cpu")
    network = checkpoints.load(FEATURES, "cpu")
    reals = embed(batches(load_squares(data, faces.network.img_resolution)), network)
    order = np.random.default_rng(0).permutation(len(reals))
    first, second = np.array_split(reals[order], 2)

    parts = (drawn(faces, range(start, min(start + 250, count)), 1) for start in range(0, count, 250))
    fakes, rows = embed((np.stack(part).transpose(0, 3, 1, 2) for part in parts), network), []
    for name, a, b in ((model, fakes, reals), ("two halves of the real set", first, second)):
        size = min(5000, len(a), len(b))  # the kernel matrix has size² entries
        pick = [x[np.random.default_rng(1).permutation(len(x))[:size]] for x in (a, b)]
        rows.append([name, f"{len(a)} against {len(b)}", f"{fid(a, b):.3f}", f"{1000 * kid(*pick):.3f}"])
    return rows


def drawn(faces: FaceGenerator, seeds: Sequence[int], truncation: float = 0.7) -> list[np.ndarray]:
    """Return the face of each seed, H×H×3 uint8."""
    return [faces.draw(w) for w in faces.styles(faces.latents(seeds), truncation)]


def grid(rows: list[list[np.ndarray]], path: Path) -> None:
    """Write rows of pictures as one."""
    Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in rows])).save(path, optimize=True)


def sheet(options: argparse.Namespace) -> None:
    """Draw 8×8 faces."""
    from gan_models.stylegan2.backend import FaceGenerator

    pictures = drawn(FaceGenerator.load(options.model), SHEET_SEEDS, options.truncation)
    grid([pictures[row : row + 8] for row in range(0, 64, 8)], options.output)


def truncation(options: argparse.Namespace) -> None:
    """Draw six faces at six truncations."""
    from gan_models.stylegan2.backend import FaceGenerator

    faces = FaceGenerator.load(options.model)
    grid([drawn(faces, range(6), psi) for psi in (0, 0.2, 0.4, 0.6, 0.8, 1)], options.output)


def mixing(options: argparse.Namespace) -> None:
    """Draw the shapes of five faces with the colours of five others; the faces themselves at the border."""
    from gan_models.stylegan2.backend import FaceGenerator

    faces = FaceGenerator.load(options.model)
    shapes, colours = range(10, 15), range(20, 25)
    tops = drawn(faces, colours)
    rows = [[np.full_like(tops[0], 255), *tops]]
    for shape in shapes:
        mixtures = [faces.draw(faces.mixed(shape, colour, first=4)[2]) for colour in colours]
        rows.append([*drawn(faces, [shape]), *mixtures])
    grid(rows, options.output)


def start(options: argparse.Namespace) -> None:
    """Print how long the first picture takes, importing PyTorch and loading included, and how long 16 after it."""
    began = time.perf_counter()
    from gan_models.stylegan2.backend import FaceGenerator

    faces = FaceGenerator.load(options.model)
    drawn(faces, [0])
    first = time.perf_counter()
    drawn(faces, range(16))
    print(f"first picture {first - began:.2f} s, 16 more {time.perf_counter() - first:.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("quality", "sheet", "truncation", "mixing", "start"))
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("--model", default="faces-compact")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--truncation", type=float, default=0.7)
    chosen = parser.parse_args()
    globals()[chosen.action](chosen)
