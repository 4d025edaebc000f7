from importlib import import_module

import pytest
import torch
from torch import nn

from gan_models.metrics import fid, sifid
from gan_models.nn.features.inception import Inception


@pytest.fixture(scope="module")
def reference():
    """torchvision's network with random weights and statistics; its poolings are not those of the graph yet."""
    models = pytest.importorskip("torchvision").models
    torch.manual_seed(0)
    network = models.inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=(2 / module.weight[0].numel()) ** 0.5)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean, std=0.3)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def ours(reference):
    network = Inception()
    network.load_state_dict(reference.state_dict(), strict=True)
    return network.eval().requires_grad_(False)


def test_it_is_torchvisions_network_but_for_what_the_graph_pools(reference, ours, monkeypatch):
    plain_average, calls = torch.nn.functional.avg_pool2d, []

    def as_in_the_graph(x, kernel_size, stride, padding):
        calls.append(x.shape[1])
        if len(calls) == 9:  # three of A, four of C, and the second of E
            return nn.MaxPool2d(kernel_size, stride, padding)(x)
        ones = torch.ones_like(x[:1, :1])
        share = plain_average(ones, kernel_size, stride, padding)
        return plain_average(x, kernel_size, stride, padding) / share

    pictures = torch.rand(2, 3, 299, 299)
    monkeypatch.setattr("torchvision.models.inception.F.avg_pool2d", as_in_the_graph)
    expected = reference(2 * pictures - 1) - reference.fc.bias
    monkeypatch.undo()
    assert len(calls) == 9
    assert expected.std() > 0.1
    assert (ours.logits(pictures) - expected).abs().max() < 1e-3 * expected.abs().max()


def test_pictures_of_any_size_are_brought_to_299_pixels(ours):
    picture = torch.rand(1, 3, 64, 80)
    enlarged = nn.functional.interpolate(picture, (299, 299), mode="bilinear")
    assert torch.allclose(ours.pooled(picture), ours.pooled(enlarged), atol=1e-5)
    assert ours.pooled(picture).shape == (1, 2048)


def test_sifid_takes_the_first_block_where_the_file_is_here(reference, ours, monkeypatch):
    from gan_models import checkpoints
    from gan_models.checkpoints import hub
    from gan_models.device import ModelCache
    from gan_models.metrics.sifid import sifid_features

    first, second = (torch.randint(0, 256, (40, 48, 3), dtype=torch.uint8).numpy() // divisor for divisor in (1, 2))
    compact = sifid(first, second)
    monkeypatch.setattr(hub, "ready", lambda model: model.name == "inception-fid")
    monkeypatch.setattr(checkpoints, "load", lambda name, device: {"inception-fid": ours}[name])
    monkeypatch.setattr(import_module("gan_models.metrics.sifid"), "models", ModelCache(lambda: 10**9))
    assert sifid_features() == "inception-fid"
    layers = nn.Sequential(reference.Conv2d_1a_3x3, reference.Conv2d_2a_3x3, reference.Conv2d_2b_3x3)

    def activations(picture):
        x = torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1
        return layers(x)[0].permute(1, 2, 0).reshape(-1, 64).numpy()

    expected = fid(activations(first), activations(second))
    assert sifid(first, second) == pytest.approx(expected, rel=1e-4)
    assert expected != pytest.approx(compact, rel=0.1)
