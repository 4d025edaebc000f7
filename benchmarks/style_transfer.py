"""Measure style transfer: time to a given loss, memory, learned styles; and draw what its choices do.

python -m benchmarks.style_transfer speed         seconds to given losses, beside plain loops
python -m benchmarks.style_transfer memory        of the optimisation at 1024 pixels
python -m benchmarks.style_transfer megapixel     seconds and memory of a megapixel in each learned style
python -m benchmarks.style_transfer learned --photos FOLDER --styles FOLDER
                                                  how near learned styles come
python -m benchmarks.style_transfer sheet FILE    the examples in each learned style
python -m benchmarks.style_transfer examples FILE    the examples in the examples of styles by the optimisation
python -m benchmarks.style_transfer choices FILE  the seed's experiments: layers, content weights, colour offsets
python -m benchmarks.style_transfer pairs --photos FOLDER --styles FOLDER FILE    twenty pairs by the optimisation

The plain loops are the published algorithm as a tutorial has it: the pixels themselves are optimised, from the
content, at full size, by PyTorch's L-BFGS (Gatys et al. 2016) or Adam, with the same features and the same losses,
all of it in float32. L-BFGS runs twice: free, as in the paper, and clamped to [0, 1] after each step, as in PyTorch's
own tutorial. Losses are those of the picture that one would see, clamped to [0, 1]; for the free loop, which knows
another one, they are computed while the clock stands.

The losses to be reached are the lowest of any plain loop's after given numbers of steps. The loops take turns at
every second step, so that whatever else runs on the machine slows all of them alike; seconds are the steps that a
loop needs times its median seconds of a step. Ours pays for its previews as well.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont

from benchmarks.measuring import COSTS, cost, cost_cells, in_own_process, markdown, resident_mebibytes
from gan_models import checkpoints
from gan_models.checkpoints import registry
from gan_models.images import decode
from gan_models.images.folders import list_pictures
from gan_models.images.tensors import to_tensor
from gan_models.jobs import Step
from gan_models.nn.features import VGG
from gan_models.style_transfer import CONTENT_LAYER, STYLE_LAYERS, FastStylize, Stylize
from gan_models.style_transfer.backend import (
    CONTENT_UNIT,
    REPORT_EVERY,
    STYLE_UNIT,
    VARIATION_UNIT,
    Stylizer,
    resized,
)
from gan_models.style_transfer.fast import FastStyle
from gan_models.style_transfer.losses import content_loss, grams, style_loss
from gan_models.style_transfer.trainer import STYLE_SIDE, scaled

EXAMPLES = Path(__file__).parents[1] / "examples"
CONTENT, STYLE = EXAMPLES / "style-transfer" / "astronaut.jpg", EXAMPLES / "styles" / "mosaic.jpg"
STEPS = 150
PAIRS = (
    ("astronaut", "mosaic", 256),
    ("cat", "strokes", 256),
    ("coffee", "hatching", 256),
    ("astronaut", "mosaic", 512),
)
MARKS = (20, 30, 40, 50, 60)  # steps of the plain loops after which their losses are those to be reached
RACED = 60  # steps
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


class Plain:
    """The published loop, from a content in a style, both 1×3×H×W in [0, 1]."""

    def __init__(self, network: VGG, content: torch.Tensor, style: torch.Tensor, optimizer: str, clamped: bool):
        self.network, self.clamped, self.picture = network, clamped, content.clone().requires_grad_()
        with torch.no_grad():
            self.content = network(content, [CONTENT_LAYER])[CONTENT_LAYER]
            self.style = {name: self.gram(x) for name, x in network(style, STYLE_LAYERS).items()}
        if optimizer == "adam":
            self.optimizer = torch.optim.Adam([self.picture], lr=0.03)
        else:
            self.optimizer = torch.optim.LBFGS([self.picture], max_iter=1, history_size=20)

    @staticmethod
    def gram(x: torch.Tensor) -> torch.Tensor:
        """Return the mean products of the channels of 1×C×H×W, C×C."""
        flat = x[0].flatten(1)
        return flat @ flat.T / flat.shape[1]

    def loss(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the loss with the default weights, 2.5e-8, 1e-6 and 1e-6."""
        found = self.network(picture, LAYERS)
        content = F.mse_loss(found[CONTENT_LAYER], self.content) / self.content.square().mean()
        styles = [
            F.mse_loss(self.gram(found[name]), wanted) / wanted.square().mean() for name, wanted in self.style.items()
        ]
        across = F.mse_loss(picture[..., 1:], picture[..., :-1])
        variation = across + F.mse_loss(picture[..., 1:, :], picture[..., :-1, :])
        style = sum(styles) / len(styles)
        return 2.5e-8 * CONTENT_UNIT * content + 1e-6 * STYLE_UNIT * style + 1e-6 * VARIATION_UNIT * variation

    def step(self) -> float:
        """Take one step and return the loss before it."""

        def closure() -> torch.Tensor:
            self.optimizer.zero_grad()
            loss = self.loss(self.picture)
            loss.backward()
            return loss

        loss = self.optimizer.step(closure).item()
        if self.clamped:
            with torch.no_grad():
                self.picture.clamp_(0, 1)
        return loss


