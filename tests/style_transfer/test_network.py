import numpy as np
import torch
import torch.nn.functional as F

from gan_models.style_transfer.network import TransformerNet, without_statistics


def published_names():
    """The names in pytorch/examples' checkpoints, written out."""
    layers = [f"conv{i}.conv2d" for i in (1, 2, 3)] + [f"in{i}" for i in (1, 2, 3, 4, 5)]
    layers += [
        f"res{block}.{part}" for block in range(1, 6) for part in ("conv1.conv2d", "in1", "conv2.conv2d", "in2")
    ]
    layers += [f"deconv{i}.conv2d" for i in (1, 2, 3)]
    return {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}


def test_published_checkpoints_fit_strictly():
    network = TransformerNet()
    assert set(network.state_dict()) == published_names()
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes["conv1.conv2d.weight"] == (32, 3, 9, 9)
    assert shapes["res5.conv2.conv2d.weight"] == (128, 128, 3, 3)
    assert shapes["deconv1.conv2d.weight"] == (64, 128, 3, 3)
    assert shapes["deconv3.conv2d.weight"] == (3, 32, 9, 9)
    assert sum(value.numel() for value in network.state_dict().values()) == 1_679_235


def test_statistics_of_old_checkpoints_are_dropped():
    old = dict(TransformerNet((2, 2, 2), 1).state_dict())
    old |= {"in1.running_mean": torch.zeros(2), "res1.in2.running_var": torch.ones(2)}
    TransformerNet((2, 2, 2), 1).load_state_dict(without_statistics(old), strict=True)


def test_pixels_go_in_and_out_as_levels():
    torch.manual_seed(0)
    network = TransformerNet((4, 6, 8), 1).eval()
    picture = torch.rand(1, 3, 16, 20)
    with torch.no_grad():
        x = F.pad(picture * 255, [4] * 4, mode="reflect")
        x = F.conv2d(x, network.conv1.conv2d.weight, network.conv1.conv2d.bias)
        mean, deviation = x.mean((2, 3), keepdim=True), x.var((2, 3), correction=0, keepdim=True)
        first = F.relu((x - mean) / (deviation + 1e-5).sqrt())
        seen = F.relu(network.in1(network.conv1(picture * 255)))
        torch.testing.assert_close(seen, first, rtol=1e-4, atol=1e-4)
        assert network(picture).shape == picture.shape
        last = F.relu(network.in5(network.deconv2(torch.rand(1, 6, 8, 10))))
        np.testing.assert_equal(last.shape, (1, 4, 16, 20))
