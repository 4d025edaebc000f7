"""Small sets to learn from."""

import numpy as np
import pytest
from PIL import Image

from gan_models.translation.trainer import CycleTranslation, Pix2Pix


@pytest.fixture(autouse=True)
def few_held_out(monkeypatch):
    """One picture for validation."""
    for kind in (Pix2Pix, CycleTranslation):
        monkeypatch.setattr(kind, "held_out", 1)


def write(folder, count, size):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(count):
        coarse = rng.integers(0, 255, (4, 8, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def photos(tmp_path):
    return write(tmp_path / "photos", 4, (96, 80))


@pytest.fixture
def two_sets(tmp_path):
    for name, count in (("trainA", 3), ("trainB", 4)):
        write(tmp_path / "sets" / name, count, (64, 64))
    return tmp_path / "sets"
