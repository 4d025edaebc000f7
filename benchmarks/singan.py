"""Measure SinGAN: the training against a plain implementation of the published loop, and what models draw.

python -m benchmarks.singan speed PICTURE ...     seconds a scale of both, from some iterations each
python -m benchmarks.singan quality PICTURE ...   SIFID and diversity of samples after whole trainings of both (hours)
python -m benchmarks.singan embedded              SIFID and diversity of samples of the embedded models
python -m benchmarks.singan tasks                 SIFID of harmonised, edited and painted pictures against naive ones

The plain loop follows the paper and the official code's schedule: 2000 iterations a scale, each of three steps of
the discriminator, which draw through the whole pyramid anew, and three of the generator on the last sample.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from gan_models.checkpoints import registry
from gan_models.images import decode, flatten
from gan_models.images.palette import main_colours, nearest_colours
from gan_models.metrics import sifid
from gan_models.metrics.sifid import sifid_features
from gan_models.nn.losses import gradient_penalty
from gan_models.singan import SinganEdit, SinganHarmonize, SinganPaint, applications, default_start_scale
from gan_models.singan.backend import SingleImage
from gan_models.singan.model import SinGAN, resize
from gan_models.singan.trainer import PENALTY_WEIGHT, PRESETS, SinGANTrainer

EXAMPLES = Path("examples/single-image-objects")
PLACED = {  # an object in each model's picture: x, y and width as shares of it
    "singan-balloons": ("airship", 0.55, 0.4, 0.3),
    "singan-mountains": ("moon", 0.75, 0.2, 0.14),
    "singan-sea": ("boat", 0.4, 0.5, 0.25),
    "singan-birds": ("airship", 0.6, 0.4, 0.3),
    "singan-town": ("airship", 0.6, 0.2, 0.3),
    "singan-gravel": ("moon", 0.4, 0.6, 0.3),
}
CPU = torch.device("cpu")
SAMPLES = 10


class Plain(SinGANTrainer):
    """The published loop; what is prepared for a scale is our trainer's, what an iteration does is not."""

    def step(self, index: int) -> dict[str, float]:
        """Three steps of either network, each of the first three on a sample drawn through all scales."""
        model, size = self.model, self.sizes[self.scale]
        self.set_rate()
        for _ in range(self.chosen.steps):
            self.d_optimizer.zero_grad()
            (-self.discriminator(self.real).mean()).backward()
            with torch.no_grad():
                below = resize(model.draw(until=self.scale, rng=self.rng), size) if self.scale else self.bank[:1]
            noise = model.noise(self.scale, size, self.rng) * model.amplitudes[self.scale]
            fake = self.generator(noise, below)
            self.discriminator(fake.detach()).mean().backward()
            penalty = gradient_penalty(self.discriminator, self.real, fake, self.rng, by_pixel=True)
            (PENALTY_WEIGHT * penalty).backward()
            self.d_optimizer.step()
        for _ in range(self.chosen.steps):
            self.g_optimizer.zero_grad()
            fake = self.generator(noise, below)
            (-self.discriminator(fake).mean()).backward()
            error = F.mse_loss(self.generator(self.fixed_noise, self.reconstructed), self.real)
            (self.reconstruction_weight * error).backward()
            self.g_optimizer.step()
        self.advance()
        return {"reconstruction": error.item()}


def trainings(path: Path, presets: list[str], side: int | None = None) -> dict[str, SinGANTrainer]:
    """Return a training on one picture, at the same sizes, for each preset; the last, "plain", is the plain loop.

    The side is `side`, or that of the first preset.
    """
    picture = flatten(decode(path))
    side = side or PRESETS[presets[0]].max_side
    for preset in presets:
        PRESETS[preset] = replace(PRESETS[preset], max_side=side)
    PRESETS["plain"] = replace(PRESETS["paper"], max_side=side)
    runs = {preset: SinGANTrainer(picture=picture, preset=preset) for preset in presets}
    runs["plain"] = Plain(picture=picture, preset="plain")
    for run in runs.values():
        run.device = CPU
        run.build()
    return runs


def speed(options: argparse.Namespace) -> None:
    """Time some iterations of each at every scale, in turn, and print what a whole scale takes."""
    (preset,) = options.presets
    print("| Picture | Scale | Plain (s a scale) | Ours (s a scale) | Speed (plain = 1) |")
    print("| --- | --- | --- | --- | --- |")
    for path in options.pictures:
        runs = trainings(path, [preset], options.side)
        totals = dict.fromkeys(runs, 0.0)
        for scale, (height, width) in enumerate(runs["plain"].model.sizes):
            seconds = {}
            for name, run in runs.items():
                run.step(0)
                started = time.perf_counter()
                for _ in range(options.iterations):
                    run.step(0)
                seconds[name] = (time.perf_counter() - started) / options.iterations * run.lengths[scale]
                run.iteration = run.lengths[scale] - 1
                started = time.perf_counter()
                run.advance()
                if name != "plain":  # which needs none of what is prepared for a scale
                    seconds[name] += time.perf_counter() - started
                totals[name] += seconds[name]
            plain, ours = seconds["plain"], seconds[preset]
            ratio = plain / ours
            print(f"| {path.stem} | {scale} ({width}×{height}) | {plain:.0f} | {ours:.1f} | {ratio:.1f} |")
        plain, ours = totals["plain"], totals[preset]
        print(f"| {path.stem} | all | {plain:.0f} | {ours:.1f} | {plain / ours:.1f} |")


