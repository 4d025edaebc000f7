"""The published controller, from a stand-in of its archive."""

import pytest
import torch

from gan_models.gan_control.convert import from_published
from gan_models.gan_control.model import ControlledGenerator
from tests.gan_control import published
from tests.stylegan2 import rosinality


@pytest.fixture
def contents():
    return published.files()


@pytest.fixture
def generator(contents):
    network = ControlledGenerator(**published.CONFIG)
    network.load_state_dict(from_published(contents))
    return network.eval()


def test_each_part_of_z_goes_through_its_own_stack(contents, generator):
    z = torch.randn(3, 24, generator=torch.Generator().manual_seed(0))
    ws = generator.mapping(z)
    assert ws.shape == (3, generator.num_ws, 24)
    torch.testing.assert_close(ws[:, 2], published.mapped(contents, z).float(), rtol=0, atol=1e-4)


def test_controls_give_their_part_of_w(contents, generator):
    ws = generator.mapping(torch.ones(2, 24))
    asked = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    changed = generator.controlled(ws, {"expression_q": asked})
    layers = contents["controller/expression_q_latent_rec/checkpoint/000100.pt"]["controller"]
    expected = published.stacked(layers, "fc_stack", 0, asked.double()).float()
    torch.testing.assert_close(changed[:, 3, 8:14], expected, rtol=0, atol=1e-4)
    untouched = [*range(8), *range(14, 24)]
    torch.testing.assert_close(changed[:, :, untouched], ws[:, :, untouched], rtol=0, atol=0)


def test_pictures_are_those_of_rosinalitys_formula(contents, generator):
    state = contents["controller/generator/checkpoint/800000.pt"]["g_ema"]
    formula = rosinality.Formula({"g_ema": state, "latent_avg": torch.zeros(24)})
    w = published.mapped(contents, torch.ones(1, 24))
    expected = formula.picture(w[0]).float()
    found = generator.synthesis(w.float()[:, None].repeat(1, generator.num_ws, 1), "const")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
