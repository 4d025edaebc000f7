"""Measure the training lab: modes covered on points by each family, and FID of the small picture models; draw sheets.

python -m benchmarks.classic modes [--points ring] [--seeds 5]     modes covered, good samples, and what losses tell
python -m benchmarks.classic course FILE                           a plain and an unrolled GAN come to the ring
python -m benchmarks.classic quality --data FOLDER MODEL ...       FID and IS against pictures held out of a folder
python -m benchmarks.classic kinds --data FOLDER MODEL ...         share of pictures whose kind is recognised
python -m benchmarks.classic curves FILE LOG ...                   FID by step of trainings whose output was kept
python -m benchmarks.classic sheet --model MODEL FILE              sixty-four pictures of a model
python -m benchmarks.classic there-and-back --data FOLDER FILE     held-out pictures and AEGAN's reconstructions

Features are those of `features-compact`, not Inception's: figures have another scale than published ones.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.measuring import markdown
from gan_models import checkpoints
from gan_models.classic import GeneratePictures, pictures, toy
from gan_models.classic.backend import PictureGenerator
from gan_models.classic.evaluation import FEATURES, HELD_OUT, Evaluator, draw
from gan_models.classic.points import TOYS
from gan_models.images.curves import draw_curves
from gan_models.images.tensors import to_sheet
from gan_models.training.loop import fit

GAMES = {
    "GAN": {"family": "gan"},
    "GAN, discriminator as fast": {"family": "gan", "lr_d": 1e-3},
    "GAN, minimax": {"family": "gan", "saturating": True},
    "GAN, minimax, discriminator as fast": {"family": "gan", "saturating": True, "lr_d": 1e-3},
    "CGAN": {"family": "cgan"},
    "unrolled, k = 1": {"family": "unrolled", "ahead": 1},
    "unrolled, k = 5": {"family": "unrolled", "ahead": 5},
    "unrolled, k = 10": {"family": "unrolled", "ahead": 10},
    "WGAN": {"family": "wgan"},
    "WGAN-GP": {"family": "wgan-gp"},
    "AEGAN": {"family": "aegan"},
}
QUALITIES = ["Model", "Pictures", "FID", "FID of training pictures", "IS"]
SHOWN, COLUMNS = 64, 8
SHOWN_STEPS = (100, 300, 600, 1000)


def modes(options: argparse.Namespace) -> None:
    """Print a table of the modes that are covered, by seed, of good samples, and of how the loss goes with these."""
    torch.set_num_threads(1)
    seeds = range(options.seeds)
    rows = [_row("noise as broad as the points", [noise(options.points, seed) for seed in seeds])]
    for name, game in GAMES.items():
        rows.append(_row(name, [measured(options.points, options.steps, seed, game) for seed in seeds]))
        print(rows[-1], flush=True)
    counted = f"Modes of {len(TOYS[options.points]().modes)}, {options.seeds} seeds"
    print(markdown(["Family", counted, "Mean", "Good samples", "Correlation of loss and good samples"], rows))


def noise(points: str, seed: int) -> tuple[int, float, float]:
    """Return as `measured` what normal noise with the points' own deviations comes to; it has no loss."""
    source = TOYS[points](seed)
    deviations = source.batch(toy.COUNTED)[0].std(0)
    return *source.coverage(deviations * torch.randn(toy.COUNTED, 2, generator=source.rng)), np.nan


def measured(points: str, steps: int, seed: int, game: dict[str, str | float]) -> tuple[int, float, float]:
    """Train, and return the modes covered, the share of good samples, and how this went with the loss.

    The last is the correlation, over the reported steps, of good samples with the discriminator's loss: of a critic
    with the distance, negated. A loss that tells quality has one near 1.
    """
    made = list(fit(toy.Toy(points=points, steps=steps, seed=seed, **game), device="cpu"))
    losses = [step.losses for step in made if step.losses]
    fooled = [-one["distance"] if "distance" in one else one["discriminator"] for one in losses]
    correlation = np.corrcoef(fooled, [one["good samples"] for one in losses])[0, 1]
    return made[-1].result["modes"], made[-1].result["good"], float(correlation)


def _row(name: str, found: list[tuple[int, float, float]]) -> list[str]:
    covered, good, correlation = zip(*found, strict=True)
    told = "–" if np.isnan(correlation).any() else f"{np.mean(correlation):.2f}"
    return [name, ", ".join(map(str, covered)), f"{np.mean(covered):.1f}", f"{np.mean(good):.2f}", told]


def course(options: argparse.Namespace) -> None:
    """Draw how a plain GAN, above, and one that looks five steps ahead, below, come to the ring."""
    torch.set_num_threads(1)
    rows = []
    for name in ("GAN", "unrolled, k = 5"):
        steps = fit(toy.Toy(points="ring", steps=SHOWN_STEPS[-1], **GAMES[name]), device="cpu")
        rows.append([step.preview for step in steps if step.result is None and step.index in SHOWN_STEPS])
    Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in rows])).save(options.file, quality=90)


