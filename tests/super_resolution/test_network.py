import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gan_models.super_resolution.network import CompactSRResNet, Discriminator, MSRResNet, RRDBNet, SRResNet

SMALL = {
    "compact": lambda: CompactSRResNet(num_feat=8, num_block=2),
    "compact x2": lambda: CompactSRResNet(num_feat=8, num_block=1, scale=2),
    "msrresnet": lambda: MSRResNet(num_feat=8, num_block=2),
    "srresnet": lambda: SRResNet(num_feat=8, num_block=2),
    "rrdbnet": lambda: RRDBNet(num_feat=8, num_block=1, num_grow_ch=4),
    "rrdbnet x2": lambda: RRDBNet(num_feat=8, num_block=1, num_grow_ch=4, scale=2),
}


def small(name):
    """A small network in double precision whose statistics and slopes are not the initial ones."""
    torch.manual_seed(0)
    network = SMALL[name]().double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 2)
            for tensor in (module.bias, module.running_mean):
                nn.init.normal_(tensor)
        elif isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0.1, 0.4)
    return network.requires_grad_(False)


def picture(height, width, count=1):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, height, width, dtype=torch.float64, generator=generator)


def with_parameters(*names):
    return {f"{name}.{kind}" for name in names for kind in ("weight", "bias")}


def parameter_count(build):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build().parameters())


# --- Published layouts


def test_compact_parameter_names():
    assert set(small("compact").state_dict()) == with_parameters(
        "conv_first", "body.0.conv1", "body.0.conv2", "body.1.conv1", "body.1.conv2", "conv_last"
    )


def test_msrresnet_parameter_names_are_those_of_basicsr():
    assert set(small("msrresnet").state_dict()) == with_parameters(
        "conv_first",
        *("body.0.conv1", "body.0.conv2", "body.1.conv1", "body.1.conv2"),
        *("upconv1", "upconv2", "conv_hr", "conv_last"),
    )


@pytest.mark.parametrize("name", ["rrdbnet", "rrdbnet x2"])
def test_rrdbnet_parameter_names_are_those_of_basicsr(name):
    dense = ("conv1", "conv2", "conv3", "conv4", "conv5")
    assert set(small(name).state_dict()) == with_parameters(
        "conv_first",
        *(f"body.0.rdb1.{conv}" for conv in dense),
        *(f"body.0.rdb2.{conv}" for conv in dense),
        *(f"body.0.rdb3.{conv}" for conv in dense),
        *("conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"),
    )


def test_srresnet_parameter_names_are_those_of_srgan_pytorch():
    statistics = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = with_parameters("conv1.0", "conv3")
    expected |= with_parameters("upsampling.0.upsample_block.0", "upsampling.1.upsample_block.0")
    expected |= {"conv1.1.weight", "conv2.0.weight"}
    expected |= {"upsampling.0.upsample_block.2.weight", "upsampling.1.upsample_block.2.weight"}
    expected |= {f"conv2.1.{statistic}" for statistic in statistics}
    for block in ("trunk.0.rcb", "trunk.1.rcb"):
        expected |= {f"{block}.0.weight", f"{block}.2.weight", f"{block}.3.weight"}
        expected |= {f"{block}.{norm}.{statistic}" for norm in (1, 4) for statistic in statistics}
    assert set(small("srresnet").state_dict()) == expected


def test_full_sizes_have_the_published_numbers_of_parameters():
    assert parameter_count(RRDBNet) == 16_697_987
    assert parameter_count(MSRResNet) == 1_517_571
    assert parameter_count(SRResNet) == 1_547_350
    dense = sum(9 * (64 + 32 * k) * 32 + 32 for k in range(4)) + 9 * 192 * 64 + 64
    square = 9 * 64 * 64 + 64
    ends = (9 * 3 * 64 + 64) + (9 * 64 * 3 + 3)
    assert parameter_count(RRDBNet) == 23 * 3 * dense + 4 * square + ends
    assert parameter_count(lambda: RRDBNet(scale=2)) == 23 * 3 * dense + 4 * square + ends + 9 * 9 * 64
    assert parameter_count(MSRResNet) == 16 * 2 * square + 2 * (4 * square) + square + ends


