"""The face generation backend: pictures from seeds, mixtures of two, and films from one to the next."""

import os
import tokenize
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.func import functional_call

from gan_models import checkpoints
from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.device import computing, device_lock, pick_device
from gan_models.images.tensors import to_image
from gan_models.images.video import open_video
from gan_models.jobs import Step, watch_layers
from gan_models.seeds import MAX_COUNT, whole
from gan_models.stylegan2.network import NOISE_MODES

MAX_TRUNCATION = 1.5
MAX_FRAMES = 1200
SPACES = ("w", "z")
MALFORMED = (MemoryError, RecursionError, tokenize.TokenError, zipfile.BadZipFile)  # what else NumPy's reader raises


class FaceGenerator(Backend):
    """Pictures drawn by StyleGAN2 (Karras et al. 2020).

    A seed gives the latent z that NVIDIA's code makes of it. Pictures are drawn one by one, so that a seed gives
    the same one alone and among others, to the last bit on one machine; and in float32 on every device, so that it
    is the same to the eye on all of them.

    Args:
        weights: A registered model of the task "faces".
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Raises:
        ValueError: No such weights, or no such device; or they can't be had (`WeightsError`).
    """

    TASK = "faces"
    DEFAULT = "faces-compact"

    def __init__(self, weights: str | None = None, device: str | None = None):
        watch_layers()
        self.device = pick_device(device)
        name = registry.get(weights or self.DEFAULT, task=self.TASK).name
        self.network = checkpoints.load(name, str(self.device))
        self.network.to(memory_format=torch.channels_last)

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

        Raises:
            ValueError: `truncation` is not between 0 and 1.5.
        """
        if not 0 <= truncation <= MAX_TRUNCATION:
            raise ValueError(f"Truncation must be between 0 and {MAX_TRUNCATION}, not {truncation:g}.")
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
            ValueError: There is no such noise, or memory is too short.
        """
        if noise not in NOISE_MODES:
            raise ValueError(f"Noise must be one of {', '.join(NOISE_MODES)}, not “{noise}”.")
        short = "The memory of this device is too short to draw the picture; try again later."
        with computing(self.device, short):
            rng = torch.Generator(self.device).manual_seed(seed)
            maps = {name: torch.from_numpy(values).to(self.device) for name, values in (noises or {}).items()}
            arguments = (torch.from_numpy(ws)[None].to(self.device), noise, rng)
            picture = functional_call(self.network.synthesis, maps, arguments)
            return to_image(picture / 2 + 0.5)

    def steps(
        self,
        *,
        seeds: Sequence[int] = (),
        truncation: float = 0.7,
        noise: str = "const",
        styles: np.ndarray | None = None,
    ) -> Iterator[Step]:
        """Draw a picture for each seed, or for each of N×layers×w_dim `styles`; the result is a list of them.

        Each step's preview is the picture that was drawn last.
        """
        ws = self.styles(self.latents(seeds), truncation) if styles is None else styles
        pictures = []
        for w, seed in zip(ws, seeds or range(len(ws)), strict=True):
            pictures.append(self.draw(w, noise=noise, seed=seed))
            yield Step(len(pictures), len(ws), preview=pictures[-1])
        yield Step(len(ws), len(ws), result=pictures)

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
        first = whole(first, "crossover")
        last = self.layers - 1 if last is None else whole(last, "last layer")
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
            ValueError: There are fewer than 2 seeds, `frames` or their total is out of range, or no such space.
        """
        if len(seeds) < 2:
            raise ValueError("An interpolation takes at least two seeds, such as 1, 2, 3.")
        if space not in SPACES:
            raise ValueError(f"The space must be w or z, not “{space}”.")
        frames = whole(frames, "number of frames")
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

    def film(
        self, styles: np.ndarray, path: str | os.PathLike, *, fps: float = 24, noise: str = "const", **record: Any
    ) -> Iterator[Step]:
        """Draw T×layers×w_dim latents as an MP4 at `path`, which is the last step's result.

        `record` is kept in the file, as `images.video.open_video` says. Stopped early, it leaves no file.
        """
        path, unfinished = Path(path), Path(path).with_suffix(".unfinished.mp4")
        total = len(styles)
        try:
            with open_video(unfinished, fps=fps, generated=True, noise=noise, **record) as video:
                for index, w in enumerate(styles, start=1):
                    picture = self.draw(w, noise=noise)
                    video.write(picture)
                    yield Step(index, total, preview=picture)
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
        yield Step(total, total, result=str(path))


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
    """Return the array in a .npy file that `save_styles` wrote, or anybody else; nothing in it is ever run.

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


def save_styles(path: str | os.PathLike, styles: np.ndarray) -> str:
    """Write N×layers×w_dim latents as a .npy file and return its path."""
    np.save(path, styles.astype(np.float32), allow_pickle=False)
    return str(path)


def _shape(array: np.ndarray) -> str:
    return "×".join(map(str, array.shape)) or "one number"