def drawn(backend: PictureGenerator, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pictures of the first `count` seeds, N×3×side×side in [-1, 1], kinds in turn, and N numbers of these."""
    latents = torch.cat([backend.latent(seed) for seed in range(count)])
    labels = torch.arange(count) % max(1, len(backend.kinds))
    return draw(backend.network, latents, labels, backend.side), labels


def quality(options: argparse.Namespace) -> None:
    """Print FID and the Inception Score of each model."""
    how = {"tile": options.tile, "trim": options.trim}
    rows = [quality_row(name, options.data, options.count, **how) for name in options.models]
    print(markdown(QUALITIES, rows))


def quality_row(name: str, data: Path, count: int = 1000, **how: int | bool | None) -> list[str]:
    """Return the row of `quality` for a model and the folder that it was trained on, read as it was then."""
    backend = PictureGenerator.load(name, "cpu")
    learned, reference = pictures.from_folder(data, backend.side, **how).split(HELD_OUT)
    count = min(len(reference), count)
    evaluator = Evaluator(reference, torch.device("cpu"), count)
    scores = evaluator(drawn(backend, count)[0])
    floor = evaluator(learned.pixels[:count].float() / 127.5 - 1)
    return [name, str(count), f"{scores['FID']:.3f}", f"{floor['FID']:.3f}", f"{scores['IS']:.2f}"]


def kinds(options: argparse.Namespace) -> None:
    """Print the share of pictures whose kind our features' classifier recognises; it knows those of CIFAR-10."""
    features = checkpoints.load(FEATURES, "cpu")

    @torch.inference_mode()
    def right(pixels: torch.Tensor, labels: torch.Tensor) -> str:
        found = torch.cat([features.classifier(features.pooled(part)).argmax(1) for part in pixels.split(64)])
        return f"{(found == labels).float().mean():.3f}"

    real = pictures.from_folder(options.data, 32, tile=32)
    rows = [["real ones", right(real.pixels.float() / 255, real.labels)]]
    for name in options.models:
        backend = PictureGenerator.load(name, "cpu")
        if backend.kinds != real.kinds:
            raise SystemExit(f"{name} does not draw the kinds in {options.data}.")
        made, labels = drawn(backend, options.count)
        rows.append([name, right((made + 1) / 2, labels)])
    print(markdown(["Pictures", "Recognised as their kind"], rows))


def curves(options: argparse.Namespace) -> None:
    """Draw the FID that trainings reported as they went on."""
    found = {log.stem: re.findall(r"^\d+: FID ([\d.]+)", log.read_text(), re.MULTILINE) for log in options.logs}
    picture = draw_curves({f"{name}, FID": list(map(float, values)) for name, values in found.items()})
    Image.fromarray(picture).save(options.file, quality=90)


def sheet(options: argparse.Namespace) -> None:
    """Draw pictures of the first seeds."""
    backend = PictureGenerator.load(options.model, "cpu")
    columns = len(backend.kinds) or COLUMNS
    firsts = range(0, SHOWN // columns * columns, columns)
    steps = [step for first in firsts for step in backend.run(GeneratePictures(seed=first, count=columns))]
    _write([step.drawn.image for step in steps if step.drawn is not None], columns, options.file)


def there_and_back(options: argparse.Namespace) -> None:
    """Draw held-out pictures, each beside its reconstruction."""
    backend = PictureGenerator.load("pokemon-aegan", "cpu")
    held_out = pictures.from_folder(options.data, backend.side, trim=True).split(HELD_OUT)[1]
    chosen = held_out.pixels[: SHOWN // 2].permute(0, 2, 3, 1).numpy()
    _write([part for one in chosen for part in (one, backend.reconstructed(one))], COLUMNS, options.file)


def _write(shown: list[np.ndarray], columns: int, file: Path) -> None:
    whole = torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2) / 255
    picture = Image.fromarray(to_sheet(whole, columns))
    times = max(1, 96 // shown[0].shape[0])
    picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST).save(file, quality=90)


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(required=True)
    counted = actions.add_parser("modes")
    counted.add_argument("--points", default="ring", choices=TOYS)
    counted.add_argument("--steps", type=int, default=1000)
    counted.add_argument("--seeds", type=int, default=5)
    followed = actions.add_parser("course")
    followed.add_argument("file", type=Path)
    measured = actions.add_parser("quality")
    measured.add_argument("--data", type=Path, required=True)
    measured.add_argument("--tile", type=int)
    measured.add_argument("--trim", action="store_true")
    measured.add_argument("--count", type=int, default=1000)
    measured.add_argument("models", nargs="+")
    told = actions.add_parser("kinds")
    told.add_argument("--data", type=Path, required=True)
    told.add_argument("--count", type=int, default=1000)
    told.add_argument("models", nargs="+")
    plotted = actions.add_parser("curves")
    plotted.add_argument("file", type=Path)
    plotted.add_argument("logs", type=Path, nargs="+")
    shown = actions.add_parser("sheet")
    shown.add_argument("--model", required=True)
    shown.add_argument("file", type=Path)
    back = actions.add_parser("there-and-back")
    back.add_argument("--data", type=Path, required=True)
    back.add_argument("file", type=Path)
    functions = [modes, course, quality, kinds, curves, sheet, there_and_back]
    for action, function in zip((counted, followed, measured, told, plotted, shown, back), functions, strict=True):
        action.set_defaults(run=function)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
