"""LPIPS with small stand-ins for its two files, which a Hub on this machine serves."""

import io

import numpy as np
import pytest
import torch
from skimage import data

from gan_models.checkpoints import registry
from gan_models.device import models
from gan_models.metrics import lpips
from gan_models.metrics.lpips import lpips_ready
from gan_models.nn.features.lpips import ChannelWeights, from_published
from gan_models.nn.features.network import VGG
from tests.checkpoints.conftest import cache, register, server  # noqa: F401

WIDTHS, DEPTHS = (4, 5, 6, 7, 8), (2, 2, 3, 3, 3)


@pytest.fixture
def served(server, register):  # noqa: F811
    """Serve a narrow VGG16 and weights of its channels in the published layout; return both state dicts."""
    torch.manual_seed(0)
    features = VGG(WIDTHS, DEPTHS).state_dict()
    weights = {f"lin{at}.model.1.weight": torch.rand(1, width, 1, 1) for at, width in enumerate(WIDTHS)}
    layout = {"config": {"channels": WIDTHS, "depths": DEPTHS}, "network": "gan_models.nn.features.network:VGG"}
    serve(server, register, "vgg16", features, **layout)
    layout = {"config": {"channels": WIDTHS}, "network": "gan_models.nn.features.lpips:ChannelWeights"}
    serve(server, register, "lpips-vgg16", weights, convert="gan_models.nn.features.lpips:from_published", **layout)
    models.clear()
    yield features, weights
    models.clear()


def serve(server, register, name, state, **layout):  # noqa: F811
    content = io.BytesIO()
    torch.save(state, content)
    server.add("owner/lpips", f"{name}.pth", content.getvalue())
    hub = {"repo": "owner/lpips", "file": f"{name}.pth", "revision": "main"}
    register(name, hub=hub, task="features", format="state-dict", **layout)


def by_definition(a, b, features, weights):
    """Equation 1 of the paper, place by place, on activations of convolutions written out."""
    means, deviations = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    total, index, x = 0.0, 0, []
    for picture in (a, b):
        scaled = (2 * (picture / 255) - 1 - means) / deviations
        x.append(torch.from_numpy(scaled.transpose(2, 0, 1)[None]))
    for layer, depth in enumerate(DEPTHS):
        for _ in range(depth):
            weight, bias = (features[f"features.{index}.{part}"].double() for part in ("weight", "bias"))
            x = [torch.relu(torch.conv2d(each, weight, bias, padding=1)) for each in x]
            index += 2
        one, other = (y / np.maximum(np.sqrt((y**2).sum(0)), 1e-10) for y in (each[0].numpy() for each in x))
        importance = weights[f"lin{layer}.model.1.weight"].numpy()[0]
        total += ((one - other) ** 2 * importance).sum(0).mean()
        x = [torch.max_pool2d(each, 2) for each in x]
        index += 1
    return total


def test_it_is_the_papers_formula_with_files_from_the_hub(served):
    a, b = data.astronaut()[100:140, 200:233], data.astronaut()[102:142, 203:236]
    assert not lpips_ready()
    assert lpips(a, b) == pytest.approx(by_definition(a, b, *served), rel=1e-4)
    assert lpips_ready()
    assert lpips(a, b) == pytest.approx(lpips(b, a))
    assert lpips(a, a) == 0


def test_the_published_weights_fit_the_registered_network():
    model = registry.get("lpips-vgg16")
    published = {f"lin{at}.model.1.weight": torch.rand(1, w, 1, 1) for at, w in enumerate((64, 128, 256, 512, 512))}
    network = ChannelWeights(**model.config)
    network.load_state_dict(from_published(published), strict=True)
    assert torch.equal(network.layers[2].data, published["lin2.model.1.weight"][0, :, 0, 0])


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [((20, 20), "H×W×3"), ((15, 20, 3), "16×16 pixels or more"), ((2001, 2000, 3), "4 megapixels or fewer")],
)
def test_what_is_refused(shape, sentence):
    picture = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match=sentence):
        lpips(picture, picture)
