"""The face generation backend: pictures from seeds, mixtures of two, and films from one to the next."""

import io
import os
import tokenize
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.device import computing, device_lock
from gan_models.images.tensors import to_image
from gan_models.jobs import Drawn, Step
from gan_models.seeds import MAX_COUNT, parse_seeds
from gan_models.stylegan2 import GenerateFaces, InterpolateFaces, MixStyles
from gan_models.task import Task

MAX_FRAMES = 1200
MALFORMED = (MemoryError, RecursionError, tokenize.TokenError, zipfile.BadZipFile)  # what else NumPy's reader raises


class FaceGenerator(Backend):
    """Pictures drawn by StyleGAN2 (Karras et al. 2020).

    A seed gives the latent z that NVIDIA's code makes of it. Pictures are drawn one by one, so that a seed gives
    the same one alone and among others, to the last bit on one machine; and in float32 on every device, so that it
    is the same to the eye on all of them.
    """

    weights = "faces"

    def __init__(self, network: nn.Module, model: registry.Model, device: torch.device | str | None = None):
        super().__init__(network.to(memory_format=torch.channels_last), model, device)

    def run(self, ask: Task) -> Iterator[Step]:
        """Do what is asked.

        Raises:
            ValueError: What is asked for does not fit the weights, seeds or latents are none, or memory is too short.
        """
        match ask:
            case GenerateFaces():
                yield from self._generate(ask)
            case MixStyles():
                yield from self._mix(ask)
            case InterpolateFaces():
                yield from self._interpolate(ask)

    def _generate(self, ask: GenerateFaces) -> Iterator[Step]:
        seeds: list[int | None] = [] if ask.latents else list(parse_seeds(ask.seed, ask.count))
        if ask.latents:
            ws = self.checked_styles(load_styles(ask.latents))
            seeds = [None] * len(ws)
        else:
            ws = self.styles(self.latents(seeds), ask.truncation)
        for number, (w, seed) in enumerate(zip(ws, seeds, strict=True), start=1):
            picture = self.draw(w, noise=ask.noise, seed=number - 1 if seed is None else seed)
            caption = f"Latent {number}" if seed is None else f"Seed {seed}"
            yield Step(number, len(ws), preview=picture, drawn=Drawn(picture, caption, record={"seed": seed}))
        text = f"{number} face{'s' * (number > 1)} of {picture.shape[0]} pixels"
        notes = {"seed": seeds[0], "seeds": [] if ask.latents else seeds}
        yield Step(number, number, message=text, result={"latents": styles_file(ws)}, notes=notes)

    def _mix(self, ask: MixStyles) -> Iterator[Step]:
        seeds = [*parse_seeds(ask.content_seed), *parse_seeds(ask.style_seed)]
        ws = self.mixed(*seeds, first=ask.crossover, last=ask.last_layer, truncation=ask.truncation)
        captions = (f"Shape: seed {seeds[0]}", f"Colours: seed {seeds[1]}", "Mixture")
        for number, (w, caption) in enumerate(zip(ws, captions, strict=True), start=1):
            picture = self.draw(w)
            seed = seeds[number - 1] if number <= len(seeds) else None
            yield Step(number, 3, preview=picture, drawn=Drawn(picture, caption, record={"seed": seed}))
        yield Step(3, 3, message="A mixture", result={"image": picture})

    def _interpolate(self, ask: InterpolateFaces) -> Iterator[Step]:
        seeds = parse_seeds(ask.seeds)
        options = {"frames": ask.frames, "truncation": ask.truncation, "space": ask.space, "loop": ask.loop}
        ws = self.between(seeds, **options)
        for number, w in enumerate(ws, start=1):
            yield Step(number, len(ws), frame=self.draw(w), notes={"seeds": seeds})
        text = f"{len(ws)} pictures, {len(ws) / ask.fps:.1f} s of film,"
        yield Step(1, 1, message=text, result={})

    @property
    def layers(self) -> int:
        """The number of layers that take a w."""
        return self.network.num_ws

    @torch.inference_mode()
    def styles(self, z: np.ndarray, truncation: float = 1) -> np.ndarray:
        """Return the N×layers×w_dim float32 latents w of N×z_dim latents z, moved towards their average.

        Args:
            z: Latents; `latents` makes them from seeds.
            truncation: 1 leaves w, 0 gives the average face.
        """
        with device_lock(self.device):
            rows = torch.from_numpy(z).float().to(self.device)
            ws = [self.network.mapping(row[None], truncation_psi=truncation) for row in rows]
            return torch.cat(ws).cpu().numpy()

    def latents(self, seeds: Sequence[int]) -> np.ndarray:
        """Return the N×z_dim float64 latents z of N seeds, each from NumPy's Mersenne Twister."""
        return np.stack([np.random.RandomState(seed).randn(self.network.z_dim) for seed in seeds])

    def checked_styles(self, ws: np.ndarray) -> np.ndarray:
        """Return latents that came from outside, N×layers×w_dim, layers×w_dim, N×w_dim or w_dim, as N×layers×w_dim.

        Raises:
            ValueError: They are of another shape, too many, not numbers, or not finite.
        """
        layers, width = self.layers, self.network.w_dim
        with np.errstate(over="ignore"):
            ws = ws.astype(np.float32) if ws.dtype.kind == "f" else ws
        if ws.dtype.kind != "f" or ws.ndim == 0 or ws.shape[-1] != width or not np.isfinite(ws).all():
            raise ValueError(f"These weights take latents of {layers}×{width} finite numbers, not {_shape(ws)}.")
        if ws.ndim == 1 or (ws.ndim == 2 and len(ws) != layers):
            ws = np.repeat(np.atleast_2d(ws)[:, None], layers, axis=1)
        ws = ws[None] if ws.ndim == 2 else ws
        if ws.shape[1:] != (layers, width) or not 1 <= len(ws) <= MAX_COUNT:
            raise ValueError(f"These weights take 1 to {MAX_COUNT} latents of {layers}×{width}, not {_shape(ws)}.")
        return ws

    @torch.inference_mode()
    def draw(
        self, ws: np.ndarray, *, noise: str = "const", seed: int = 0, noises: Mapping[str, np.ndarray] | None = None
    ) -> np.ndarray:
        """Return the picture, H×W×3 uint8, of one layers×w_dim latent.

        Args:
            ws: The latent.
            noise: "const" (the noise that the weights carry), "random" (from `seed`) or "none".
            seed: For random noise.
            noises: Noise maps, by the names of buffers of `synthesis`, in place of those that the weights carry.

        Raises:
            ValueError: Memory is too short.
        """
        short = "The memory of this device is too short to draw the picture; try again later."
        with computing(self.device, short):
            rng = torch.Generator(self.device).manual_seed(seed)
            maps = {name: torch.from_numpy(values).to(self.device) for name, values in (noises or {}).items()}
            arguments = (torch.from_numpy(ws)[None].to(self.device), noise, rng)
            picture = functional_call(self.network.synthesis, maps, arguments)
            return to_image(picture / 2 + 0.5)

    def mixed(
        self, content_seed: int, style_seed: int, *, first: int, last: int | None = None, truncation: float = 0.7
    ) -> np.ndarray:
        """Return 3×layers×w_dim latents: of two seeds, and of the first one with some layers of the second.

        Args:
            content_seed: Gives the layers that are left: pose and shape are in the first ones.
            style_seed: Gives the layers from `first` to `last`, of which the last ones hold colours and texture.
            first: The first layer, counted from 0, that comes from the second seed.
            last: The last one; None for all that follow.
            truncation: As for `styles`.

        Raises:
            ValueError: There are no such layers.
        """
        last = self.layers - 1 if last is None else last
        if not 0 <= first < self.layers or not first <= last < self.layers:
            raise ValueError(
                f"These weights have the layers 0 to {self.layers - 1}; the crossover, and the last layer if any, "
                f"must be among them, in this order."
            )
        content, style = self.styles(self.latents([content_seed, style_seed]), truncation)
        mixture = content.copy()
        mixture[first : last + 1] = style[first : last + 1]
        return np.stack([content, style, mixture])

    def between(
        self, seeds: Sequence[int], *, frames: int, truncation: float = 0.7, space: str = "w", loop: bool = False
    ) -> np.ndarray:
        """Return T×layers×w_dim latents on the way through the faces of `seeds`.

        Every `frames`-th latent is exactly that of a seed. The way leads along straight lines in w or great circles
        in z. With `loop` it leads back, up to the latent before the first one.

        Raises:
            ValueError: There are fewer than 2 seeds, or too many frames.
        """
        if len(seeds) < 2:
            raise ValueError("An interpolation takes at least two seeds, such as 1, 2, 3.")
        ways = len(seeds) if loop else len(seeds) - 1
        if frames < 1 or ways * frames >= MAX_FRAMES:
            raise ValueError(
                f"From face to face there can be 1 to {(MAX_FRAMES - 1) // ways} frames here, not {frames}."
            )
        keys = self.latents(seeds) if space == "z" else self.styles(self.latents(seeds), truncation)
        mix = slerp if space == "z" else lerp
        path = [mix(keys[way], keys[(way + 1) % len(keys)], t / frames) for way in range(ways) for t in range(frames)]
        path = np.stack(path if loop else [*path, keys[-1]])
        return self.styles(path, truncation) if space == "z" else path


