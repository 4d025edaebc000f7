"""Measure inversion: speed against a plain loop, the encoder's head start, and what comes out.

python -m benchmarks.inversion speed                   seconds a step, ours and the published projector's loop
python -m benchmarks.inversion start                   distance after equal time: plain loop, ours from both starts
python -m benchmarks.inversion quality --data FOLDER   recovery of drawn faces; ten photos inverted, coloured, mended
python -m benchmarks.inversion example --sheet FILE    the same for a photo in the public domain, and edits of it

The plain loop is NVIDIA's projector as published (one w, the average's start, noise on w, a fresh regularisation each
step), with the same distance. The ten faces are photos of BSDS500 that no part of the models has seen; `--data` is
the folder that holds its `train`.
"""

import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from skimage import data

from gan_models.images import decode
from gan_models.images.faces import CROPS, cut, find_faces
from gan_models.images.tensors import to_tensor
from gan_models.inversion import ColorizeFace, InpaintFace, InvertFace, MeasureFace
from gan_models.inversion.backend import PIXEL_WEIGHT, FaceInverter, Inversion, Search, ramp, seen
from gan_models.inversion.measurements import everything
from gan_models.jobs import finish
from gan_models.metrics import psnr
from gan_models.stylegan2.backend import FaceGenerator
from gan_models.stylegan2.edit import FaceEditor
from gan_models.stylegan2.latents import noise_names
from gan_models.stylegan2.network import Generator

FACES = (
    *(("15062", 0), ("181018", 0), ("181079", 0), ("189003", 0), ("189011", 0)),
    *(("285036", 0), ("302022", 0), ("368037", 0), ("368037", 2), ("376001", 1)),
)
SIDE = 128  # of the squares that are cut out of the photos
STEPS = InvertFace.parameters()["steps"].default


class Plain:
    """The published loop, in few words: NVIDIA's projector, on the generator's own buffers."""

    def __init__(self, backend: FaceInverter, shown: torch.Tensor, steps: int):
        self.backend, self.total = backend, steps
        self.mean, self.deviation = backend.spread
        self.w = self.mean.view(1, 1, -1).clone().requires_grad_()
        self.buffers = dict(backend.network.synthesis.named_buffers())
        self.noises = [self.buffers[name] for name in noise_names(backend.network.synthesis)]
        for noise in self.noises:
            noise.copy_(torch.randn_like(noise)).requires_grad_()
        self.optimizer = torch.optim.Adam([self.w, *self.noises], lr=0.1)
        self.shown, self.described = shown, backend.distance.describe(seen(shown))

    def step(self, index: int) -> float:
        """Take one step and return the distance."""
        done = index / self.total
        self.optimizer.param_groups[0]["lr"] = 0.1 * ramp(done)
        strength = self.deviation * 0.05 * max(0.0, 1 - done / 0.75) ** 2
        ws = (self.w + torch.randn_like(self.w) * strength).repeat(1, self.backend.network.num_ws, 1)
        picture = self.backend.network.synthesis(ws, "const") / 2 + 0.5
        distance = self.backend.distance(seen(picture), self.described).sum()
        distance = distance + PIXEL_WEIGHT * (picture - self.shown).square().mean()
        regularization = 0.0
        for noise in self.noises:
            level = noise[None, None]
            while True:
                for axis in (3, 2):
                    regularization = regularization + (level * torch.roll(level, 1, axis)).mean() ** 2
                if level.shape[2] <= 8:
                    break
                level = torch.nn.functional.avg_pool2d(level, 2)
        self.optimizer.zero_grad(set_to_none=True)
        (distance + 1e5 * regularization).backward()
        self.optimizer.step()
        with torch.no_grad():
            for noise in self.noises:
                noise -= noise.mean()
                noise *= noise.square().mean().rsqrt()
        return distance.item()


def backend_of(side: int) -> FaceInverter:
    """Return an inverter: the embedded one at 64 pixels, else of a generator of FFHQ's shapes with random weights."""
    backend = FaceInverter.load("faces-compact", "cpu")
    backend.network = copy.deepcopy(backend.network)  # as the plain loop writes into its buffers
    if side != backend.side:
        torch.manual_seed(0)
        network = Generator(512, 0, 512, side, 3).eval().requires_grad_(False)
        backend.network, backend.encoder = network.to(memory_format=torch.channels_last), None
    return backend


