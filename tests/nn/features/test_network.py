import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gan_models.nn.features.network import VGG, features_only, fold_batch_norm

VGG16 = {"depths": (2, 2, 3, 3, 3)}
VGG19 = {"depths": (2, 2, 4, 4, 4)}
CONVOLUTIONS = {
    "vgg16": [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28],
    "vgg19": [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34],
}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def normalized(pictures):
    mean = pictures.new_tensor([0.485, 0.456, 0.406])
    std = pictures.new_tensor([0.229, 0.224, 0.225])
    return (pictures - mean[:, None, None]) / std[:, None, None]


def small_trained_network():
    """A network whose batch norms have seen something, in eval mode."""
    network = VGG((6, 8), (2, 1), "average", batch_norm=True, num_classes=5)
    for module in network.features:
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.3, 3)
            for tensor in (module.bias, module.running_mean):
                nn.init.normal_(tensor)
    return network.eval()


@pytest.mark.parametrize(("name", "depths"), [("vgg16", VGG16), ("vgg19", VGG19)])
def test_parameter_names_and_shapes_are_the_published_ones(name, depths):
    with torch.device("meta"):
        state = VGG(**depths).state_dict()
    widths = [3] + [64] * 2 + [128] * 2 + [256] * depths["depths"][2] + [512] * 2 * depths["depths"][3]
    expected = {}
    for index, inputs, outputs in zip(CONVOLUTIONS[name], widths, widths[1:], strict=False):
        expected[f"features.{index}.weight"] = (outputs, inputs, 3, 3)
        expected[f"features.{index}.bias"] = (outputs,)
    assert {key: tuple(value.shape) for key, value in state.items()} == expected


@pytest.mark.parametrize(
    ("name", "depths", "layers"),
    [
        ("vgg16", VGG16, {"relu1_2": 3, "relu2_2": 8, "relu3_3": 15, "relu4_3": 22, "relu5_3": 29}),
        ("vgg19", VGG19, {"relu1_1": 1, "relu2_1": 6, "relu3_1": 11, "relu4_2": 22, "relu5_4": 35}),
    ],
)
def test_torchvision_weights_load_and_give_torchvision_activations(name, depths, layers):
    models = pytest.importorskip("torchvision").models
    with torch.device("meta"):
        theirs = getattr(models, name)().eval()
    theirs.features.to_empty(device="cpu")
    for parameter in theirs.features.parameters():
        nn.init.normal_(parameter, std=0.03)
    ours = VGG(**depths)
    ours.load_state_dict(features_only(theirs.state_dict()), strict=True)
    picture = torch.rand(1, 3, 48, 32)
    with torch.inference_mode():
        found = ours(picture, list(layers))
        for layer, index in layers.items():
            wanted = theirs.features[: index + 1](normalized(picture))
            assert wanted.abs().mean() > 1e-3
            torch.testing.assert_close(found[layer], wanted, rtol=1e-4, atol=1e-5)


def test_the_classifier_of_either_layout_is_dropped():
    torchvision = {"features.0.weight": 1, "classifier.0.weight": 2, "classifier.6.bias": 3}
    timm = {"features.0.weight": 1, "pre_logits.fc1.weight": 2, "head.fc.weight": 3}
    assert features_only(torchvision) == features_only(timm) == {"features.0.weight": 1}


def test_a_layer_is_a_convolution_of_the_normalized_picture():
    network = VGG((4,), (1,)).double()
    picture = torch.rand(2, 3, 5, 6, dtype=torch.float64)
    columns = F.unfold(F.pad(normalized(picture), (1, 1, 1, 1)), 3)
    convolution = network.features[0]
    expected = convolution.weight.flatten(1) @ columns + convolution.bias[:, None]
    found = network(picture, ["relu1_1"])["relu1_1"]
    torch.testing.assert_close(found, expected.clamp_min(0).view(2, 4, 5, 6), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pool", ["max", "average"])
def test_pooling_sums_up_squares_of_four(pool):
    network = VGG((4, 6), (1, 1), pool).double()
    activations = network(torch.rand(1, 3, 8, 6, dtype=torch.float64), ["relu1_1", "relu2_1"])
    squares = activations["relu1_1"].reshape(1, 4, 4, 2, 3, 2)
    pooled = squares.amax((3, 5)) if pool == "max" else squares.mean((3, 5))
    expected = F.conv2d(pooled, network.features[3].weight, network.features[3].bias, padding=1)
    torch.testing.assert_close(activations["relu2_1"], expected.clamp_min(0))


def test_only_what_was_asked_for_is_computed():
    network = VGG((4, 4), (1, 1))
    too_small_to_pool = torch.rand(1, 3, 1, 1)
    assert list(network(too_small_to_pool, ["relu1_1"])) == ["relu1_1"]
    assert network(too_small_to_pool, []) == {}


def test_unknown_layers_are_named():
    network = VGG((4, 4), (1, 2))
    with pytest.raises(ValueError, match=r"No layer relu3_1 here; there are relu1_1, relu2_1, relu2_2\."):
        network(torch.rand(1, 3, 8, 8), ["relu1_1", "relu3_1"])


def test_folding_batch_norm_keeps_logits_and_features():
    trained = small_trained_network()
    plain = fold_batch_norm(trained)
    pictures = torch.rand(3, 3, 16, 16)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in plain.modules())
    torch.testing.assert_close(plain.logits(pictures), trained.logits(pictures), rtol=1e-4, atol=1e-4)
    layers = ["relu1_1", "relu1_2", "relu2_1"]
    for name, activation in plain(pictures, layers).items():
        torch.testing.assert_close(activation, trained(pictures, layers)[name], rtol=1e-4, atol=1e-4)


def test_logits_are_a_linear_map_of_the_average():
    network = VGG((4,), (1,), num_classes=3)
    pictures = torch.rand(2, 3, 6, 4)
    last = F.max_pool2d(network(pictures, ["relu1_1"])["relu1_1"], 2)
    average = last.sum((2, 3)) / 6
    expected = torch.stack([network.classifier.weight @ row + network.classifier.bias for row in average])
    torch.testing.assert_close(network.logits(pictures), expected)


def test_the_probe_is_the_deepest_activation():
    assert VGG((4, 6), (1, 2)).probe().shape == (1, 6, 16, 16)
