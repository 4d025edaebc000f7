"""Measure dehazing and deblurring against what came in and against classical methods.

python -m benchmarks.restoration dehazing --pairs FOLDER --clear FOLDER [--sheet PNG]
python -m benchmarks.restoration deblurring --pairs FOLDER --sharp FOLDER [--sheet PNG]
python -m benchmarks.restoration speed
python -m benchmarks.restoration examples docs/ --sharp FOLDER    what the README and the cards show

FOLDER of `--pairs` is unpacked `real-blur-and-haze`; the other one holds good pictures that are degraded here, from
fixed seeds, by the same code as in training but no picture that was trained on.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from benchmarks.measuring import COSTS, cost, cost_cells, in_own_process, markdown, restorer
from gan_models import checkpoints
from gan_models.deblurring import Deblur
from gan_models.dehazing import Dehaze
from gan_models.images import decode
from gan_models.images.blur import blurred, kernel_of, linear_kernel, random_blur, random_trajectory
from gan_models.images.folders import list_pictures
from gan_models.images.haze import random_haze
from gan_models.images.squares import middle
from gan_models.images.tensors import to_image, to_tensor
from gan_models.metrics import ciede2000, psnr, ssim

DEHAZERS = ("dark-channel", "dehaze-candy-compact", "dehaze-cycle-compact")
DEBLURRERS = ("wiener", "richardson-lucy", "deblur-compact")
SYNTHETIC = 40  # pictures
SHOWN, MIDDLE = 20, 192  # pictures of a sheet, and pixels a side of what it shows of each
LARGE, SMALL = (6000, 4000), (1200, 800)

Pair = tuple[np.ndarray, np.ndarray]


def hazy_pairs(folder: Path) -> Iterator[Pair]:
    """Yield hazy pictures of RESIDE and the clear ones; a border that only the latter have is cut off."""
    for hazy in sorted(folder.glob("sots-small/*/hazy/*.jpg")):
        clear = decode(hazy.parent.parent / "gt" / f"{hazy.stem.partition('_')[0]}.jpg")
        degraded = decode(hazy)
        top, left = ((a - b) // 2 for a, b in zip(clear.shape, degraded.shape[:2], strict=False))
        yield degraded, clear[top : top + degraded.shape[0], left : left + degraded.shape[1]]


def blurred_pairs(folder: Path) -> Iterator[Pair]:
    """Yield blurred pictures of GoPro and the sharp ones."""
    for path in sorted(folder.glob("gopro-small/blur/*.jpg")):
        yield decode(path), decode(folder / "gopro-small" / "sharp" / path.name.replace("blur", "sharp"))


def levin_pairs(folder: Path) -> Iterator[Pair]:
    """Yield the grey pictures of Levin et al. 2009, shaken by eight real cameras, and the sharp ones."""
    for path in sorted(folder.glob("levin-blur/im*_kernel*_img.png")):
        degraded, sharp = decode(path), decode(folder / "levin-blur" / "gt" / f"{path.name.partition('_')[0]}.png")
        yield degraded, _aligned(sharp, degraded)


def _aligned(sharp: np.ndarray, degraded: np.ndarray) -> np.ndarray:
    """Return the part of `sharp` that `degraded` shows, to the pixel: shaken pictures are shifted."""
    height, width = degraded.shape[:2]
    padded = cv2.copyMakeBorder(sharp, 12, 12, 12, 12, cv2.BORDER_REFLECT)
    found = cv2.matchTemplate(padded, degraded[24:-24, 24:-24].copy(), cv2.TM_CCOEFF_NORMED)
    _, _, _, (x, y) = cv2.minMaxLoc(found)
    top, left = y - 24, x - 24
    padded = cv2.copyMakeBorder(padded, 48, 48, 48, 48, cv2.BORDER_REFLECT)
    return padded[top + 48 : top + 48 + height, left + 48 : left + 48 + width]


def synthetic_pairs(folder: Path, degrade: Callable) -> Iterator[Pair]:
    """Yield pictures below `folder`, degraded, and as they were."""
    for index, path in enumerate(list_pictures(folder)[:SYNTHETIC]):
        good = decode(path)[:, :, :3]
        yield degrade(good, np.random.default_rng(index)), good


def table(sets: dict[str, list[Pair]], methods: dict[str, Callable], sheet: Path | None) -> str:
    """Return a markdown table of the mean scores of what came in and of what each method makes of it."""
    return markdown(["Set", "Method", "PSNR (dB)", "SSIM", "CIEDE2000"], score_rows(sets, methods, sheet))


def score_rows(
    sets: dict[str, list[Pair]], methods: dict[str, Callable], sheet: Path | None = None
) -> list[list[str]]:
    """Return the rows of `table`; write pictures of the first pairs as `sheet`."""
    rows, strips = [], []
    for title, pairs in sets.items():
        scores: dict[str, list[tuple[float, float, float]]] = {}
        for index, (degraded, good) in enumerate(pairs):
            shown = {"input": degraded} | {name: method(degraded) for name, method in methods.items()}
            for name, picture in shown.items():
                measured = psnr(picture, good), ssim(picture, good), ciede2000(picture, good)
                scores.setdefault(name, []).append(measured)
            if index < 4:
                strips.append(np.concatenate([_thumbnail(picture) for picture in (*shown.values(), good)], 1))
        for name, each in scores.items():
            decibels, likeness, colour = np.mean(each, axis=0)
            rows.append([f"{title} ({len(pairs)})", name, f"{decibels:.2f}", f"{likeness:.4f}", f"{colour:.2f}"])
    if sheet:
        sheet.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(strips)).save(sheet, quality=90)
    return rows


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (300, 220), interpolation=cv2.INTER_AREA)


def dehazing(options: argparse.Namespace) -> str:
    """Compare dehazers."""
    sets = {
        "RESIDE": list(hazy_pairs(options.pairs)),
        "synthetic": list(synthetic_pairs(options.clear, random_haze)),
        "clear": list(synthetic_pairs(options.clear, lambda picture, rng: picture)),  # which should stay so
    }
    return table(sets, {name: restorer(Dehaze, name) for name in options.models or DEHAZERS}, options.sheet)


def deblurring(options: argparse.Namespace) -> str:
    """Compare deblurrers, on sharp photos too; formulas assume a horizontal motion of nine pixels."""
    sets = {
        "GoPro": list(blurred_pairs(options.pairs)),
        "Levin": list(levin_pairs(options.pairs)),
        "5 to 12 pixels": list(synthetic_pairs(options.sharp, partial(moved, shortest=5, longest=12))),
        "12 to 25 pixels": list(synthetic_pairs(options.sharp, partial(moved, shortest=12, longest=25))),
        "as in training": list(synthetic_pairs(options.sharp, random_blur)),
    }
    methods = {name: restorer(Deblur, name) for name in options.models or DEBLURRERS}
    rows = []
    for name, method in methods.items():
        photos = [decode(path)[:, :, :3] for path in list_pictures(options.sharp)]
        found = np.array([psnr(method(photo), photo) for photo in photos])
        worst, tenth, median = np.percentile(found, (0, 10, 50))
        rows.append([name, *(f"{value:.1f}" for value in (worst, tenth, median)), f"{(found >= 45).mean():.0%}"])
    kept = markdown(["Sharp photos", "Worst (dB)", "Tenth worst of 100", "Median", "At 45 dB or more"], rows)
    return f"{table(sets, methods, options.sheet)}\n\n{kept}"


def moved(image: np.ndarray, rng: np.random.Generator, shortest: float, longest: float) -> np.ndarray:
    """Return `image`, H×W×3 uint8, shaken, or moved along a line, over so many pixels, without noise."""
    length = rng.uniform(shortest, longest)
    size = int(length) // 2 * 2 + 1
    if rng.integers(2):
        return blurred(image, kernel_of(random_trajectory(rng), size))
    return blurred(image, linear_kernel(length, rng.uniform(0, np.pi), size + 2))


def examples(options: argparse.Namespace) -> str:
    """Write a sheet for each task: the examples of its tab, as they are and through each method."""
    contests = {"dehazing": (Dehaze, DEHAZERS), "deblurring": (Deblur, DEBLURRERS)}
    for name, (task, models) in contests.items():
        rows = []
        for path in sorted(Path("examples", name).iterdir()):
            picture = decode(path)
            shown = [picture, *(restorer(task, model)(picture) for model in models)]
            rows.append(np.concatenate([_thumbnail(each) for each in shown], 1))
        Image.fromarray(np.concatenate(rows)).save(options.folder / f"{name}.jpg", quality=88)
    photos = [decode(path)[:, :, :3] for path in list_pictures(options.sharp)[:SHOWN]]
    degraded = [moved(photo, np.random.default_rng(index), 5, 25) for index, photo in enumerate(photos)]
    cells = [
        np.concatenate([middle(one, MIDDLE) for one in (came, restorer(Deblur)(came), photo)], 1)
        for came, photo in zip(degraded, photos, strict=True)
    ]
    columns = [np.concatenate(cells[start : start + SHOWN // 4]) for start in range(0, SHOWN, SHOWN // 4)]
    Image.fromarray(np.concatenate(columns, 1)).save(options.folder / "deblurring-twenty.jpg", quality=82)
    return f"From left to right: as it is, {', '.join(DEHAZERS)}; as it is, {', '.join(DEBLURRERS)}."


def naive(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that runs the network as it comes: the whole picture at once, ready for training."""
    network = checkpoints.load(name, "cpu").to(memory_format=torch.contiguous_format).requires_grad_()
    return lambda picture: to_image(network(to_tensor(picture).contiguous()))


