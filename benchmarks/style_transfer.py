"""Measure style transfer: time to a given loss, memory, learned styles; and draw what its choices do.

python -m benchmarks.style_transfer speed         seconds to given losses, beside plain loops, and peak memory
python -m benchmarks.style_transfer megapixel     seconds and memory of a megapixel in each learned style
python -m benchmarks.style_transfer learned --photos FOLDER --styles FOLDER
                                                  how near learned styles come
python -m benchmarks.style_transfer sheet FILE    the examples in each learned style
python -m benchmarks.style_transfer choices FILE  the seed's experiments: layers, content weights, colour offsets
python -m benchmarks.style_transfer pairs --photos FOLDER --styles FOLDER FILE    twenty pairs by the optimisation

The plain loop is the published algorithm: from the content, at full size, all in float32, by L-BFGS (Gatys et al.
2016) or by Adam, with the same features and the same losses.
"""

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from benchmarks.measuring import COSTS, cost, cost_cells, in_own_process, markdown, resident_mebibytes
from gan_models.checkpoints import registry
from gan_models.images import decode
from gan_models.images.tensors import to_tensor
from gan_models.style_transfer import FastStyle, Stylizer
from gan_models.style_transfer.losses import CONTENT_LAYER, STYLE_LAYERS, content_loss, grams, style_loss
from gan_models.style_transfer.stylize import LEARNING_RATE, Task, resized
from gan_models.style_transfer.training import STYLE_SIDE, scaled
from gan_models.training.datasets import list_pictures

EXAMPLES = Path(__file__).parents[1] / "examples"
CONTENT, STYLE = EXAMPLES / "style-transfer" / "astronaut.jpg", EXAMPLES / "styles" / "mosaic.jpg"
WEIGHTS = {"content": 2.5e-8, "style": 1e-6, "variation": 1e-6}
STEPS = 150
WANTED = {256: (0.12, 0.11, 0.105, 0.1), 512: (0.13, 0.12, 0.11, 0.1)}  # losses, by side
LAYERS = (*STYLE_LAYERS, CONTENT_LAYER)
SIDE = 256  # of the photos that learned styles and pairs are drawn from
APART, SHOWN, PAIRED = 4, 4, 5  # every fourth picture of a folder; four photos and five styles make twenty pairs
STYLES = {
    "style-starry-night": "starry_night.jpg",
    "style-great-wave": "wave.jpg",
    "style-scream": "the_scream.jpg",
    "style-composition-vii": "composition_vii.jpg",
}
CELL, GAP, CAPTION = 240, 6, 24


def plain(task: Task, content: np.ndarray, optimizer: str) -> Iterator[float]:
    """Yield the loss after each step of the published loop."""
    picture = to_tensor(content).contiguous().requires_grad_()
    if optimizer == "adam":
        descent = torch.optim.Adam([picture], lr=LEARNING_RATE)
    else:
        descent = torch.optim.LBFGS([picture], max_iter=1, history_size=20)
    task.picture, task.bfloat16 = picture, False

    def total() -> torch.Tensor:
        loss = sum(task.terms().values())
        descent.zero_grad()
        loss.backward()
        return loss

    for _ in range(STEPS):
        yield descent.step(total).item()


def seconds_to(losses: Iterator[float], wanted: Sequence[float]) -> list[float]:
    """Return after how many seconds a loop first had each loss; infinity if it never had."""
    reached, start = [float("inf")] * len(wanted), perf_counter()
    for loss in losses:
        spent = perf_counter() - start
        reached = [min(before, spent) if loss <= one else before for before, one in zip(reached, wanted, strict=True)]
    return reached


def speed() -> None:
    """Print a table of times to equal losses."""
    backend, content, style = Stylizer("features-compact", "cpu"), decode(CONTENT)[:, :, :3], decode(STYLE)[:, :, :3]
    for side, wanted in WANTED.items():
        shown = resized(content, side)
        task = Task(backend, shown, [resized(style, side)], WEIGHTS, LAYERS)

        def ours(side: int = side) -> Iterator[float]:
            for step in backend.steps(content, [style], steps=STEPS, side=side, coarse=0):
                yield sum(step.losses.values())

        loops = {
            "plain, L-BFGS": plain(task, shown, "lbfgs"),
            "plain, Adam": plain(task, shown, "adam"),
            "ours": ours(),
        }
        next(plain(task, shown, "adam"))  # warms up
        found = {name: seconds_to(loop, wanted) for name, loop in loops.items()}
        rows = []
        for name, seconds in found.items():
            ratios = [f"{one:.1f} ({best / one:.2f})" for one, best in zip(seconds, found["ours"], strict=True)]
            rows.append([f"{side} pixels, {name}", *ratios])
        print(markdown(["Loop", *(f"to {loss:g}" for loss in wanted)], rows))
    print(f"\n1024 pixels: {in_own_process(peak, 1024):.0f} MiB above the idle process")


def peak(side: int) -> float:
    """Return the memory in MiB that a few steps take."""
    backend, content, style = Stylizer("features-compact", "cpu"), decode(CONTENT)[:, :, :3], decode(STYLE)[:, :, :3]
    idle = resident_mebibytes("VmRSS")
    backend(content, [style], steps=10, side=side)
    return resident_mebibytes("VmHWM") - idle


def megapixel() -> None:
    """Print what a megapixel takes."""
    names = [model.name for model in registry.models("fast-style") if model.embedded]
    size = (1000, 1000)
    found = {name: in_own_process(cost, partial(FastStyle, name, "cpu"), size, 2) for name in names}
    print(markdown(COSTS, [cost_cells(size, name, one, found[names[0]]) for name, one in found.items()]))


