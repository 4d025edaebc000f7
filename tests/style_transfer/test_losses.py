import numpy as np
import pytest
import torch

from gan_models import checkpoints
from gan_models.style_transfer import losses


def test_gram_matrices_are_mean_products_of_channels():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    expected = [[[(a * b).mean() for b in picture] for a in picture] for picture in x]
    np.testing.assert_allclose(losses.gram(torch.from_numpy(x)), expected, rtol=1e-5)


def test_in_a_region_only_its_pixels_count():
    x = np.random.default_rng(0).normal(size=(1, 3, 4, 6))
    region = np.zeros((8, 12))
    region[:4, :6] = 1  # the upper left quarter, at twice the size
    expected = losses.gram(torch.from_numpy(x[:, :, :2, :3]))
    found = losses.gram(torch.from_numpy(x), torch.from_numpy(region).float()[None, None])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    whole = losses.gram(torch.from_numpy(x), torch.ones(1, 1, 8, 12))
    np.testing.assert_allclose(whole, losses.gram(torch.from_numpy(x)), rtol=1e-5)


def test_the_style_loss_is_relative():
    rng = np.random.default_rng(0)
    found = {
        "a": torch.from_numpy(rng.normal(size=(1, 3, 4, 4))),
        "b": torch.from_numpy(rng.normal(size=(1, 2, 2, 2))),
    }
    wanted = {name: losses.gram(torch.from_numpy(rng.normal(size=x.shape))) for name, x in found.items()}
    expected = np.mean(
        [
            np.sum((losses.gram(found[name]).numpy() - target.numpy()) ** 2) / np.sum(target.numpy() ** 2)
            for name, target in wanted.items()
        ]
    )
    assert losses.style_loss(found, wanted).item() == pytest.approx(expected, rel=1e-5)
    nothing = {name: torch.zeros_like(x) for name, x in found.items()}
    assert losses.style_loss(nothing, wanted).item() == pytest.approx(1)
    scaled = {name: 7 * x for name, x in found.items()}
    grown = {name: 49 * target for name, target in wanted.items()}
    assert losses.style_loss(scaled, grown).item() == pytest.approx(expected, rel=1e-5)


def test_content_and_variation():
    a, b = torch.rand(1, 3, 5, 6), torch.rand(1, 3, 5, 6)
    x, y = a.numpy().astype(float), b.numpy().astype(float)
    assert losses.content_loss(a, b).item() == pytest.approx(((x - y) ** 2).mean() / (y**2).mean(), rel=1e-5)
    expected = (np.diff(x, axis=3) ** 2).mean() + (np.diff(x, axis=2) ** 2).mean()
    assert losses.total_variation(a).item() == pytest.approx(expected, rel=1e-5)
    assert losses.total_variation(torch.ones(1, 3, 4, 4)) == 0


def test_a_picture_has_its_own_style_and_its_mirror_image_nearly():
    features = checkpoints.load("features-compact", "cpu")
    torch.manual_seed(0)
    style = torch.nn.functional.interpolate(torch.rand(1, 3, 12, 12), (48, 48), mode="bicubic").clamp(0, 1)
    wanted = losses.grams(features, style)
    assert set(wanted) == set(losses.STYLE_LAYERS)
    own, shifted, other = (
        losses.style_loss(features(picture, losses.STYLE_LAYERS), wanted).item()
        for picture in (style, style.roll(16, 3), torch.rand(1, 3, 48, 48))
    )
    assert own < 1e-9
    assert shifted < other / 10
