import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gan_models.nn.layers import GatedBlock, GatedUNet, NLayerDiscriminator, ResnetGenerator, RestorationUNet


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def published_resnet(blocks, width=64):
    """Names and shapes of a ResNet generator of pytorch-CycleGAN-and-pix2pix with instance normalisation."""
    shapes = {"model.1": (width, 3, 7), "model.4": (2 * width, width, 3), "model.7": (4 * width, 2 * width, 3)}
    for block in range(10, 10 + blocks):
        for convolution in (1, 5):
            shapes[f"model.{block}.conv_block.{convolution}"] = (4 * width, 4 * width, 3)
    shapes[f"model.{10 + blocks}"] = (4 * width, 2 * width, 3)  # transposed: inputs first
    shapes[f"model.{13 + blocks}"] = (2 * width, width, 3)
    shapes[f"model.{17 + blocks}"] = (3, width, 7)
    expected = {}
    for name, (first, second, side) in shapes.items():
        expected[f"{name}.weight"] = (first, second, side, side)
        transposed = name in (f"model.{10 + blocks}", f"model.{13 + blocks}")
        expected[f"{name}.bias"] = (second if transposed else first,)
    return expected


@pytest.mark.parametrize("blocks", [6, 9])
def test_the_resnet_generator_has_the_published_names(blocks):
    with torch.device("meta"):
        state = ResnetGenerator(n_blocks=blocks).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == published_resnet(blocks)


def test_dropout_moves_the_second_convolution_and_batch_norm_takes_the_biases():
    with torch.device("meta"):
        state = ResnetGenerator(n_blocks=1, norm="batch", use_dropout=True).state_dict()
    assert "model.10.conv_block.6.weight" in state
    assert "model.10.conv_block.2.running_mean" in state
    assert "model.10.conv_block.1.bias" not in state
    assert "model.18.bias" in state


def normalized(x):
    return (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()


@pytest.mark.parametrize("residual", [False, True])
def test_the_resnet_generator_computes_what_the_papers_say(residual):
    network = ResnetGenerator(ngf=4, n_blocks=2, learn_residual=residual).double()
    w = network.state_dict()
    x = torch.rand(2, 3, 16, 20, dtype=torch.double) * 2 - 1

    def conv(x, name, reflected, **options):
        x = F.pad(x, [reflected] * 4, mode="reflect") if reflected else x
        return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], **options)

    y = F.relu(normalized(conv(x, "model.1", 3)))
    y = F.relu(normalized(conv(y, "model.4", 0, stride=2, padding=1)))
    y = F.relu(normalized(conv(y, "model.7", 0, stride=2, padding=1)))
    for block in ("model.10.conv_block", "model.11.conv_block"):
        y = y + normalized(conv(F.relu(normalized(conv(y, f"{block}.1", 1))), f"{block}.5", 1))
    for name in ("model.12", "model.15"):
        options = {"stride": 2, "padding": 1, "output_padding": 1}
        y = F.relu(normalized(F.conv_transpose2d(y, w[f"{name}.weight"], w[f"{name}.bias"], **options)))
    y = torch.tanh(conv(y, "model.19", 3))
    expected = (x + y).clamp(-1, 1) if residual else y
    assert torch.allclose(network(x), expected, atol=1e-10)


@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70)])
def test_a_patch_discriminator_sees_as_far_as_published(layers, patch):
    network = NLayerDiscriminator(3, ndf=4, n_layers=layers).double()
    for module in network.model:
        if isinstance(module, nn.InstanceNorm2d):
            module.forward = lambda x: x  # it sees the whole picture
    x = torch.rand(1, 3, 160, 160, dtype=torch.double, requires_grad=True)
    scores = network(x)
    middle = scores.shape[2] // 2
    (gradient,) = torch.autograd.grad(scores[0, 0, middle, middle], x)
    seen = gradient[0].abs().sum(0)
    rows, columns = seen.sum(1).nonzero().flatten(), seen.sum(0).nonzero().flatten()
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (patch, patch)


