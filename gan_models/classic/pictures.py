"""Sets of pictures to learn from: a visitor's files and archives, folders, mosaics, and a set drawn here."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from gan_models.classic import MOST
from gan_models.images import decode, flatten
from gan_models.images.archives import read_pictures
from gan_models.images.folders import list_pictures
from gan_models.images.squares import squared, trimmed
from gan_models.training.augment import hue_turns

FEWEST = 8  # pictures in a set
HUE = 0.3  # radians
DRAWN = 600  # sprites in the sample set
Kept = list[tuple[np.ndarray, str]]


class Pictures:
    """A set of square pictures, of which random batches are drawn, mirrored at random and with turned hues.

    Args:
        pixels: N×3×side×side uint8.
        labels: N numbers of kinds.
        kinds: Their names.
        hue: Standard deviation of the angle by which colours are turned, in radians; 0 where they must stay
            as they are, as those of faces.

    Raises:
        ValueError: The angle is out of its range.
    """

    def __init__(self, pixels: torch.Tensor, labels: torch.Tensor, kinds: Sequence[str], hue: float = HUE):
        if not 0 <= hue <= np.pi:
            raise ValueError(f"Colours can be turned by 0 to 3.14 radians, not {hue:g}.")
        self.pixels, self.labels, self.kinds, self.hue = pixels, labels, tuple(kinds), hue
        self.device = torch.device("cpu")

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return N×3×side×side in [-1, 1], and N labels, on the device of the set."""
        chosen = torch.randint(len(self.pixels), (count,))
        mirror, angles = torch.rand(count, 1, 1, 1) < 0.5, self.hue * torch.randn(count)
        batch = self.pixels[chosen].to(self.device).float() / 127.5 - 1
        batch = torch.where(mirror.to(self.device), batch.flip(3), batch)
        if self.hue:
            batch = torch.einsum("nij,njhw->nihw", hue_turns(angles).to(self.device), batch).clamp(-1, 1)
        return batch, self.labels[chosen].to(self.device)

    def split(self, share: float) -> tuple["Pictures", "Pictures"]:
        """Return two sets: all but `share` of the pictures, and these, chosen at random but always alike."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(0))
        last = max(2, round(share * len(self)))
        return tuple(
            Pictures(self.pixels[part], self.labels[part], self.kinds, self.hue)
            for part in (order[last:], order[:last])
        )


def of(pictures: Kept, side: int, *, hue: float = HUE) -> Pictures:
    """Return a set of pictures H×W×3 uint8 with their kinds, cut to squares and brought to side×side.

    Raises:
        ValueError: There are too few.
    """
    if len(pictures) < FEWEST:
        raise ValueError(f"A training takes {FEWEST} pictures at least, not {len(pictures)}.")
    kinds = sorted({kind for _, kind in pictures})
    labels = torch.tensor([kinds.index(kind) for _, kind in pictures])
    pixels = np.stack([picture.transpose(2, 0, 1) for picture, _ in pictures])
    if pixels.shape[2:] != (side, side):
        raise ValueError(f"The pictures must have {side}×{side} pixels.")
    return Pictures(torch.from_numpy(pixels), labels, kinds, hue)


def from_files(paths: Sequence[str | Path], side: int, *, trim: bool = False, hue: float = HUE) -> Pictures:
    """Read a visitor's pictures and ZIP archives of them; in an archive the folder is the kind.

    Nothing is written to disk, and of each picture only the square that is learned from is kept: the middle one, or
    with `trim` one round what stands out from an even background.

    Raises:
        ValueError: There are too few pictures or too many, an archive is damaged, empty, too large, or names files
            outside itself, or a picture can't be read; the message is for visitors.
    """
    kept = [(_square(picture, side, trim), kind) for picture, kind in read_pictures(paths, MOST)]
    return of(kept, side, hue=hue)


def from_folder(
    folder: Path, side: int, *, tile: int | None = None, trim: bool = False, hue: float = HUE
) -> Pictures:
    """Read all pictures below `folder`, of any number; the folder of each is its kind.

    Args:
        folder: Of pictures.
        side: What they are brought to.
        tile: If given, each file is a mosaic of pictures of so many pixels a side.
        trim: Cut the square round what stands out from an even background, not from the middle.
        hue: See `Pictures`.

    Raises:
        ValueError: There are too few, or one can't be read.
    """
    kept: Kept = []
    for path in list_pictures(folder):
        try:
            picture = flatten(decode(path))
        except ValueError as problem:
            raise ValueError(f"{path}: {problem}") from None
        parts = [picture] if tile is None else tiles(picture, tile)
        kept += [(_square(part, side, trim), path.parent.name) for part in parts]
    return of(kept, side, hue=hue)


def _square(picture: np.ndarray, side: int, trim: bool) -> np.ndarray:
    return squared(trimmed(picture) if trim else picture, side)


def tiles(mosaic: np.ndarray, side: int) -> list[np.ndarray]:
    """Return the pictures that a mosaic, H×W×3, is made of."""
    rows, columns = mosaic.shape[0] // side, mosaic.shape[1] // side
    parts = mosaic[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
    return list(parts.transpose(0, 2, 1, 3, 4).reshape(-1, side, side, 3))


def sprites(side: int, *, count: int = DRAWN, hue: float = HUE, seed: int = 0) -> Pictures:
    """Draw a set of creatures, mirrored halves of blocks on white as in early video games, of three kinds.

    Kinds differ by shape: tall ones, round ones and those with legs.
    """
    rng = np.random.default_rng(seed)
    kept: Kept = []
    for number in range(count):
        kind = ("legs", "round", "tall")[number % 3]
        kept.append((_sprite(kind, side, rng), kind))
    return of(kept, side, hue=hue)


def _sprite(kind: str, side: int, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[0:12, 0:6] + 0.5
    breadth, height = {"legs": (4.6, 3.4), "round": (4.6, 4.6), "tall": (2.8, 5.6)}[kind]
    distance = np.hypot((6 - x) / breadth, (y - 6) / height)
    body = distance + rng.normal(0, 0.12, (12, 6)) < 1
    if kind == "legs":
        body[8:11, 2:4] = True
    hue = rng.integers(180)
    palette = cv2.cvtColor(
        np.uint8([[[hue, 170, 220], [hue, 200, 150], [(hue + rng.integers(40, 140)) % 180, 190, 230]]]),
        cv2.COLOR_HSV2RGB,
    )[0]
    half = np.full((12, 6, 3), 255, np.uint8)
    shade = (rng.random((12, 6)) < 0.25).astype(int) + (rng.random((12, 6)) < 0.12)
    half[body] = palette[shade][body]
    rim = body & ~cv2.erode(body.astype(np.uint8), np.ones((3, 3)), borderValue=0).astype(bool)
    half[rim] = palette[1]
    eye = rng.integers(4, 6)
    half[eye, 4] = 0
    whole = np.concatenate([half, half[:, ::-1]], 1)
    return cv2.resize(np.pad(whole, ((2, 2), (2, 2), (0, 0)), constant_values=255), (side, side), interpolation=0)
