"""Measure translation: generators and patch sizes on held-out facades, each embedded model, strokes; and draw sheets.

python -m benchmarks.translation facades --data facades/test --trained FOLDER ...   scores of trainings
python -m benchmarks.translation models --data photos/ --faces faces/ --facades facades/test    L1 and SSIM of each
python -m benchmarks.translation sheet --task TASK --data FOLDER FILE               the first twenty held-out results
python -m benchmarks.translation cycle --data faces/ FILE      photos and drawings: both ways, there and back
python -m benchmarks.translation strokes                                            seconds from a stroke to a picture

A training folder is one that `python -m gan_models train pix2pix` has left; its name says what it was. Photos for
`models` and `sheet` must be ones that were not trained on.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import torch
from PIL import Image

from benchmarks.measuring import markdown
from gan_models.images import decode
from gan_models.images.facades import label_map
from gan_models.images.folders import list_pictures
from gan_models.images.squares import middle, squared
from gan_models.images.tensors import to_image, to_tensor
from gan_models.metrics import fcn_score, ssim
from gan_models.metrics.fcn_score import segmented
from gan_models.training import checkpoint
from gan_models.training.datasets import Pictures
from gan_models.training.ema import EMA
from gan_models.translation import Translate, inputs
from gan_models.translation.backend import Translator, dropping
from gan_models.translation.pairs import TASKS
from gan_models.translation.trainer import Pix2Pix

EXAMPLES = Path(__file__).parents[1] / "examples" / "translation"
COUNT = 20
MIDDLE = 192  # pixels a side of the photos that are coloured and mended
FCN = ["Pixel accuracy", "Class accuracy", "Class IoU"]
Pair = tuple[np.ndarray, np.ndarray]


def pairs(task: str, data: Path, side: int) -> list[Pair]:
    """Return inputs and targets of a task from the pictures below `data`."""
    kind, rng = TASKS[task], np.random.default_rng(0)
    return [kind.pair(np.ascontiguousarray(picture), rng) for picture in kind.load(data, side)]


def held_out_pairs(task: str, data: Path) -> list[Pair]:
    """Return what the embedded model of a task is shown: of photos their middle, at their own size."""
    kind, rng = TASKS[task], np.random.default_rng(0)
    if task in ("facades", "edges"):
        return pairs(task, data, kind.side)
    return [kind.pair(middle(picture, MIDDLE), rng) for picture in Pictures(data)]


def network_of(folder: Path) -> tuple[torch.nn.Module, int]:
    """Return the averaged generator of a training called TASK-GENERATOR-PATCH-SIDE, and the side."""
    task, generator, _, side = folder.name.rsplit("-", 3)
    return averaged(folder, task, {"unet": "unet", "plain": "encoder-decoder"}[generator]), int(side)


def averaged(folder: Path, task: str, generator: str) -> torch.nn.Module:
    """Return the averaged generator of the training in `folder`."""
    network, _ = Pix2Pix(data=folder, task=task, generator=generator).networks()
    ema = EMA(network)
    checkpoint.load(folder / checkpoint.NAME, {"ema": ema})
    return ema.network


@torch.inference_mode()
def drawn(network: torch.nn.Module, given: np.ndarray) -> np.ndarray:
    """Return what a network makes of an input, with dropout as at use."""
    with dropping(network, 0):
        return to_image((network(2 * to_tensor(given) - 1) + 1) / 2)


def scores(made: list[np.ndarray], wanted: list[np.ndarray]) -> list[str]:
    """Return the mean absolute error in levels of 255, and SSIM."""
    errors = [np.abs(a.astype(int) - b).mean() for a, b in zip(made, wanted, strict=True)]
    likeness = [ssim(a, b) for a, b in zip(made, wanted, strict=True)]
    return [f"{np.mean(errors):.2f}", f"{np.mean(likeness):.4f}"]


def fcn_scores(made: list[np.ndarray], wanted: list[np.ndarray]) -> list[str]:
    """Return pixel accuracy, class accuracy and class IoU of facades against the labels they were made from."""
    score = fcn_score(np.stack([segmented(one) for one in made]), np.stack([label_map(one) for one in wanted]))
    return [f"{share:.3f}" for share in score]


def facades(options: argparse.Namespace) -> None:
    """Print a table of trainings."""
    rows = []
    for folder in options.trained:
        network, side = network_of(folder)
        held_out = pairs("facades", options.data, side)
        made = [drawn(network, given) for given, _ in held_out]
        recognised = fcn_scores(made, [labels for labels, _ in held_out])
        rows.append([folder.name, *scores(made, [photo for _, photo in held_out]), *recognised])
    print(markdown(["Training", "L1 (of 255)", "SSIM", *FCN], rows))


def models(options: argparse.Namespace) -> None:
    """Print a table of the embedded models, and how near colours and fillings come."""
    rows, nearer = [], []
    sets = {"facades": options.facades, "edges": options.faces, "grey": options.data, "masked": options.data}
    for task, data in sets.items():
        held_out = held_out_pairs(task, data)
        photos = [photo for _, photo in held_out]
        shown = [np.ascontiguousarray(given[:, :, :3]) for given, _ in held_out]
        made = embedded_results(task, held_out)
        rows.append([task, "input; of a hole, Telea's inpainting", *scores(shown, photos)])
        rows.append([task, "network", *scores(made, photos)])
        if task == "grey":
            errors = [
                [colour_error(one, photo) for one, photo in zip(found, photos, strict=True)]
                for found in (shown, made)
            ]
            nearer.append(["error of a and b, of grey and of the network", *compared(errors)])
        if task == "masked":
            holes = [given[:, :, 3] > 127 for given, _ in held_out]
            for name, measure in (("error in the hole", hole_error), ("detail in the hole", hole_detail)):
                found = [list(map(measure, pictures, photos, holes)) for pictures in (shown, made)]
                nearer.append([f"{name}, of Telea and of the network", *compared(found)])
    print(markdown(["Task", "Method", "L1 (of 255)", "SSIM"], rows))
    print()
    print(markdown(["Measure", "Before", "Network", "Share of pictures where it is less"], nearer))


def colour_error(picture: np.ndarray, photo: np.ndarray) -> float:
    """Return the mean absolute difference of a and b of CIELAB."""
    a, b = (cv2.cvtColor(one / np.float32(255), cv2.COLOR_RGB2LAB)[:, :, 1:] for one in (picture, photo))
    return float(np.abs(a - b).mean())


def hole_error(picture: np.ndarray, photo: np.ndarray, hole: np.ndarray) -> float:
    """Return the mean absolute error in the hole, of 255."""
    return float(np.abs(picture.astype(int) - photo)[hole].mean())


def hole_detail(picture: np.ndarray, photo: np.ndarray, hole: np.ndarray) -> float:
    """Return the mean Laplacian in the hole, as a share of the photo's."""
    found, true = (np.abs(cv2.Laplacian(one.astype(np.float32), -1))[hole].mean() for one in (picture, photo))
    return float(found / true)