def lerp(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Return the point at `t` in [0, 1] on the line from `a` to `b`; at 0 exactly `a`."""
    return (a + t * (b - a)).astype(a.dtype)


def slerp(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Return the point at `t` in [0, 1] on the great circle from the vector `a` to `b`; at 0 exactly `a`.

    Shoemake 1985. The angle is that between the vectors; lengths go from one to the other as their parts do.
    """
    cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) < 1e-6:
        return lerp(a, b, t)
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


def load_styles(path: str | os.PathLike) -> np.ndarray:
    """Return the array in a .npy file that `styles_file` made, or anybody else; nothing in it is ever run.

    Raises:
        ValueError: It is no such file, or larger than 10 MB.
    """
    if Path(path).stat().st_size > 10e6:
        raise ValueError("A file of latents has at most 10 MB.")
    try:
        styles = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: nothing is allocated yet
    except (OSError, EOFError, SyntaxError, ValueError, TypeError, ArithmeticError, *MALFORMED):
        styles = None
    if not isinstance(styles, np.ndarray) or styles.dtype.kind != "f":  # an archive, text, numbers of no bytes
        raise ValueError("This file of latents is not a readable .npy array of numbers.")
    return np.array(styles)


def styles_file(styles: np.ndarray) -> bytes:
    """Return N×layers×w_dim latents as the content of a .npy file."""
    content = io.BytesIO()
    np.save(content, styles.astype(np.float32), allow_pickle=False)
    return content.getvalue()


def _shape(array: np.ndarray) -> str:
    return "×".join(map(str, array.shape)) or "one number"
