import numpy as np
import pytest
import torch

from gan_models import checkpoints
from gan_models.nn.features.distance import LAYERS, FeatureDistance


@pytest.fixture(scope="module")
def distance():
    return FeatureDistance(checkpoints.load("features-compact", "cpu"))


def test_the_distance_is_that_of_lpips_without_its_weights(distance):
    torch.manual_seed(0)
    a, b = torch.rand(2, 3, 20, 24), torch.rand(2, 3, 20, 24)
    with torch.no_grad():
        found = distance(a, distance.describe(b)).numpy()
        layers = [distance.features(picture, LAYERS) for picture in (a, b)]
    expected = np.zeros(2)
    for name in LAYERS:
        x, y = (layer[name].numpy().astype(float) for layer in layers)
        x, y = (z / np.linalg.norm(z, axis=1, keepdims=True).clip(1e-5) for z in (x, y))
        expected += ((x - y) ** 2).sum(1).mean((1, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_picture_is_nearer_to_itself_blurred_than_to_another(distance):
    torch.manual_seed(0)
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 8), (64, 64), mode="bicubic").clamp(0, 1)
    blurred = torch.nn.functional.avg_pool2d(picture, 3, 1, 1)
    other = picture.flip(3)
    described = distance.describe(picture)
    assert distance(picture, described).item() == pytest.approx(0, abs=1e-6)
    assert distance(blurred, described) < distance(other, described) / 3


def test_a_black_picture_has_a_gradient(distance):
    picture = torch.zeros(1, 3, 16, 16, requires_grad=True)
    distance(picture, distance.describe(torch.rand(1, 3, 16, 16))).sum().backward()
    assert picture.grad.isfinite().all()
