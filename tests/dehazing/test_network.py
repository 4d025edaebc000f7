import copy
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gan_models import checkpoints
from gan_models.checkpoints import hub, registry
from gan_models.dehazing.network import (
    Attention,
    ClarityGenerator,
    DehazeFormerMCT,
    Fusion,
    RevisedNorm,
    TransformerBlock,
    WindowAttention,
)

SMALL = {"dims": [4, 8, 16], "depths": [2, 1, 2, 1, 1], "heads": [2, 2, 4, 2, 1], "window": 4, "knots": 3, "side": 32}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def shaken(network):
    """Return `network` in double precision with weights of which none is zero or one."""
    for parameter in network.double().requires_grad_(False).parameters():
        parameter += 0.1 * torch.randn_like(parameter)
    return network


def test_clarity_gan_computes_what_its_code_says():
    torch.manual_seed(0)
    network = ClarityGenerator(num_features=4, num_residuals=2).double()
    w = network.state_dict()
    x = torch.rand(2, 3, 16, 12, dtype=torch.double)

    def conv(x, name, pad, stride=1):
        x = F.pad(x, [pad] * 4, mode="reflect")
        return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=stride)

    def up(x, name):
        options = {"stride": 2, "padding": 1, "output_padding": 1}
        return F.conv_transpose2d(x, w[f"{name}.weight"], w[f"{name}.bias"], **options)

    norm, relu = F.instance_norm, torch.relu
    y = relu(conv(x, "base.0", 3))
    for level in (0, 1):
        y = relu(norm(conv(y, f"down_blocks.{level}.conv_block.0", 1, 2)))
    for block in (0, 1):
        first, second = (f"residual_blocks.{block}.residual_block.{part}.conv_block.0" for part in (0, 1))
        y = y + norm(conv(relu(norm(conv(y, first, 1))), second, 1))
    for level in (0, 1):
        y = relu(norm(up(y, f"up_blocks.{level}.conv_block.0")))
    assert torch.allclose(network(x), torch.tanh(conv(y, "head", 3)), atol=1e-10)


# --- DehazeFormer