def test_the_patch_discriminator_has_the_published_names():
    with torch.device("meta"):
        state = NLayerDiscriminator(6).state_dict()
    widths = {0: (64, 6), 2: (128, 64), 5: (256, 128), 8: (512, 256), 11: (1, 512)}
    expected = {f"model.{index}.weight": (*shape, 4, 4) for index, shape in widths.items()}
    expected |= {f"model.{index}.bias": (shape[0],) for index, shape in widths.items()}
    assert {name: tuple(value.shape) for name, value in state.items()} == expected


@pytest.mark.parametrize("options", [{}, {"gains": True, "context": True}])
@pytest.mark.parametrize("size", [(32, 32), (37, 50), (5, 1)])
def test_the_restoration_network_begins_as_the_identity_at_any_size(options, size):
    network = RestorationUNet((4, 6, 8), blocks=2, **options)
    x = torch.rand(2, 3, *size)
    assert torch.equal(network(x), x)


def stirred(**options):
    """A restoration network whose every part counts."""
    network = RestorationUNet((4, 6, 8), blocks=2, **options).double()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    return network.requires_grad_(False)


def test_gains_multiply_and_offsets_add():
    network = stirred(gains=True)
    nn.init.zeros_(network.tail.weight)
    network.tail.bias.copy_(torch.tensor([0.5, 0, -1, 0.1, 0.2, 0.3]))
    x = torch.rand(1, 3, 8, 8, dtype=torch.double)
    expected = torch.stack([1.5 * x[:, 0] + 0.1, x[:, 1] + 0.2, torch.full_like(x[:, 2], 0.3)], 1)
    assert torch.allclose(network(x), expected)


def test_only_context_sees_the_whole_picture():
    x = torch.rand(1, 3, 128, 128, dtype=torch.double)
    far = x.clone()
    far[:, :, :8, :8] = 1
    for context, same in ((False, True), (True, False)):
        network = stirred(context=context)
        change = (network(x) - network(far))[:, :, 100:, 100:].abs().max()
        assert (change < 1e-12) == same


def test_moving_a_picture_by_the_coarsest_pixel_moves_the_result():
    network = stirred()
    x = torch.rand(1, 3, 160, 160, dtype=torch.double)
    moved = network(torch.roll(x, (4, 8), (2, 3)))
    inside = (slice(None), slice(None), slice(72, 88), slice(72, 88))
    assert torch.allclose(moved[inside], torch.roll(network(x), (4, 8), (2, 3))[inside], atol=1e-9)


# --- Gated networks


def drawn_at_random(network):
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0, 0.2)
    return network.double().eval()


def test_a_gated_block_computes_its_formula():
    block, x = drawn_at_random(GatedBlock(4)), torch.randn(2, 4, 6, 7, dtype=torch.float64)
    mean, variance = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
    even = (x - mean) / (variance + 1e-5).sqrt() * block.norm.weight.view(-1, 1, 1) + block.norm.bias.view(-1, 1, 1)
    both = F.conv2d(even, block.conv1.weight, block.conv1.bias, padding=1)
    made = F.conv2d(both[:, :4] * both[:, 4:], block.conv2.weight, block.conv2.bias, padding=1)
    torch.testing.assert_close(block(x), x + block.scale * made)
    assert torch.equal(GatedBlock(4).double()(x), x)  # as it begins


@pytest.mark.parametrize("size", [(32, 48), (17, 33), (1, 1)])
@pytest.mark.parametrize("inputs", [3, 4])
def test_a_gated_network_begins_as_the_identity_at_any_size(inputs, size):
    network, x = GatedUNet(inputs, (4, 8, 8), (1, 2, 1), (1, 1)), torch.rand(2, inputs, *size)
    assert torch.equal(network(x), x[:, :3])
    assert drawn_at_random(network)(x.double()).shape == (2, 3, *size)


def test_a_gated_network_does_to_a_moved_picture_what_it_does_to_the_picture():
    network = drawn_at_random(GatedUNet(3, (4, 8), (1, 1), (1,)))
    x = torch.rand(1, 3, 96, 96, dtype=torch.float64)
    whole, part = network(x), network(x[:, :, network.multiple :, 2 * network.multiple :])
    inside = (slice(None), slice(None), slice(28, 56), slice(28, 56))  # as far from all borders as it sees
    torch.testing.assert_close(part[inside], whole[:, :, network.multiple :, 2 * network.multiple :][inside])