def stylizer() -> Stylizer:
    """Return the backend with the compact features, on the CPU."""
    return Stylizer.load("features-compact", "cpu")


def redrawing(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return what redraws a picture in the learned style `name`, on the CPU."""
    backend = FastStyle.load(name, "cpu")
    return lambda picture: backend(FastStylize(image=picture, model=name))


def speed() -> None:
    """Print tables of seconds to equal losses."""
    backend, network = stylizer(), checkpoints.load("features-compact", "cpu")
    for photo, painting, side in PAIRS:
        content = decode(CONTENT.with_stem(photo))[:, :, :3]
        style = decode(STYLE.with_stem(painting))[:, :, :3]
        tensors = [to_tensor(resized(picture, side)).contiguous() for picture in (content, style)]
        plain = {
            "plain, L-BFGS": Plain(network, *tensors, "lbfgs", clamped=False),
            "plain, L-BFGS, clamped": Plain(network, *tensors, "lbfgs", clamped=True),
            "plain, Adam, clamped": Plain(network, *tensors, "adam", clamped=True),
        }
        losses, seconds = race(
            plain, backend.run(Stylize(content=content, style=style, steps=RACED, side=side, coarse=0))
        )
        wanted = [min(min(losses[name][: mark // REPORT_EVERY]) for name in plain) for mark in MARKS]
        spent = {name: [steps_to(losses[name], one) * seconds[name] for one in wanted] for name in losses}
        rows = []
        for name in losses:
            cells = [
                f"{one:.1f} ({best / one:.2f})" if one < float("inf") else "not in time"
                for one, best in zip(spent[name], spent["ours"], strict=True)
            ]
            rows.append([name, f"{seconds[name]:.3f}", *cells])
        print(f"\n{photo}, {painting}, {side} pixels\n")
        print(markdown(["Loop", "A step", *(f"to {loss:.4f}" for loss in wanted)], rows), flush=True)


def race(plain: dict[str, Plain], ours: Iterator[Step]) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Let loops take turns and return their losses at every second step, and their median seconds of one step."""
    losses = {name: [] for name in (*plain, "ours")}
    seconds = {name: [] for name in losses}
    for _ in range(RACED // REPORT_EVERY):
        for name, loop in plain.items():
            start = perf_counter()
            loop.step()
            before = loop.picture.detach().clamp(0, 1)
            loss = loop.step()
            seconds[name].append((perf_counter() - start) / REPORT_EVERY)
            if not loop.clamped:
                with torch.no_grad():
                    loss = loop.loss(before).item()
            losses[name].append(loss)
        start = perf_counter()
        losses["ours"].append(sum(next(ours).losses.values()))
        seconds["ours"].append((perf_counter() - start) / REPORT_EVERY)
    return losses, {name: float(np.median(values)) for name, values in seconds.items()}


def steps_to(losses: Sequence[float], wanted: float) -> float:
    """Return the number of steps that first had a loss; infinity if none had."""
    return next((REPORT_EVERY * (index + 1) for index, loss in enumerate(losses) if loss <= wanted), float("inf"))


def memory() -> None:
    """Print what a large picture takes."""
    print(f"1024 pixels: {in_own_process(peak, 1024):.0f} MiB above the idle process")


def peak(side: int) -> float:
    """Return the memory in MiB that as many steps take as L-BFGS remembers, and some more."""
    backend, ask = stylizer(), Stylize(content=CONTENT, style=STYLE, steps=14, side=side, coarse=0)
    idle = resident_mebibytes("VmRSS")
    backend(ask)
    return resident_mebibytes("VmHWM") - idle


def megapixel() -> None:
    """Print what a megapixel takes."""
    names = [model.name for model in registry.models("fast-style") if model.embedded]
    size = (1000, 1000)
    found = {name: in_own_process(cost, partial(redrawing, name), size, 2) for name in names}
    print(markdown(COSTS, [cost_cells(size, name, one, found[names[0]]) for name, one in found.items()]))


@torch.inference_mode()
def terms(backend: Stylizer, drawn: np.ndarray, photo: np.ndarray, style: np.ndarray) -> tuple[float, float]:
    """Return the losses of the style and of the content, unweighted, at the size of `drawn`."""
    found, kept = (backend.network(to_tensor(picture), LAYERS) for picture in (drawn, photo))
    wanted = grams(backend.network, to_tensor(style))
    return (
        float(style_loss(found, wanted)),
        float(content_loss(found[CONTENT_LAYER], kept[CONTENT_LAYER])),
    )


def learned(photos: Path, styles: Path) -> None:
    """Print the losses of test photos as they are and in each learned style."""
    backend, rows = stylizer(), []
    pictures = [resized(decode(path)[:, :, :3], SIDE) for path in list_pictures(photos)[::APART]]
    for name, file in STYLES.items():
        style, network = scaled(decode(styles / file)[:, :, :3], STYLE_SIDE), redrawing(name)
        for method, drawn in (("photo", pictures), ("network", [network(photo) for photo in pictures])):
            values = np.mean([terms(backend, *both, style) for both in zip(drawn, pictures, strict=True)], 0)
            rows.append([name, method, *(f"{value:.3f}" for value in values)])
    print(markdown(["Style", f"{len(pictures)} photos", "Style loss", "Content loss"], rows))


def sheet(file: Path) -> None:
    """Draw the examples in each learned style."""
    pictures = [decode(path)[:, :, :3] for path in sorted(CONTENT.parent.iterdir())]
    grid(file, [pictures, *(list(map(redrawing(name), pictures)) for name in STYLES)])


def examples(file: Path) -> None:
    """Draw the examples in the examples of styles by the optimisation."""
    backend = stylizer()
    styles = [decode(path)[:, :, :3] for path in sorted(STYLE.parent.iterdir())]
    rows = [[np.full((SIDE, SIDE, 3), 255, np.uint8), *styles]]
    for path in sorted(CONTENT.parent.iterdir()):
        picture = decode(path)[:, :, :3]
        rows.append([picture, *(backend(Stylize(content=picture, style=style, side=SIDE)) for style in styles)])
    grid(file, rows)


def pairs(photos: Path, styles: Path, file: Path) -> None:
    """Draw four photos in five styles by the optimisation."""
    backend = stylizer()
    pictures = [resized(decode(path)[:, :, :3], SIDE) for path in list_pictures(photos)[::APART][:SHOWN]]
    rows = [pictures]
    for path in list_pictures(styles)[::APART][:PAIRED]:
        style = decode(path)[:, :, :3]
        rows.append([backend(Stylize(content=picture, style=style, steps=STEPS, side=SIDE)) for picture in pictures])
    grid(file, rows)


def grid(file: Path, rows: list[list[np.ndarray]]) -> None:
    """Write rows of pictures, each cut to a square."""
    squares = [[picture[: min(picture.shape[:2]), : min(picture.shape[:2])] for picture in row] for row in rows]
    cells = [[cv2.resize(square, (CELL, CELL), interpolation=cv2.INTER_AREA) for square in row] for row in squares]
    Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in cells])).save(file, quality=88)