def published():
    """Names and shapes of the tensors in the published file, from the code that its authors demonstrate it with."""
    dims, depths = (24, 48, 96, 48, 24), (4, 4, 8, 4, 4)
    heads, ratios = (2, 4, 6, 4, 2), (2, 2, 4, 2, 2)
    shapes = {"patch_embed.proj": (24, 3, 3, 3), "patch_unembed.proj.0": (72, 24, 3, 3)}
    shapes |= {"patch_merge1.proj": (48, 24, 2, 2), "patch_merge2.proj": (96, 48, 2, 2)}
    shapes |= {"skip1": (24, 24, 1, 1), "skip2": (48, 48, 1, 1)}
    shapes |= {"patch_split1.proj.0": (192, 96, 1, 1), "patch_split2.proj.0": (96, 48, 1, 1)}
    expected = {}
    for layer, (width, depth, count, ratio) in enumerate(zip(dims, depths, heads, ratios, strict=True), 1):
        for block in range(depth):
            name = f"layer{layer}.blocks.{block}"
            expected[f"{name}.norm1.weight"] = expected[f"{name}.norm1.bias"] = (1, width, 1, 1)
            expected[f"{name}.attn.attn.relative_positions"] = (64, 64, 2)
            shapes |= {f"{name}.norm1.meta1": (width, 1, 1, 1), f"{name}.norm1.meta2": (width, 1, 1, 1)}
            shapes |= {f"{name}.attn.{part}": (width, width, 1, 1) for part in ("V", "proj")}
            shapes |= {f"{name}.attn.QK": (2 * width, width, 1, 1), f"{name}.attn.conv": (width, 1, 5, 5)}
            shapes |= {f"{name}.attn.attn.meta.0": (256, 2), f"{name}.attn.attn.meta.2": (count, 256)}
            shapes[f"{name}.mlp.mlp.0"] = (ratio * width, width, 1, 1)
            shapes[f"{name}.mlp.mlp.2"] = (width, ratio * width, 1, 1)
    for name, shape in shapes.items():
        expected[f"{name}.weight"], expected[f"{name}.bias"] = shape, shape[:1]
    for number, width in ((1, 48), (2, 24)):
        hidden = max(width // 8, 4)
        expected[f"fusion{number}.mlp.0.weight"] = (hidden, width, 1, 1)
        expected[f"fusion{number}.mlp.2.weight"] = (2 * width, hidden, 1, 1)
    return {f"basenet.{name}": shape for name, shape in expected.items()}


def test_dehazeformer_has_the_published_names():
    with torch.device("meta"):
        state = DehazeFormerMCT().state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == published()
    held = sum(value.numel() * 4 for value in state.values())
    assert held / 1e6 == pytest.approx(registry.get("dehazeformer").size_mb, abs=0.3)  # the rest is names


def test_the_norm_tells_what_it_took_away():
    norm = shaken(RevisedNorm(3))
    x = torch.randn(2, 3, 4, 5, dtype=torch.double)
    out, factors, summands = norm(x)
    for index, picture in enumerate(x):
        mean, deviation = picture.mean(), (picture.var(correction=0) + 1e-5).sqrt()
        for channel in range(3):
            weight, bias = norm.weight[0, channel, 0, 0], norm.bias[0, channel, 0, 0]
            expected = (picture[channel] - mean) / deviation * weight + bias
            assert torch.allclose(out[index, channel], expected, atol=1e-6)
            meta1, meta2 = norm.meta1, norm.meta2
            factor = meta1.weight[channel, 0, 0, 0] * deviation + meta1.bias[channel]
            summand = meta2.weight[channel, 0, 0, 0] * mean + meta2.bias[channel]
            assert torch.allclose(factors[index, channel, 0, 0], factor, atol=1e-6)
            assert torch.allclose(summands[index, channel, 0, 0], summand, atol=1e-6)


def test_distances_are_logarithms_with_a_sign():
    attention = WindowAttention(heads=1, window=3)
    places = list(itertools.product(range(3), repeat=2))
    for (first, (y, x)), (second, (v, u)) in itertools.product(enumerate(places), repeat=2):
        expected = [math.copysign(math.log1p(abs(length)), length) for length in (y - v, x - u)]
        assert attention.relative_positions[first, second].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("shift", "height", "width"), [(0, 8, 8), (2, 8, 8), (0, 7, 10), (2, 9, 6)])
