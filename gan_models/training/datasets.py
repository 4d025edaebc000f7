"""Folders of pictures as training data, decoded as they are needed."""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from gan_models.images import decode
from gan_models.images.folders import list_pictures
from gan_models.images.squares import squared

KEPT = 2**30  # bytes of decoded pictures that stay in memory
MOST_WORKERS = 8  # processes that prepare batches


class Pictures(Dataset):
    """The pictures below a folder, in the order of their paths, each decoded when it is asked for.

    The first gigabyte of them stays in memory, so that small sets are decoded once.

    Args:
        folder: Where the pictures are, or some of their paths.
        change: From H×W×3 uint8 to what is wanted, an array or several.

    Raises:
        ValueError: There are no pictures.
    """

    def __init__(self, folder: Path | Sequence[Path], change: Callable[[np.ndarray], Any] | None = None):
        self.paths = list_pictures(folder) if isinstance(folder, Path) else list(folder)
        self.change = change
        self.kept: dict[int, Any] = {}
        self.room = KEPT

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        if index in self.kept:
            return self.kept[index]
        if not 0 <= index < len(self):
            raise IndexError(index)
        picture = decode(self.paths[index])[:, :, :3]
        found = self.change(picture) if self.change else picture
        size = sum(part.nbytes for part in (found if isinstance(found, tuple) else (found,)))
        if size <= self.room:
            self.room -= size
            self.kept[index] = found
        return found

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def some(self, which: slice | Sequence[int]) -> "Pictures":
        """Return some of the pictures, by their places."""
        paths = self.paths[which] if isinstance(which, slice) else [self.paths[index] for index in which]
        return Pictures(paths, self.change)

    def batch(self, indices: torch.Tensor) -> torch.Tensor:
        """Return the pictures of N `indices`, which have one size, as N×3×H×W uint8."""
        return torch.stack([torch.from_numpy(self[index]).permute(2, 0, 1) for index in indices.tolist()])

    def sizes(self) -> list[tuple[int, int]]:
        """Return height and width of each file's pixels as they are stored, without decoding them."""
        found = []
        for path in self.paths:
            with Image.open(path) as picture:
                found.append(picture.size[::-1])
        return found


def squares(folder: Path, side: int) -> Pictures:
    """Return the pictures below `folder`, cut to their middle squares, side×side×3 uint8."""
    return Pictures(folder, partial(squared, side=side))


def load_pictures(folder: Path) -> list[np.ndarray]:
    """Decode every picture below `folder` into memory, H×W×3 uint8 each."""
    return list(Pictures(folder))


def load_squares(folder: Path, side: int) -> np.ndarray:
    """Decode every picture below `folder`, cut to its middle square, as N×3×side×side uint8."""
    return np.stack([square.transpose(2, 0, 1) for square in squares(folder, side)])


class Source(Protocol):
    """Where batches come from."""

    def batch(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, ...]:
        """Return tensors of `count` rows each."""


class Batches:
    """Batches of `count` from `source` without end, the same ones for one seed, whose place a checkpoint keeps.

    Each has random numbers of its own, by the seed and its place. So where a graphics card computes, other processes
    prepare the next ones meanwhile.
    """

    def __init__(self, source: Source, count: int, seed: int, device: torch.device):
        self.drawn, self.beside = _Drawn(source, count, seed), device.type == "cuda"
        self.place = 0
        self.loader: Iterator[Any] | None = None

    def __next__(self) -> tuple[torch.Tensor, ...]:
        if self.loader is None:
            loader = DataLoader(
                self.drawn,
                batch_size=None,
                sampler=itertools.count(self.place),
                num_workers=min(MOST_WORKERS, os.cpu_count() or 1) if self.beside else 0,
                worker_init_fn=_one_thread,
                pin_memory=self.beside,
                generator=torch.Generator().manual_seed(0),  # else starting it draws from torch's own numbers
            )
            self.loader = iter(loader)
        batch = next(self.loader)
        self.place += 1
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` restores."""
        return {"place": self.place}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` gave."""
        self.place, self.loader = state["place"], None


class _Drawn(Dataset):
    """Batches of a source, by their places."""

    def __init__(self, source: Source, count: int, seed: int):
        self.source, self.count, self.seed = source, count, seed

    def __getitem__(self, place: int) -> tuple[torch.Tensor, ...]:
        return self.source.batch(self.count, np.random.default_rng([self.seed, place]))


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)  # of each process, and a pool of threads does not outlive a fork