def quality(options: argparse.Namespace) -> None:
    """Train with each preset and with the plain loop, and print what their samples are worth."""
    print("| Picture | Training | Seconds | SIFID from scale 0 | SIFID from scale 1 | Diversity |")
    print("| --- | --- | --- | --- | --- | --- |")
    for path in options.pictures:
        for name, run in trainings(path, options.presets, options.side).items():
            started = time.perf_counter()
            for index in range(run.steps):
                run.step(index)
            seconds = time.perf_counter() - started
            print(f"| {path.stem} | {name} | {seconds:.0f} | {evaluate(run.model)} |", flush=True)
            keep_sheet(run.model, options.sheets, f"{path.stem}-{name}")


def embedded(options: argparse.Namespace) -> None:
    """Print what samples of the embedded models are worth."""
    print("| Model | Pixels | SIFID from scale 0 | SIFID from scale 1 | Diversity |")
    print("| --- | --- | --- | --- | --- |")
    for name in models():
        network = SingleImage.load(name, "cpu").network
        height, width = network.sizes[-1]
        print(f"| {name} | {width}×{height} | {evaluate(network)} |")
        keep_sheet(network, options.sheets, name)


def models() -> list[str]:
    """Return the names of the embedded models."""
    return [model.name for model in registry.models(SingleImage.weights)]


def evaluate(model: SinGAN) -> str:
    """Return `figures` as cells of a table."""
    first, second, diversity = figures(model)
    return f"{first:.3f} | {second:.3f} | {diversity:.2f}"


def figures(model: SinGAN) -> tuple[float, float, float]:
    """Return the mean SIFID of samples from scale 0 and from scale 1, and how much the former differ.

    Diversity is the paper's: the deviation of each pixel over the samples, in units of the picture's own.
    """
    picture = model.picture.numpy()
    samples = [list(applications.sample(model, count=SAMPLES, start_scale=scale)) for scale in (0, 1)]
    distances = [np.mean([sifid(image, picture) for image in images]) for images in samples]
    greys = np.array(samples[0], float).mean(-1)
    diversity = greys.std(axis=0).mean() / picture.astype(float).mean(-1).std()
    return *map(float, distances), float(diversity)


def keep_sheet(model: SinGAN, folder: Path | None, name: str) -> None:
    """Write the training picture with four samples from scale 0 beside it, if there is a folder for that."""
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        row = np.concatenate([model.picture.numpy(), *applications.sample(model, count=4, seed=1)], 1)
        Image.fromarray(row).save(folder / f"{name}.png")


def redrawing(options: argparse.Namespace) -> None:
    """Print the SIFID to the training picture of naive composites, edits and paintings, and of the results."""
    print("| Model | Task | Start scale | SIFID before | SIFID after |")
    print("| --- | --- | --- | --- | --- |")
    for name, (thing, x, y, width) in PLACED.items():
        backend = SingleImage.load(name, "cpu")
        picture = backend.picture
        composite, mask = applications.paste(picture, decode(EXAMPLES / f"{thing}.png"), x=x, y=y, width=width)
        edited, moved = applications.paste(
            picture, applications.cut(picture, (0.05, 0.5, 0.3, 0.9)), x=0.6, y=0.45, width=0.25
        )
        rough = cv2.GaussianBlur(picture[:, ::-1], (0, 0), picture.shape[1] / 32)
        painting = nearest_colours(rough, main_colours(picture))
        results = {
            "harmonize": (composite, backend(SinganHarmonize(composite=composite, mask=mask > 0))),
            "edit": (edited, backend(SinganEdit(edited=edited, mask=moved > 0))),
            "paint": (painting, backend(SinganPaint(painting=painting))),
        }
        for task, (before, after) in results.items():
            distances = [sifid(image, picture) for image in (before, after)]
            scale = default_start_scale(task, backend.scales)
            print(f"| {name} | {task} | {scale} | {distances[0]:.4f} | {distances[1]:.4f} |")
        if options.sheets:
            options.sheets.mkdir(parents=True, exist_ok=True)
            row = np.concatenate([picture, *(image for pair in results.values() for image in pair)], 1)
            Image.fromarray(row).save(options.sheets / f"{name}-tasks.png")


ACTIONS = {"speed": speed, "quality": quality, "embedded": embedded, "tasks": redrawing}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=tuple(ACTIONS))
    parser.add_argument("pictures", type=Path, nargs="*")
    parser.add_argument("--presets", nargs="+", default=["quick"], choices=tuple(PRESETS))
    parser.add_argument("--side", type=int, help="pixels of the longer side, instead of the preset's")
    parser.add_argument("--iterations", type=int, default=8, help="speed: timed at each scale")
    parser.add_argument("--sheets", type=Path, help="folder for sheets of samples")
    chosen = parser.parse_args()
    print(f"SIFID by {sifid_features()}; PyTorch with {torch.get_num_threads()} threads.\n")
    ACTIONS[chosen.action](chosen)
