"""What is measured of faces."""

import pytest
import torch
from torch import nn

from gan_models.gan_control.measures import (
    CONTROLS,
    LIGHT_DEVIATIONS,
    LIGHT_MEANS,
    Measures,
    distances,
    light,
)


def lit(across: float, up: float, bright: float = 0.3, side: int = 64) -> torch.Tensor:
    """A face of one grey on an ellipsoid under such light, 1×3×side×side."""
    y, x = torch.meshgrid(torch.linspace(1, -1, side), torch.linspace(-1, 1, side), indexing="ij")
    linear = bright * (1 + across * x / 1.15 + up * y / 1.15)
    return linear.clamp(min=0).pow(1 / 2.2).expand(1, 3, side, side)


@pytest.mark.parametrize(("across", "up"), [(0, 0), (0.8, 0), (-0.5, 0.3), (0, -0.4)])
def test_light_is_that_of_the_ellipsoid(across, up):
    torch.testing.assert_close(light(lit(across, up)), torch.tensor([[0.3, across, up]]), rtol=0, atol=2e-3)


def test_light_has_a_gradient_everywhere_even_in_the_dark():
    face = torch.zeros(1, 3, 64, 64, requires_grad=True)
    light(face).sum().backward()
    assert face.grad.isfinite().all()


@pytest.fixture
def measures():
    torch.manual_seed(0)
    rater = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 6))
    identity = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 8))
    return Measures(rater, identity)


def test_every_control_has_its_numbers_in_deviations_of_real_faces(measures):
    found = measures(lit(LIGHT_MEANS[1] + LIGHT_DEVIATIONS[1], LIGHT_MEANS[2], LIGHT_MEANS[0]).repeat(2, 1, 1, 1))
    assert {name: value.shape for name, value in found.items()} == {
        **{name: (2, size) for name, size in CONTROLS.items()},
        "identity": (2, 8),
    }
    torch.testing.assert_close(found["illumination"][0], torch.tensor([0.0, 1.0, 0.0]), rtol=0, atol=0.02)


def test_distances_are_root_mean_squares_and_cosines():
    a = {name: torch.zeros(1, size) for name, size in CONTROLS.items()} | {"identity": torch.tensor([[1.0, 0.0]])}
    b = {name: torch.full((2, size), 0.5) for name, size in CONTROLS.items()}
    b["illumination"] = torch.tensor([[3.0, 0.0, 0.0], [1.0, 2.0, 2.0]])
    b["identity"] = torch.tensor([[0.6, 0.8], [-1.0, 0.0]])
    found = distances(a, b)
    torch.testing.assert_close(found["age"], torch.tensor([[0.5, 0.5]]), rtol=0, atol=1e-4)
    torch.testing.assert_close(found["illumination"], torch.tensor([[3**0.5, 3**0.5]]), rtol=0, atol=1e-4)
    torch.testing.assert_close(found["identity"], torch.tensor([[0.4, 2.0]]))