def found(backend: FaceInverter, ask: InvertFace | ColorizeFace | InpaintFace | MeasureFace) -> Inversion:
    """Return what comes of the picture asked about, as it is, in the default number of steps."""
    return finish(backend.search(ask, ask.image, getattr(ask, "mask", None)))


def speed(options: argparse.Namespace) -> None:
    """Time some steps of each in turn, at three sizes."""
    print("| Generator | Plain (s a step) | Ours (s a step) | Speed (plain = 1) |")
    print("| --- | --- | --- | --- |")
    for side, count in ((64, 40), (256, 6), (1024, 2)):
        backend = backend_of(side)
        shown = torch.rand(1, 3, side, side)
        begun = backend.spread[0].expand(1, backend.network.num_ws, -1)
        ours = Search(backend, everything, shown, 1000, 0, 0.0, begun, None)
        plain = Plain(backend_of(side), shown, 1000)
        seconds = {"plain": [], "ours": []}
        for index in range(count + 1):
            for name, search in (("plain", plain), ("ours", ours)):
                started = time.perf_counter()
                search.step(index + 100)
                seconds[name].append(time.perf_counter() - started)
        each = {name: float(np.median(values[1:])) for name, values in seconds.items()}
        ratio = each["plain"] / each["ours"]
        print(f"| {side} pixels | {each['plain']:.3f} | {each['ours']:.3f} | {ratio:.2f} |", flush=True)


def start(options: argparse.Namespace) -> None:
    """Print the distance of ten photos after shares of the plain loop's time, which takes 300 steps."""
    faces = photos(options.data)
    shares = (0.05, 0.1, 0.2, 1.0)
    tables = {"plain, w": [], "ours, average": [], "ours, encoder": []}
    for face in faces:
        backend = backend_of(64)
        shown = to_tensor(cv2.resize(face, (64, 64), interpolation=cv2.INTER_AREA))
        plain = Plain(backend_of(64), shown, STEPS)
        started = time.perf_counter()
        reached = [(plain.step(index), time.perf_counter() - started) for index in range(STEPS)]
        budget = reached[-1][1]
        tables["plain, w"].append([_at(reached, share * budget) for share in shares])
        for name, kind in (("ours, average", "average"), ("ours, encoder", "encoder")):
            row = []
            for share in shares:  # a run of that length each, as the rate falls towards the end
                row.append(_within(backend, shown, kind, share * budget, budget))
            tables[name].append(row)
    heads = " | ".join(f"{share:.0%} of the time" for share in shares)
    print(f"| Loop | {heads} |\n|{' --- |' * (len(shares) + 1)}")
    for name, rows in tables.items():
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in np.median(rows, 0))} |")


def _at(reached: list[tuple[float, float]], seconds: float) -> float:
    return min(value for value, when in reached if when <= max(seconds, reached[0][1]))


def _within(backend: FaceInverter, shown: torch.Tensor, kind: str, seconds: float, budget: float) -> float:
    """Return the distance after as many steps as take `seconds`, of which the plain loop's 300 take `budget`."""
    started = time.perf_counter()
    steps = max(1, round(STEPS * seconds / budget))
    search = Search(backend, everything, shown, steps, 0, 0.0, backend._begun(shown, "w+", kind, None), None)
    for index in range(steps):
        search.step(index)
        if time.perf_counter() - started > seconds:
            break
    return search.distance()


def photos(folder: Path) -> list[np.ndarray]:
    """Return the ten faces, 128×128×3 uint8 each."""
    squares = []
    for name, place in FACES:
        picture = decode(next(folder.rglob(f"{name}.jpg")))[:, :, :3]
        squares.append(cut(picture, find_faces(picture)[place], CROPS["utkface"], SIDE))
    return squares