def compared(values: list[list[float]]) -> list[str]:
    """Return the means of two lists, and in what share of places the second has less."""
    before, after = map(np.array, values)
    return [f"{before.mean():.2f}", f"{after.mean():.2f}", f"{(after < before).mean():.2f}"]


def embedded_results(task: str, held_out: list[Pair]) -> list[np.ndarray]:
    """Return what the embedded model of a task makes of the inputs."""
    backend = Translator.load(f"translate-{task}-compact", "cpu")
    if task != "masked":
        return [backend(Translate(image=given)) for given, _ in held_out]
    return [
        backend(Translate(image=np.ascontiguousarray(given[:, :, :3]), mask=given[:, :, 3] > 127))
        for given, _ in held_out
    ]


def sheet(options: argparse.Namespace) -> None:
    """Draw inputs, results and originals of twenty pictures."""
    held_out = held_out_pairs(options.task, options.data)[:COUNT]
    cells = [
        np.concatenate([given[:, :, :3], made, photo], 1)
        for (given, photo), made in zip(held_out, embedded_results(options.task, held_out), strict=True)
    ]
    _write(cells, options.file, 4)


def cycle(options: argparse.Namespace) -> None:
    """Measure both directions of CycleGAN on faces and their drawings, and draw what they become and come back as."""
    ways = {way: Translator.load(f"translate-{way}-compact", "cpu") for way in ("face-to-drawing", "drawing-to-face")}
    rng, side = np.random.default_rng(0), ways["drawing-to-face"].model.side
    photos = [squared(decode(path)[:, :, :3], side) for path in list_pictures(options.data)]
    kinds = {"photo": photos, "drawing": [inputs.pencil_drawing(photo, rng) for photo in photos]}
    cells, rows = [], []
    for (way, there), back, (given, wanted) in zip(
        ways.items(), reversed(ways.values()), (("photo", "drawing"), ("drawing", "photo")), strict=True
    ):
        made = [there(Translate(image=picture)) for picture in kinds[given]]
        again = [back(Translate(image=picture)) for picture in made]
        rows.append([f"{given} itself", *scores(kinds[given], kinds[wanted])])
        rows.append([way, *scores(made, kinds[wanted])])
        rows.append([f"{given}, there and back", *scores(again, kinds[given])])
        shown = range(0, len(photos), max(1, 2 * len(photos) // COUNT))
        cells += [np.concatenate([kinds[given][at], made[at], again[at]], 1) for at in shown][: COUNT // 2]
    print(markdown(["Picture", "L1 (of 255)", "SSIM"], rows))
    _write(cells, options.file, 4)


def _write(cells: list[np.ndarray], path: Path, columns: int) -> None:
    """Write pictures of one size side by side, column after column."""
    rows = -(-len(cells) // columns)
    stacks = [np.concatenate(cells[start : start + rows]) for start in range(0, len(cells), rows)]
    stacks = [np.pad(one, ((0, len(stacks[0]) - len(one)), (0, 8), (0, 0)), constant_values=255) for one in stacks]
    Image.fromarray(np.concatenate(stacks, 1)[:, :-8]).save(path, quality=82)


def strokes(options: argparse.Namespace) -> None:
    """Print how long a drawing takes to become a picture."""
    rows = []
    for name, file in (("translate-edges-compact", "drawing.png"), ("translate-facades-compact", "facade.png")):
        backend, ask = Translator.load(name, "cpu"), Translate(image=EXAMPLES / file)
        rows.append([name, f"{_seconds(partial(backend, ask)):.3f}"])
    print(markdown(["Model", "Seconds"], rows))


def _seconds(work: Callable[[], object]) -> float:
    """Return the best of five, after one to warm up."""
    times = []
    for _ in range(6):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times[1:])


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(required=True)
    for function in (facades, models, sheet, cycle, strokes):
        action = actions.add_parser(function.__name__)
        action.set_defaults(run=function)
        if function is not strokes:
            action.add_argument("--data", type=Path, required=True)
        if function is facades:
            action.add_argument("--trained", type=Path, nargs="+", required=True)
        if function is models:
            action.add_argument("--faces", type=Path, required=True)
            action.add_argument("--facades", type=Path, required=True)
        if function is sheet:
            action.add_argument("--task", choices=TASKS, required=True)
        if function in (sheet, cycle):
            action.add_argument("file", type=Path)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
