"""Measure the training lab: modes covered on points by each family, and FID of the small picture models; draw sheets.

python -m benchmarks.classic modes [--steps 1000] [--seeds 5]      modes of eight on a ring, and good samples
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
from gan_models.classic import PictureGenerator, pictures, toy, training
from gan_models.images.curves import draw_curves
from gan_models.images.tensors import to_sheet
from gan_models.runtime import finish

GAMES = {
    "GAN": {"family_name": "gan"},
    "GAN, discriminator as fast": {"family_name": "gan", "lr_d": 1e-3},
    "CGAN": {"family_name": "cgan"},
    "unrolled, k = 1": {"family_name": "unrolled", "ahead": 1},
    "unrolled, k = 5": {"family_name": "unrolled", "ahead": 5},
    "unrolled, k = 10": {"family_name": "unrolled", "ahead": 10},
    "WGAN": {"family_name": "wgan"},
    "WGAN-GP": {"family_name": "wgan-gp"},
    "AEGAN": {"family_name": "aegan"},
}
QUALITIES = ["Model", "Pictures", "FID", "FID of training pictures", "IS"]
SHOWN, COLUMNS = 64, 8
SHOWN_STEPS = (100, 300, 600, 1000)


def modes(options: argparse.Namespace) -> None:
    """Print a table of the modes that are covered, by seed, and the mean share of good samples."""
    torch.set_num_threads(1)
    rows = []
    for name, game in GAMES.items():
        found = [finish(toy.train("ring", steps=options.steps, seed=seed, **game)) for seed in range(options.seeds)]
        covered = [one["modes"] for one in found]
        good = np.mean([one["good"] for one in found])
        rows.append([name, ", ".join(map(str, covered)), f"{np.mean(covered):.1f}", f"{good:.2f}"])
        print(rows[-1], flush=True)
    print(markdown(["Family", f"Modes of 8, {options.seeds} seeds", "Mean", "Good samples"], rows))


def course(options: argparse.Namespace) -> None:
    """Draw how a plain GAN, above, and one that looks five steps ahead, below, come to the ring."""
    torch.set_num_threads(1)
    rows = []
    for name in ("GAN", "unrolled, k = 5"):
        steps = toy.train("ring", steps=SHOWN_STEPS[-1], **GAMES[name])
        rows.append([step.preview for step in steps if step.result is None and step.index in SHOWN_STEPS])
    Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in rows])).save(options.file, quality=90)


def held_out(folder: Path, side: int, tile: int | None) -> pictures.Pictures:
    """Return the pictures of a folder that a training on it leaves out."""
    return pictures.from_folder(folder, side, tile=tile).split(training.HELD_OUT)[1]


def drawn(backend: PictureGenerator, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pictures of the first `count` seeds, N×3×side×side in [-1, 1], kinds in turn, and N numbers of these."""
    latents = torch.cat([backend.latent(seed) for seed in range(count)])
    labels = torch.arange(count) % max(1, len(backend.kinds))
    return training.draw(backend.network, latents, labels, backend.side), labels


def quality(options: argparse.Namespace) -> None:
    """Print FID and the Inception Score of each model."""
    rows = [quality_row(name, options.data, options.tile, options.count) for name in options.models]
    print(markdown(QUALITIES, rows))


def quality_row(name: str, data: Path, tile: int | None = None, count: int = 1000) -> list[str]:
    """Return the row of `quality` for a model and the folder that it was trained on."""
    backend = PictureGenerator(name, "cpu")
    learned, reference = pictures.from_folder(data, backend.side, tile=tile).split(training.HELD_OUT)
    count = min(len(reference), count)
    judge = training.Judge(reference, torch.device("cpu"), count)
    scores = judge(drawn(backend, count)[0])
    floor = judge(learned.pixels[:count].float() / 127.5 - 1)
    return [name, str(count), f"{scores['FID']:.3f}", f"{floor['FID']:.3f}", f"{scores['IS']:.2f}"]


def kinds(options: argparse.Namespace) -> None:
    """Print the share of pictures whose kind our features' classifier recognises; it knows those of CIFAR-10."""
    features = checkpoints.load(training.FEATURES, "cpu")

    @torch.inference_mode()
    def right(pixels: torch.Tensor, labels: torch.Tensor) -> str:
        found = torch.cat([features.classifier(features.pooled(part)).argmax(1) for part in pixels.split(64)])
        return f"{(found == labels).float().mean():.3f}"

    real = pictures.from_folder(options.data, 32, tile=32)
    rows = [["real ones", right(real.pixels.float() / 255, real.labels)]]
    for name in options.models:
        backend = PictureGenerator(name, "cpu")
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
    backend = PictureGenerator(options.model, "cpu")
    columns = len(backend.kinds) or COLUMNS
    _write(backend(seeds=list(range(SHOWN // columns * columns))), columns, options.file)


def there_and_back(options: argparse.Namespace) -> None:
    """Draw held-out pictures, each beside its reconstruction."""
    backend = PictureGenerator("pokemon-aegan", "cpu")
    chosen = held_out(options.data, backend.side, None).pixels[: SHOWN // 2].permute(0, 2, 3, 1).numpy()
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
    counted.add_argument("--steps", type=int, default=1000)
    counted.add_argument("--seeds", type=int, default=5)
    followed = actions.add_parser("course")
    followed.add_argument("file", type=Path)
    judged = actions.add_parser("quality")
    judged.add_argument("--data", type=Path, required=True)
    judged.add_argument("--tile", type=int)
    judged.add_argument("--count", type=int, default=1000)
    judged.add_argument("models", nargs="+")
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
    for action, function in zip((counted, followed, judged, told, plotted, shown, back), functions, strict=True):
        action.set_defaults(run=function)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