def quality(options: argparse.Namespace) -> None:
    """Print how well drawn faces come back, and what becomes of ten photos."""
    backend, faces = FaceInverter.load("faces-compact", "cpu"), FaceGenerator.load("faces-compact", "cpu")
    values = []
    for w in faces.styles(faces.latents(range(100, 110)), 0.7):
        picture = faces.draw(w)
        values.append(psnr(picture, found(backend, InvertFace(image=picture, start="average")).drawn))
    print(f"Ten drawn faces, {STEPS} steps from the average: PSNR median {np.median(values):.1f} dB, "
          f"{min(values):.1f} to {max(values):.1f}.\n")  # fmt: skip
    squares = photos(options.data)
    rows = {"Photos": squares}
    hole = np.zeros((SIDE, SIDE), bool)
    hole[SIDE // 4 : 3 * SIDE // 4, SIDE // 4 : 3 * SIDE // 4] = True  # a quarter of the square
    inverted = [found(backend, InvertFace(image=face)) for face in squares]
    average = [found(backend, InvertFace(image=face, start="average")) for face in squares]
    grey = [np.repeat(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)[:, :, None], 3, 2) for face in squares]
    coloured = [found(backend, ColorizeFace(image=face)) for face in grey]
    mended = [found(backend, InpaintFace(image=face, mask=hole)) for face in squares]
    telea = [cv2.inpaint(face, hole.astype(np.uint8), 3, cv2.INPAINT_TELEA) for face in squares]
    print("| | Before | After |\n| --- | --- | --- |")
    for name, results in (("from the encoder", inverted), ("from the average", average)):
        distances = np.median([result.distance for result in results], 0)
        print(f"| Distance, {name} (median) | {distances[0]:.3f} | {distances[1]:.3f} |")
    drawn = [cv2.resize(result.drawn, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for result in inverted]
    small = [cv2.resize(face, (64, 64), interpolation=cv2.INTER_AREA) for face in squares]
    fits = np.median([psnr(face, result.drawn) for face, result in zip(small, inverted, strict=True)])
    print(f"| PSNR of the drawn face (median, dB) | | {fits:.1f} |")
    tints = [_mean(tint_error, squares, others) for others in (grey, [result.picture for result in coloured])]
    print(f"| Colourised: mean error of a and b in Lab (grey, coloured) | {tints[0]:.2f} | {tints[1]:.2f} |")

    def in_the_hole(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a.astype(float) - b)[hole].mean())

    holes = [_mean(in_the_hole, squares, others) for others in (telea, [result.picture for result in mended])]
    print(f"| Inpainted quarter: mean error in the hole (Telea, ours) | {holes[0]:.2f} | {holes[1]:.2f} |")
    holed = [np.where(hole[:, :, None], 128, face).astype(np.uint8) for face in squares]
    rows |= {"Inverted": drawn, "Coloured": [result.picture for result in coloured], "Holes": holed, "Telea": telea}
    rows["Mended"] = [result.picture for result in mended]
    if options.sheet:
        Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in rows.values()])).save(options.sheet)


def _mean(error: Callable, squares: list[np.ndarray], others: list[np.ndarray]) -> float:
    return float(np.mean([error(face, other) for face, other in zip(squares, others, strict=True)]))


def example(options: argparse.Namespace) -> None:
    """Write a sheet of what becomes of the astronaut: inverted, edited; coloured; mended."""
    backend, editor = FaceInverter.load("faces-compact", "cpu"), FaceEditor.load("faces-compact", "cpu")
    picture = data.astronaut()
    face = cut(picture, find_faces(picture)[0], CROPS["utkface"], SIDE)
    inverted = found(backend, InvertFace(image=face))
    edits = ({}, {"age": 2.5}, {"smile": -2.5}, {"long_hair": 2}, {"dark_hair": 2.5})
    latents = [editor.edited(inverted.latents.w, edit) for edit in edits]
    drawn = [editor.faces.draw(w, noises=inverted.latents.noises) for w in latents]
    grey = np.repeat(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)[:, :, None], 3, 2)
    hole = np.zeros((SIDE, SIDE), bool)
    hole[SIDE // 4 : 3 * SIDE // 4, SIDE // 4 : 3 * SIDE // 4] = True
    mended = found(backend, InpaintFace(image=face, mask=hole)).picture
    few = found(backend, MeasureFace(image=face, share=0.1))
    second = [grey, found(backend, ColorizeFace(image=grey)).picture]
    second += [np.where(hole[:, :, None], 128, face).astype(np.uint8), mended, few.shown, few.picture]
    rows = [[face, *drawn], second]
    tiles = [[cv2.resize(tile, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for tile in row] for row in rows]
    Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in tiles])).save(options.sheet)


def tint_error(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean absolute difference of two pictures in the channels a and b of Lab."""
    a, b = (cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[:, :, 1:] for picture in (a, b))
    return float(np.abs(a - b).mean())


ACTIONS = {"speed": speed, "start": start, "quality": quality, "example": example}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=tuple(ACTIONS))
    parser.add_argument("--data", type=Path, default=Path("data/bsds500"))
    parser.add_argument("--sheet", type=Path, help="quality: a picture of all results")
    chosen = parser.parse_args()
    print(f"PyTorch with {torch.get_num_threads()} threads.\n")
    ACTIONS[chosen.action](chosen)