def test_attention_looks_at_each_window_by_itself(shift, height, width):
    attention = shaken(Attention(channels=4, heads=2, window=4, shift=shift))
    x = torch.randn(1, 4, height, width, dtype=torch.double)
    values = attention.V(x)
    keys = torch.cat([attention.QK(x), values], 1)
    rows, columns = (
        [abs(place) if place < length else 2 * (length - 1) - place for place in range(-shift, length + 4 - shift)]
        for length in (height, width)
    )
    keys = keys[:, :, rows][:, :, :, columns]  # mirrored
    seen = torch.zeros_like(x)
    bias = attention.attn.meta(attention.attn.relative_positions.double())
    for row, column in itertools.product(range(height), range(width)):
        top, left = ((place + shift) // 4 * 4 for place in (row, column))
        window = keys[0, :, top : top + 4, left : left + 4].reshape(12, 16)
        mine = (row + shift - top) * 4 + (column + shift - left)
        for head in range(2):
            query, key, value = (window[start + 2 * head : start + 2 * head + 2] for start in (0, 4, 8))
            scores = query[:, mine] @ key / 2**0.5 + bias[mine, :, head]
            seen[0, 2 * head : 2 * head + 2, row, column] = value @ scores.softmax(0)
    convolved = F.conv2d(F.pad(values, [2] * 4, mode="reflect"), attention.conv.weight, attention.conv.bias, groups=4)
    assert torch.allclose(attention(x), attention.proj(convolved + seen), atol=1e-10)


def test_a_block_gives_back_what_its_norm_took():
    block = shaken(TransformerBlock(channels=4, heads=2, hidden=8, window=4, shift=2))
    x = torch.randn(1, 4, 8, 8, dtype=torch.double)
    normalised, factor, summand = block.norm1(x)
    y = x + (block.attn(normalised) * factor + summand)
    first, _, second = block.mlp.mlp
    assert torch.allclose(block(x), y + second(first(y).clamp(min=0)))


def test_shares_of_two_pictures_sum_to_one_and_come_from_their_means():
    fusion = shaken(Fusion(8))
    x, y = torch.randn(2, 1, 8, 4, 4, dtype=torch.double)
    hidden = (fusion.mlp[0].weight[:, :, 0, 0] @ (x + y).mean((2, 3))[0]).clamp(min=0)
    first, second = (fusion.mlp[2].weight[:, :, 0, 0] @ hidden).split(8)
    share = first.exp() / (first.exp() + second.exp())
    share = share[:, None, None]
    assert torch.allclose(fusion(x, y), x * share + y * (1 - share))
    assert torch.allclose(fusion(x, x), x)


class Drawn(nn.Module):
    """Draws the same curves whatever it sees."""

    def __init__(self, curves):
        super().__init__()
        self.curves = curves

    def forward(self, x):
        return self.curves


def test_curves_are_looked_up_at_each_place_and_value():
    network = DehazeFormerMCT(**SMALL, ratios=[2] * 5)
    curves = torch.randn(1, 27, 5, 6)
    network.basenet = Drawn(curves)
    x = torch.rand(1, 3, 7, 9)
    made = network(x)
    for to, row, column in itertools.product(range(3), range(7), range(9)):
        total = 0
        for channel in range(3):
            places = (
                row / 6 * 4,
                column / 8 * 5,
                x[0, channel, row, column].item() * 2,
            )  # of 5 rows, 6 columns, 3 knots
            for corner in itertools.product((0, 1), repeat=3):
                share, index = 1, []
                for place, step, last in zip(places, corner, (4, 5, 2), strict=True):
                    low = min(int(place), last - 1)
                    share *= place - low if step else 1 - (place - low)
                    index.append(low + step)
                total += share * curves[0, to * 9 + channel * 3 + index[2], index[0], index[1]].item()
        assert made[0, to, row, column].item() == pytest.approx(min(max((total + 1) / 2, 0), 1), abs=1e-5)


def test_a_picture_of_any_size_goes_through():
    network = DehazeFormerMCT(**SMALL, ratios=[2] * 5).eval()
    for size in ((20, 33), (40, 64)):
        made = network(torch.rand(2, 3, *size))
        assert made.shape == (2, 3, *size)
        assert 0 <= made.min() <= made.max() <= 1
    broken = copy.deepcopy(network)
    assert broken.probe().isfinite().all()
    nn.init.constant_(broken.basenet.layer3.blocks[0].attn.proj.weight, torch.nan)
    assert not broken.probe().isfinite().all()


def test_the_published_kind_of_file_is_loaded(tmp_path, monkeypatch):
    file = tmp_path / "dehazeformer.pth"
    state = DehazeFormerMCT(**SMALL, ratios=[2] * 5).state_dict()
    torch.save({"state_dict": state}, file)
    model = registry.get("dehazeformer").model_copy(update={"config": SMALL | {"ratios": [2] * 5}})
    monkeypatch.setattr(registry, "get", {"dehazeformer": model}.__getitem__)
    monkeypatch.setattr(hub, "fetch", lambda model, progress: file)
    network = checkpoints.load("dehazeformer", "cpu")
    assert isinstance(network, DehazeFormerMCT)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
