"""Measure SinGAN's training against a plain implementation of the published loop, on the same picture and scales.

python -m benchmarks.singan speed PICTURE ...    seconds a scale of both, from some iterations each
python -m benchmarks.singan quality PICTURE ...  SIFID and diversity of samples after a whole training of ours
python -m benchmarks.singan plain PICTURE ...    the same after a whole training of the plain loop (hours on a CPU)

The plain loop follows the paper and the official code's schedule: 2000 iterations a scale, each of three steps of
the discriminator, which draw through the whole pyramid anew, and three of the generator on the last sample.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from gan_models.images import decode
from gan_models.losses import gradient_penalty
from gan_models.metrics import sifid
from gan_models.singan import tasks
from gan_models.singan.model import resize
from gan_models.singan.training import PENALTY_WEIGHT, PRESETS, RECONSTRUCTION_WEIGHT, Training

CPU = torch.device("cpu")
SAMPLES = 10


class Plain(Training):
    """The published loop; what is prepared for a scale is our trainer's, what an iteration does is not."""

    def iterate(self) -> dict[str, float]:
        """Three steps of either network, each of the first three on a sample drawn through all scales."""
        model, size = self.model, self.model.sizes[self.scale]
        self.set_rate()
        for _ in range(self.preset.steps):
            self.d_optimizer.zero_grad()
            (-self.discriminator(self.real).mean()).backward()
            with torch.no_grad():
                below = resize(model.draw(until=self.scale, rng=self.rng), size) if self.scale else self.bank[:1]
            noise = model.noise(self.scale, size, self.rng) * model.amplitudes[self.scale]
            fake = self.generator(noise, below)
            self.discriminator(fake.detach()).mean().backward()
            penalty = gradient_penalty(self.discriminator, self.real, fake, self.rng)
            (PENALTY_WEIGHT * penalty).backward()
            self.d_optimizer.step()
        for _ in range(self.preset.steps):
            self.g_optimizer.zero_grad()
            fake = self.generator(noise, below)
            (-self.discriminator(fake).mean()).backward()
            error = F.mse_loss(self.generator(self.fixed_noise, self.reconstructed), self.real)
            (RECONSTRUCTION_WEIGHT * error).backward()
            self.g_optimizer.step()
        self.advance()
        return {"reconstruction": error.item()}


def trainings(path: Path, preset: str) -> dict[str, Training]:
    """Return a training of ours and one of the plain loop on the same picture, at the same sizes."""
    picture = decode(path)[:, :, :3]
    PRESETS["plain"] = replace(PRESETS["paper"], max_side=PRESETS[preset].max_side)
    return {preset: Training(picture, preset, 0, CPU), "plain": Plain(picture, "plain", 0, CPU)}


def speed(options: argparse.Namespace) -> None:
    """Time some iterations of each at every scale, in turn, and print what a whole scale takes."""
    print("| Picture | Scale | Plain (s a scale) | Ours (s a scale) | Speed (plain = 1) |")
    print("| --- | --- | --- | --- | --- |")
    for path in options.pictures:
        runs = trainings(path, options.preset)
        totals = dict.fromkeys(runs, 0.0)
        for scale, (height, width) in enumerate(runs["plain"].model.sizes):
            seconds = {}
            for name, run in runs.items():
                run.iterate()
                started = time.perf_counter()
                for _ in range(options.iterations):
                    run.iterate()
                seconds[name] = (time.perf_counter() - started) / options.iterations * run.preset.iterations
                totals[name] += seconds[name]
                run.iteration = run.preset.iterations - 1
                run.advance()
            ratio = seconds["plain"] / seconds[options.preset]
            plain, ours = seconds["plain"], seconds[options.preset]
            print(f"| {path.stem} | {scale} ({width}×{height}) | {plain:.0f} | {ours:.1f} | {ratio:.1f} |")
        ratio = totals["plain"] / totals[options.preset]
        print(f"| {path.stem} | all | {totals['plain']:.0f} | {totals[options.preset]:.1f} | {ratio:.1f} |")


def quality(options: argparse.Namespace) -> None:
    """Train wholly, and print the mean SIFID of samples and how much they differ."""
    name = "plain" if options.action == "plain" else options.preset
    print("| Picture | Training | Seconds | SIFID from scale 0 | SIFID from scale 1 | Diversity |")
    print("| --- | --- | --- | --- | --- | --- |")
    for path in options.pictures:
        run = trainings(path, options.preset)[name]
        started = time.perf_counter()
        while run.scale < len(run.model.sizes):
            run.iterate()
        seconds = time.perf_counter() - started
        picture = run.model.picture.numpy()
        samples = [list(tasks.sample(run.model, count=SAMPLES, start_scale=scale)) for scale in (0, 1)]
        distances = [np.mean([sifid(image, picture) for image in images]) for images in samples]
        # The paper's: deviation of each pixel over the samples, in units of the picture's own.
        diversity = np.std(np.array(samples[0], float).mean(-1), axis=0).mean() / picture.astype(float).mean(-1).std()
        print(f"| {path.stem} | {name} | {seconds:.0f} | {distances[0]:.4f} | {distances[1]:.4f} | {diversity:.2f} |")
        if options.sheets:
            rows = [np.concatenate([picture, *images[:5]], 1) for images in samples]
            Image.fromarray(np.concatenate(rows)).save(options.sheets / f"{path.stem}-{name}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("speed", "quality", "plain"))
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--preset", default="quick", choices=tuple(PRESETS))
    parser.add_argument("--iterations", type=int, default=8, help="speed: timed at each scale")
    parser.add_argument("--sheets", type=Path, help="folder for sheets of samples")
    chosen = parser.parse_args()
    speed(chosen) if chosen.action == "speed" else quality(chosen)