@torch.inference_mode()
def terms(backend: Stylizer, drawn: np.ndarray, photo: np.ndarray, style: np.ndarray) -> tuple[float, float]:
    """Return the losses of the style and of the content, unweighted, at the size of `drawn`."""
    found, kept = (backend.features(to_tensor(picture), LAYERS) for picture in (drawn, photo))
    wanted = grams(backend.features, to_tensor(style))
    return (
        float(style_loss(found, wanted)),
        float(content_loss(found[CONTENT_LAYER], kept[CONTENT_LAYER])),
    )


def learned(photos: Path, styles: Path) -> None:
    """Print the losses of test photos as they are and in each learned style."""
    backend, rows = Stylizer("features-compact", "cpu"), []
    pictures = [resized(decode(path)[:, :, :3], SIDE) for path in list_pictures(photos)[::APART]]
    for name, file in STYLES.items():
        style, network = scaled(decode(styles / file)[:, :, :3], STYLE_SIDE), FastStyle(name, "cpu")
        for method, drawn in (("photo", pictures), ("network", [network(photo) for photo in pictures])):
            values = np.mean([terms(backend, *both, style) for both in zip(drawn, pictures, strict=True)], 0)
            rows.append([name, method, *(f"{value:.3f}" for value in values)])
    print(markdown(["Style", f"{len(pictures)} photos", "Style loss", "Content loss"], rows))


def sheet(file: Path) -> None:
    """Draw the examples in each learned style."""
    pictures = [decode(path)[:, :, :3] for path in sorted(CONTENT.parent.iterdir())]
    grid(file, [pictures, *([FastStyle(name, "cpu")(picture) for picture in pictures] for name in STYLES)])


def pairs(photos: Path, styles: Path, file: Path) -> None:
    """Draw four photos in five styles by the optimisation."""
    backend = Stylizer("features-compact", "cpu")
    pictures = [resized(decode(path)[:, :, :3], SIDE) for path in list_pictures(photos)[::APART][:SHOWN]]
    rows = [pictures]
    for path in list_pictures(styles)[::APART][:PAIRED]:
        style = decode(path)[:, :, :3]
        rows.append([backend(picture, [style], steps=STEPS, side=SIDE) for picture in pictures])
    grid(file, rows)


def grid(file: Path, rows: list[list[np.ndarray]]) -> None:
    """Write rows of pictures, each cut to a square."""
    squares = [[picture[: min(picture.shape[:2]), : min(picture.shape[:2])] for picture in row] for row in rows]
    cells = [[cv2.resize(square, (CELL, CELL), interpolation=cv2.INTER_AREA) for square in row] for row in squares]
    Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in cells])).save(file, quality=88)


def choices(path: Path) -> None:
    """Draw the seed's experiments on one pair of pictures, captioned."""
    content, style = decode(CONTENT)[:, :, :3], decode(STYLE)[:, :, :3]
    draw = partial(Stylizer.cached("features-compact"), content, [style], side=192, steps=200)
    rows = [
        {
            "style: relu1_1": draw(style_layers=["relu1_1"]),
            "relu1_1, relu2_1": draw(style_layers=["relu1_1", "relu2_1"]),
            "all four": draw(),
            "relu4_1": draw(style_layers=["relu4_1"]),
            "content: relu1_2": draw(content_layer="relu1_2", content_weight=1e-6),
            "content: relu4_2": draw(content_layer="relu4_2", content_weight=1e-6),
        },
        {
            "content": resized(content, 192),
            "2.5e-4, 800 steps": draw(content_weight=2.5e-4, steps=800),
            "2.5e-8, 800 steps": draw(content_weight=2.5e-8, steps=800),
            "red +60": draw(offsets=(60, 0, 0)),
            "green +60": draw(offsets=(0, 60, 0)),
            "blue +60": draw(offsets=(0, 0, 60)),
        },
    ]
    width, height = 6 * (CELL + GAP) - GAP, len(rows) * (CELL + CAPTION + GAP) - GAP
    sheet = Image.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for row, pictures in enumerate(rows):
        top = row * (CELL + CAPTION + GAP)
        for column, (title, picture) in enumerate(pictures.items()):
            left = column * (CELL + GAP)
            pen.text((left + CELL // 2, top + CAPTION // 2), title, fill="black", anchor="mm", font=font)
            cell = cv2.resize(picture, (CELL, CELL), interpolation=cv2.INTER_AREA)
            sheet.paste(Image.fromarray(cell), (left, top + CAPTION))
    sheet.save(path, quality=90)


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(required=True)
    actions.add_parser("speed").set_defaults(run=lambda options: speed())
    actions.add_parser("megapixel").set_defaults(run=lambda options: megapixel())
    for function in (choices, sheet):
        figure = actions.add_parser(function.__name__)
        figure.add_argument("file", type=Path)
        figure.set_defaults(run=lambda options, function=function: function(options.file))
    drawn = {"learned": actions.add_parser("learned"), "pairs": actions.add_parser("pairs")}
    for action in drawn.values():
        action.add_argument("--photos", type=Path, required=True)
        action.add_argument("--styles", type=Path, required=True)
    drawn["learned"].set_defaults(run=lambda options: learned(options.photos, options.styles))
    drawn["pairs"].add_argument("file", type=Path)
    drawn["pairs"].set_defaults(run=lambda options: pairs(options.photos, options.styles, options.file))
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