def choices(path: Path) -> None:
    """Draw the seed's experiments on one pair of pictures, captioned."""
    backend = stylizer()

    def draw(**options: object) -> np.ndarray:
        return backend(Stylize(**{"content": CONTENT, "style": STYLE, "side": 192, "steps": 200} | options))

    rows = [
        {
            "style: relu1_1": draw(style_layers="relu1_1"),
            "relu1_1, relu2_1": draw(style_layers="relu1_1, relu2_1"),
            "all four": draw(),
            "relu4_1": draw(style_layers="relu4_1"),
            "content: relu1_2": draw(content_layer="relu1_2", content_weight=1e-6),
            "content: relu4_2": draw(content_layer="relu4_2", content_weight=1e-6),
        },
        {
            "content": resized(decode(CONTENT), 192),
            "2.5e-4, 800 steps": draw(content_weight=2.5e-4, steps=800),
            "2.5e-8, 800 steps": draw(content_weight=2.5e-8, steps=800),
            "red +60": draw(red=60),
            "green +60": draw(green=60),
            "blue +60": draw(blue=60),
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
    actions.add_parser("memory").set_defaults(run=lambda options: memory())
    actions.add_parser("megapixel").set_defaults(run=lambda options: megapixel())
    for function in (choices, sheet, examples):
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
