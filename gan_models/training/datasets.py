"""Folders of pictures as training data."""

from pathlib import Path

import numpy as np

from gan_models.images import decode

SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif"),
    *(".tif", ".tiff", ".avif", ".heic", ".heif"),
}


def list_pictures(folder: Path) -> list[Path]:
    """Return the picture files anywhere below `folder`, sorted.

    Raises:
        ValueError: There are none.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise ValueError(f"No pictures in {folder}.")
    return paths


def load_pictures(folder: Path) -> list[np.ndarray]:
    """Decode every picture below `folder` into memory, H×W×3 uint8 each."""
    return [decode(path)[:, :, :3] for path in list_pictures(folder)]