def speed(options: argparse.Namespace) -> str:
    """Measure megapixels a second and memory, of each method in a process of its own, on the CPU."""
    contests = {
        SMALL: {
            "dehaze-candy-compact": partial(restorer, Dehaze, "dehaze-candy-compact"),
            "the same network, naive": partial(naive, "dehaze-candy-compact"),
            "dark-channel": partial(restorer, Dehaze, "dark-channel"),
            "deblur-compact": partial(restorer, Deblur, "deblur-compact"),
            "the same network, naive ": partial(naive, "deblur-compact"),
            "wiener": partial(restorer, Deblur, "wiener"),
            "richardson-lucy": partial(restorer, Deblur, "richardson-lucy"),
        },
        LARGE: {
            "dehaze-candy-compact": partial(restorer, Dehaze, "dehaze-candy-compact"),
            "deblur-compact": partial(restorer, Deblur, "deblur-compact"),
        },
    }
    rows = []
    for size, loaders in contests.items():
        costs = {name: in_own_process(cost, load, size, options.repeats) for name, load in loaders.items()}
        unit = costs["dehaze-candy-compact"]
        for name, found in costs.items():
            unit = found if name.endswith("-compact") else unit
            rows.append(cost_cells(size, name.strip(), found, unit))
    about = f"CPU, {torch.get_num_threads()} threads, torch {torch.__version__}, best of {options.repeats}"
    return f"{about}\n\n{markdown(COSTS, rows)}"


def main() -> None:
    """Parse the command line and print the table that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for function, good in ((dehazing, "--clear"), (deblurring, "--sharp")):
        command = commands.add_parser(function.__name__)
        command.add_argument("--pairs", type=Path, required=True)
        command.add_argument(good, type=Path, required=True)
        command.add_argument("--models", nargs="*")
        command.add_argument("--sheet", type=Path)
        command.set_defaults(measure=function)
    command = commands.add_parser("examples")
    command.add_argument("folder", type=Path)
    command.add_argument("--sharp", type=Path, required=True)
    command.set_defaults(measure=examples)
    command = commands.add_parser("speed")
    command.add_argument("--repeats", type=int, default=2)
    command.set_defaults(measure=speed)
    options = parser.parse_args()
    print(options.measure(options))


if __name__ == "__main__":
    main()
