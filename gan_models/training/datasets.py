"""Folders of pictures as training data."""

from pathlib import Path

import numpy as np

from gan_models.images import decode
from gan_models.images.folders import list_pictures
from gan_models.images.squares import squared


def load_pictures(folder: Path) -> list[np.ndarray]:
    """Decode every picture below `folder` into memory, H×W×3 uint8 each."""
    return [decode(path)[:, :, :3] for path in list_pictures(folder)]


def load_squares(folder: Path, side: int) -> np.ndarray:
    """Decode every picture below `folder`, cut to its middle square, as N×3×side×side uint8."""
    return np.stack([squared(decode(path)[:, :, :3], side).transpose(2, 0, 1) for path in list_pictures(folder)])
