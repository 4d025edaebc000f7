from contextlib import nullcontext

import cv2
import numpy as np
import pytest

from gan_models.checkpoints import registry
from gan_models.style_transfer import FastStyle, fast
from tests.tiny_models import embed

RNG = np.random.default_rng(0)


@pytest.fixture
def styled(tmp_path, monkeypatch):
    """A tiny network with random weights."""
    kind = "gan_models.style_transfer.network:TransformerNet"
    embed(tmp_path, "tiny", kind, task="fast-style", channels=(4, 6, 8), blocks=1)
    monkeypatch.setattr(registry, "REGISTRY", tmp_path / "registry.toml")
    monkeypatch.setattr(fast, "mixed_precision", lambda *_, **__: nullcontext())
    return FastStyle("tiny", "cpu")


def picture(height, width):
    return cv2.resize(RNG.integers(0, 256, (9, 12, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("size", [(40, 60), (41, 67), (7, 5), (1, 90)])
def test_any_size_comes_back(styled, size):
    image = picture(*size)
    assert styled(image).shape == image.shape


def test_transparency_stays(styled):
    image = np.dstack([picture(40, 40), RNG.integers(0, 256, (40, 40), np.uint8)])
    np.testing.assert_array_equal(styled(image)[:, :, 3], image[:, :, 3])


def test_strength(styled):
    image = picture(40, 40)
    full, half = styled(image), styled(image, strength=0.5)
    np.testing.assert_array_equal(styled(image, strength=0), image)
    np.testing.assert_allclose(half.astype(int), (full.astype(int) + image) / 2, atol=1)
    with pytest.raises(ValueError, match="strength"):
        styled(image, strength=1.5)


def test_tiles_give_nearly_the_whole(styled, monkeypatch):
    image = picture(240, 320)
    whole = styled(image)
    monkeypatch.setattr(fast, "WHOLE", 240 * 320 - 1)
    monkeypatch.setattr(fast, "TILE", 160)
    monkeypatch.setattr(fast, "OVERLAP", 48)
    tiled = styled(image)
    assert np.abs(tiled.astype(int) - whole).mean() < 2
    assert np.abs(tiled.astype(int) - whole).max() < 24


def test_tiles_leave_the_networks_own_norms_alone(styled, monkeypatch):
    image = picture(240, 320)
    whole = styled(image)
    monkeypatch.setattr(fast, "WHOLE", 10_000)
    monkeypatch.setattr(fast, "TILE", 220)
    styled(image)
    monkeypatch.undo()
    np.testing.assert_allclose(styled(image).astype(int), whole, atol=2)


def test_a_film_goes_picture_by_picture(styled):
    frames = [picture(40, 60) for _ in range(3)]
    drawn = list(styled.film(frames))
    np.testing.assert_array_equal(drawn[1], styled(frames[1]))