# --- The same numbers from the state dict alone


def conv(state, name, x):
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state.get(f"{name}.bias"), padding=weight.shape[-1] // 2)


def leaky(x, slope):
    return torch.where(x > 0, x, slope * x)


def norm(state, name, x):
    weight, bias, mean, variance = (
        state[f"{name}.{part}"].view(-1, 1, 1) for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / (variance + 1e-5).sqrt() * weight + bias


def shuffle(x, factor):
    n, c, h, w = x.shape
    x = x.reshape(n, c // factor**2, factor, factor, h, w)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(n, c // factor**2, h * factor, w * factor)


def nearest(x):
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def bilinear(x, factor):
    """Pixel centres aligned, the border repeated."""

    def weights(size):
        places = ((torch.arange(size * factor) + 0.5) / factor - 0.5).clamp(0, size - 1)
        return (1 - (places[:, None] - torch.arange(size)).abs()).clamp_min(0).double()

    return torch.einsum("ph,nchw,qw->ncpq", weights(x.shape[2]), x, weights(x.shape[3]))


def plain_blocks(state, x):
    for block in ("body.0", "body.1"):
        x = x + conv(state, f"{block}.conv2", conv(state, f"{block}.conv1", x).clamp_min(0))
    return x


def compact(state, x):
    body = plain_blocks(state, conv(state, "conv_first", x))
    return bilinear(x, 4) + shuffle(conv(state, "conv_last", body), 4)


def msrresnet(state, x):
    y = plain_blocks(state, leaky(conv(state, "conv_first", x), 0.1))
    for name in ("upconv1", "upconv2"):
        y = leaky(shuffle(conv(state, name, y), 2), 0.1)
    y = conv(state, "conv_last", leaky(conv(state, "conv_hr", y), 0.1))
    return bilinear(x, 4) + y


def srresnet(state, x):
    first = leaky(conv(state, "conv1.0", x), state["conv1.1.weight"])
    y = first
    for block in ("trunk.0.rcb", "trunk.1.rcb"):
        inner = leaky(norm(state, f"{block}.1", conv(state, f"{block}.0", y)), state[f"{block}.2.weight"])
        y = y + norm(state, f"{block}.4", conv(state, f"{block}.3", inner))
    y = first + norm(state, "conv2.1", conv(state, "conv2.0", y))
    for block in ("upsampling.0.upsample_block", "upsampling.1.upsample_block"):
        y = leaky(shuffle(conv(state, f"{block}.0", y), 2), state[f"{block}.2.weight"])
    return conv(state, "conv3", y).clip(0, 1)


def rrdbnet(state, x):
    first = conv(state, "conv_first", x)
    y = first
    for dense in ("body.0.rdb1", "body.0.rdb2", "body.0.rdb3"):
        seen = [y]
        for index in range(1, 5):
            seen.append(leaky(conv(state, f"{dense}.conv{index}", torch.cat(seen, 1)), 0.2))
        y = y + 0.2 * conv(state, f"{dense}.conv5", torch.cat(seen, 1))
    y = first + conv(state, "conv_body", first + 0.2 * y)
    for name in ("conv_up1", "conv_up2"):
        y = leaky(conv(state, name, nearest(y)), 0.2)
    return conv(state, "conv_last", leaky(conv(state, "conv_hr", y), 0.2))


def rrdbnet_x2(state, x):
    """Channel 4·c + 2·row + column of the folded picture holds that corner of each 2×2 square."""
    h, w = x.shape[2:]
    x = x[:, :, [*range(h)] + [h - 1] * (h % 2)][:, :, :, [*range(w)] + [w - 1] * (w % 2)]
    corners = [x[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    folded = torch.stack(corners, dim=2).flatten(1, 2)
    return rrdbnet(state, folded)[:, :, : 2 * h, : 2 * w]


@pytest.mark.parametrize("size", [(6, 8), (5, 7)])
@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("compact", compact),
        ("msrresnet", msrresnet),
        ("srresnet", srresnet),
        ("rrdbnet", rrdbnet),
        ("rrdbnet x2", rrdbnet_x2),
    ],
)
def test_numbers_agree_with_the_formula(name, formula, size):
    network, x = small(name), picture(*size, count=2)
    expected = formula(network.state_dict(), x)
    assert expected.std() > 1e-3
    torch.testing.assert_close(network(x), expected, rtol=1e-9, atol=1e-9)


# --- Sizes and reach


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [(1, 1), (4, 6), (5, 4), (7, 9)])
def test_output_sizes(name, size):
    network = small(name)
    height, width = (side * network.scale for side in size)
    assert network.scale == (2 if name.endswith("x2") else 4)
    assert network(picture(*size, count=2)).shape == (2, 3, height, width)


def reach(network, position, size):
    """How many input pixels away an output pixel still feels a change of the input pixel at `position`."""
    before = picture(size, size)
    after = before.clone()
    after[0, :, position, position] += 3
    changed = (network(after) != network(before))[0].any(0)
    rows, columns = (indices // network.scale for indices in changed.nonzero(as_tuple=True))
    return max((rows - position).abs().max().item(), (columns - position).abs().max().item())


@pytest.mark.parametrize("name", SMALL)
def test_receptive_radius_is_the_reach(name):
    network = small(name)
    radius = network.receptive_radius
    middle = radius + 3
    reaches = [reach(network, position, 2 * middle + 2) for position in (middle, middle + 1)]
    assert max(reaches) == radius


def test_receptive_radius_without_blocks_is_the_reach():
    """The bilinear enlargement beside the network reaches one pixel, so it never decides."""
    network = CompactSRResNet(num_feat=4, num_block=0).double().requires_grad_(False)
    assert network.receptive_radius == reach(network, 5, 11) == 2


def test_receptive_radius_of_the_full_sizes():
    with torch.device("meta"):
        assert CompactSRResNet().receptive_radius == 18
        assert MSRResNet().receptive_radius == 35
        assert SRResNet().receptive_radius == 40
        assert RRDBNet().receptive_radius == 349
        assert RRDBNet(scale=2).receptive_radius == 698


# --- The probe


@pytest.mark.parametrize("name", SMALL)
def test_the_probe_enlarges_and_finds_broken_weights(name):
    network = small(name)
    healthy = network.probe()
    assert healthy.shape == (1, 3, 8 * network.scale, 8 * network.scale)
    assert healthy.isfinite().all()
    for parameter in network.parameters():
        before = parameter.flatten()[0].clone()
        parameter.flatten()[0] = torch.nan
        assert not network.probe().isfinite().all()
        parameter.flatten()[0] = before
    assert torch.equal(network.probe(), healthy)


@pytest.mark.parametrize("name", SMALL)
def test_the_probe_runs_where_the_network_is(name):
    network = SMALL[name]().to("meta", torch.bfloat16)
    probed = network.probe()
    assert (probed.device.type, probed.dtype) == ("meta", torch.bfloat16)


# --- The discriminator


@pytest.mark.parametrize("size", [(16, 16), (33, 47)])
def test_the_discriminator_judges_each_picture_alone(size):
    torch.manual_seed(0)
    network = Discriminator(width=4).double().eval().requires_grad_(False)
    pictures = picture(*size, count=3)
    logits = network(pictures)
    assert logits.shape == (3,)
    torch.testing.assert_close(logits, torch.cat([network(one[None]) for one in pictures]))


def test_the_discriminator_is_nowhere_steep():
    """Spectral norm keeps every convolution's gain near one, whatever the size of its weights."""
    torch.manual_seed(0)
    network = Discriminator(width=4)
    first = network.layers[0]
    with torch.no_grad():
        first.parametrizations.weight.original.mul_(1000)
    for _ in range(20):
        network(torch.rand(1, 3, 16, 16))
    assert torch.linalg.matrix_norm(first.weight.flatten(1), 2).item() == pytest.approx(1, rel=1e-2)
