from contextlib import nullcontext

import cv2
import numpy as np
import pytest
import torch

from gan_models.checkpoints import registry
from gan_models.restoration import filmed
from gan_models.style_transfer import FastStylize, fast
from gan_models.style_transfer.fast import FastStyle
from gan_models.style_transfer.network import TransformerNet

RNG = np.random.default_rng(0)


@pytest.fixture
def styled(monkeypatch):
    """A tiny network with random weights, in full precision."""
    monkeypatch.setattr(fast, "mixed_precision", lambda *_, **__: nullcontext())
    torch.manual_seed(0)
    network = TransformerNet(channels=(4, 6, 8), blocks=1).eval().requires_grad_(False)
    return FastStyle(network, registry.get("style-starry-night"), "cpu")


def asked(image, **options):
    return FastStylize.ask(image=image, **options)


def picture(height, width):
    return cv2.resize(RNG.integers(0, 256, (9, 12, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("size", [(40, 60), (41, 67), (7, 5), (1, 90)])
def test_any_size_comes_back(styled, size):
    image = picture(*size)
    assert styled(asked(image)).shape == image.shape


def test_transparency_stays(styled):
    image = np.dstack([picture(40, 40), RNG.integers(0, 256, (40, 40), np.uint8)])
    np.testing.assert_array_equal(styled(asked(image))[:, :, 3], image[:, :, 3])


def test_strength(styled):
    image = picture(40, 40)
    full, half = styled(asked(image)), styled(asked(image, strength=0.5))
    np.testing.assert_array_equal(styled(asked(image, strength=0)), image)
    np.testing.assert_allclose(half.astype(int), (full.astype(int) + image) / 2, atol=1)
    with pytest.raises(ValueError, match="Strength must be at most 1"):
        asked(image, strength=1.5)


def test_tiles_give_nearly_the_whole(styled):
    image = picture(240, 320)
    whole = styled(asked(image))
    styled.whole, styled.tile, styled.overlap = 240 * 320 - 1, 160, 48
    tiled = styled(asked(image))
    assert np.abs(tiled.astype(int) - whole).mean() < 2
    assert np.abs(tiled.astype(int) - whole).max() < 24


def test_tiles_leave_the_networks_own_norms_alone(styled):
    image = picture(240, 320)
    whole = styled(asked(image))
    usual = styled.whole
    styled.whole, styled.tile = 10_000, 220
    styled(asked(image))
    styled.whole = usual
    np.testing.assert_allclose(styled(asked(image)).astype(int), whole, atol=2)


def test_a_film_goes_picture_by_picture(styled):
    frames = [picture(40, 60) for _ in range(3)]
    drawn = list(styled.video(filmed(FastStylize).ask(film="a.mp4"), frames))
    assert len(drawn) == 3
    np.testing.assert_array_equal(drawn[1], styled(asked(frames[1])))
