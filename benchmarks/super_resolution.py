"""Measure super-resolution ×4: quality on the usual test sets, and speed and memory on the CPU.

From the project's folder:

    python -m benchmarks.super_resolution quality --data DATA --models sr-psnr-compact sr-gan-compact
    python -m benchmarks.super_resolution poor --data DATA --models sr-psnr-compact sr-real-compact --sheet PNG
    python -m benchmarks.super_resolution speed

DATA holds the original pictures in `set5/`, `set14/` and `bsd100/`. Memory is read from `/proc`: Linux only.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from benchmarks.measuring import COSTS, cost, cost_cells, in_own_process, markdown, restorer
from gan_models import checkpoints
from gan_models.images import decode
from gan_models.images.degradations import bicubic_downscale, bicubic_upscale, crop_to_multiple, gaussian_noise, jpeg
from gan_models.images.degradations import poor as degraded
from gan_models.images.folders import list_pictures
from gan_models.images.squares import middle
from gan_models.images.tensors import to_image, to_tensor
from gan_models.metrics import luma, luma_psnr, luma_ssim
from gan_models.nn.losses import PerceptualLoss
from gan_models.super_resolution import Upscale

FACTOR = 4
DEFAULT = Upscale.parameters()["model"].default
SETS = {"Set5": "set5", "Set14": "set14", "BSD100": "bsd100"}
FEATURES = {"relu1_2": 0.25, "relu2_2": 0.25, "relu3_3": 0.25, "relu4_3": 0.25}
QUALITIES = ["Set", "Method", "PSNR (dB, Y)", "SSIM (Y)", "Sharpness", "Perceptual distance"]
SMALL = (480, 320)
MIDDLE = 192  # pixels a side of what the sheet of poor photos shows

Enlarge = Callable[[np.ndarray], np.ndarray]


# --- Quality


class Scores(NamedTuple):
    """How near an enlarged picture comes to its original; see `quality`."""

    psnr: float
    ssim: float
    sharpness: float
    distance: float


def quality(data: Path, models: Sequence[str], device: str | None = None, each: bool = False) -> str:
    """Return a markdown table of the mean scores of bicubic interpolation and of `models` on the sets in `data`.

    Originals are cropped to multiples of 4 and made small by antialiased bicubic interpolation. PSNR in dB and
    SSIM are of luma, 4 pixels of border cut off. Sharpness is the mean gradient of luma, as a share of the
    original's. The perceptual distance is the mean absolute difference of `features-compact`, relative to the
    original's activations, averaged over the last layers of four blocks.

    Args:
        data: Folder of the folders `set5`, `set14` and `bsd100`; what is absent is said and skipped.
        models: Weights for `Upscale`.
        device: Where the models run; None picks the best there is.
        each: Also print a line for each picture.

    Raises:
        ValueError: None of the sets is there, a set is empty, or weights can't be had.
    """
    sets = {title: data / folder for title, folder in SETS.items() if (data / folder).is_dir()}
    for title in SETS.keys() - sets.keys():
        print(f"{title} is skipped: there is no {data / SETS[title]}.", flush=True)
    if not sets:
        raise ValueError(f"None of {', '.join(SETS.values())} is in {data}.")
    return markdown(QUALITIES, quality_rows(sets, models, device, each))


def quality_rows(
    sets: Mapping[str, Path], models: Sequence[str], device: str | None = None, each: bool = False
) -> list[list[str]]:
    """Return the rows of `quality` for folders of pictures by the names of the sets."""
    enlargers = {"bicubic": partial(bicubic_upscale, factor=FACTOR)}
    enlargers |= {name: restorer(Upscale, name, device, factor=FACTOR) for name in models}
    perceptual = PerceptualLoss(checkpoints.load("features-compact", "cpu"), FEATURES)
    rows = []
    for title, folder in sets.items():
        paths = list_pictures(folder)
        for name, enlarge in enlargers.items():
            scores = []
            for path in paths:
                scores.append(score(enlarge, decode(path)[:, :, :3], perceptual))
                if each:
                    print(title, path.name, name, *score_cells(scores[-1]), sep="  ", flush=True)
            mean = Scores(*np.mean(scores, axis=0))
            rows.append([f"{title} ({len(paths)})", name, *score_cells(mean)])
    return rows


DAMAGE: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "none": lambda original, _: bicubic_downscale(original, FACTOR),
    "JPEG 75": lambda original, _: jpeg(bicubic_downscale(original, FACTOR), 75),
    "JPEG 40": lambda original, _: jpeg(bicubic_downscale(original, FACTOR), 40),
    "noise 10": lambda original, rng: gaussian_noise(bicubic_downscale(original, FACTOR), 10, rng),
    "as in training": lambda original, rng: degraded(original, FACTOR, rng),
}


def poor(data: Path, models: Sequence[str], sheet: Path | None = None) -> str:
    """Return a markdown table of mean luma PSNR on poor photos, and in what share bicubic is farther; draw a sheet.

    Args:
        data: Folder of the folders `set5` and `bsd100`.
        models: Weights for `Upscale`.
        sheet: Where the first twenty of the latter are drawn, damaged as in training: bicubic, models, original.
    """
    enlargers = {"bicubic": partial(bicubic_upscale, factor=FACTOR)}
    enlargers |= {name: restorer(Upscale, name, factor=FACTOR) for name in models}
    rows, strips = [], []
    for title in ("Set5", "BSD100"):
        originals = [crop_to_multiple(decode(path)[:, :, :3], FACTOR) for path in list_pictures(data / SETS[title])]
        for damage, worsen in DAMAGE.items():
            small = [worsen(one, np.random.default_rng(index)) for index, one in enumerate(originals)]
            made = {name: [enlarge(one) for one in small] for name, enlarge in enlargers.items()}
            found = {
                name: np.array([luma_psnr(a, b, border=FACTOR) for a, b in zip(pictures, originals, strict=True)])
                for name, pictures in made.items()
            }
            cells = [f"{np.mean(values):.2f}, {(values > found['bicubic']).mean():.0%}" for values in found.values()]
            rows.append([title, damage, *cells])
        strips = [
            np.concatenate([middle(one, MIDDLE) for one in row], 1)
            for row in zip(*made.values(), originals, strict=True)
        ]
    if sheet:
        Image.fromarray(np.concatenate([np.concatenate(strips[at : at + 10]) for at in (0, 10)], 1)).save(
            sheet, quality=82
        )
    return markdown(["Set", "Damage", *(f"{name}: dB, share above bicubic" for name in enlargers)], rows)


def score(enlarge: Enlarge, original: np.ndarray, perceptual: PerceptualLoss) -> Scores:
    """Make an H×W×3 uint8 picture small, enlarge it and compare."""
    original = crop_to_multiple(original, FACTOR)
    enlarged = enlarge(bicubic_downscale(original, FACTOR))
    with torch.inference_mode():
        distance = perceptual(to_tensor(enlarged), to_tensor(original)).item()
    return Scores(
        psnr=luma_psnr(enlarged, original, border=FACTOR),
        ssim=luma_ssim(enlarged, original, border=FACTOR),
        sharpness=mean_gradient(enlarged) / mean_gradient(original),
        distance=distance,
    )


def mean_gradient(picture: np.ndarray) -> float:
    """Return the mean magnitude of the gradient of luma, by central differences, in grey levels a pixel."""
    return float(np.hypot(*np.gradient(luma(picture))).mean())


def score_cells(scores: Scores) -> list[str]:
    """Write scores with as many digits as the literature does."""
    return [
        f"{scores.psnr:.2f}",
        f"{scores.ssim:.4f}",
        f"{scores.sharpness:.3f}",
        f"{scores.distance:.4f}",
    ]


# --- Speed


def speed(model: str, width: int, height: int, repeats: int = 3) -> str:
    """Return a markdown table of the speed and peak memory of `model`, of Pillow, and of the naive way.

    Each runs in a process of its own on the CPU, with all its threads. At width×height the tiled `Upscale` is
    set against Pillow's bicubic interpolation. The naive way (the same network on the whole picture at once,
    NCHW, float32, recording gradients) would not fit in memory there, so it is set against `Upscale` at
    480×320. Memory counts the result, not the input.

    Args:
        model: Weights for `Upscale`.
        width: Width of the larger input in pixels.
        height: Its height.
        repeats: Runs, of which the fastest counts.

    Raises:
        ValueError: A number is not positive, the weights can't be had, or the result would be too large.
    """
    if min(width, height, repeats) < 1:
        raise ValueError("The width, the height and the number of runs must be positive.")
    ours = {f"{model}, tiled": partial(restorer, Upscale, model, factor=FACTOR)}
    contests = {
        (width, height): ours | {"Pillow, bicubic": load_pillow},
        SMALL: ours | {f"{model}, naive": partial(load_naive, model)},
    }
    rows = []
    for size, loaders in contests.items():
        costs = {name: in_own_process(cost, load, size, repeats) for name, load in loaders.items()}
        first = next(iter(costs.values()))
        rows += [cost_cells(size, name, found, first) for name, found in costs.items()]
    threads = f"CPU, {torch.get_num_threads()} threads, torch {torch.__version__}, best of {repeats}"
    return f"{threads}\n\n{markdown(COSTS, rows)}"


def load_naive(name: str) -> Enlarge:
    """Return a function that runs the network as it comes: the whole picture at once, ready for training."""
    network = checkpoints.load(name, "cpu").to(memory_format=torch.contiguous_format).requires_grad_()
    return lambda picture: to_image(network(to_tensor(picture).contiguous()))


def load_pillow() -> Enlarge:
    """Return Pillow's bicubic interpolation of H×W×3 uint8 pictures."""

    def enlarge(picture: np.ndarray) -> np.ndarray:
        size = picture.shape[1] * FACTOR, picture.shape[0] * FACTOR
        return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))

    return enlarge


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, print the table that was asked for, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.super_resolution",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    command = commands.add_parser("quality", help="PSNR, SSIM, sharpness and perceptual distance on test sets")
    command.add_argument("--data", type=Path, required=True, help="folder of set5, set14 and bsd100")
    command.add_argument("--models", nargs="*", default=[DEFAULT], help="weights to compare")
    command.add_argument("--device", help="cuda, mps or cpu; default: the best there is")
    command.add_argument("--each", action="store_true", help="also print a line for each picture")
    command.set_defaults(measure=quality)

    command = commands.add_parser("poor", help="PSNR on photos with noise, JPEG blocks and blur")
    command.add_argument("--data", type=Path, required=True)
    command.add_argument("--models", nargs="+", default=[DEFAULT])
    command.add_argument("--sheet", type=Path)
    command.set_defaults(measure=poor)

    command = commands.add_parser("speed", help="speed and memory against Pillow and against the naive way")
    command.add_argument("--model", default=DEFAULT, help="weights to run")
    command.add_argument("--width", type=int, default=3000, help="of the larger input, in pixels")
    command.add_argument("--height", type=int, default=2000)
    command.add_argument("--repeats", type=int, default=3, help="runs, of which the fastest counts")
    command.set_defaults(measure=speed)

    options = vars(parser.parse_args(arguments))
    measure = options.pop("measure")
    try:
        print(measure(**options))
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
