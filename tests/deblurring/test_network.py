import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gan_models import checkpoints
from gan_models.checkpoints import hub, registry
from gan_models.deblurring.network import DeblurGAN, DeblurGANv2, PictureNorm, without_prefix

SMALL = {"num_filters": 8, "blocks": [1, 2, 1]}


@pytest.fixture(scope="module")
def small():
    """A small network in double precision whose factors, summands and statistics are not the initial ones."""
    torch.manual_seed(0)
    network = DeblurGANv2(**SMALL).double().eval()
    for module in network.modules():
        if isinstance(module, PictureNorm):
            for tensor in (module.running_var, *([module.weight] if module.affine else [])):
                nn.init.uniform_(tensor, 0.5, 2)
            for tensor in (module.running_mean, *([module.bias] if module.affine else [])):
                nn.init.normal_(tensor)
    return network.requires_grad_(False)


def pictures(height, width, count=1):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, height, width, dtype=torch.float64, generator=generator)


# --- The published layout: outputs, inputs, height and width of each kernel

STEM = {
    "conv2d_1a": (32, 3, 3, 3),
    "conv2d_2a": (32, 32, 3, 3),
    "conv2d_2b": (64, 32, 3, 3),
    "conv2d_3b": (80, 64, 1, 1),
    "conv2d_4a": (192, 80, 3, 3),
    "mixed_5b.branch0": (96, 192, 1, 1),
    "mixed_5b.branch1.0": (48, 192, 1, 1),
    "mixed_5b.branch1.1": (64, 48, 5, 5),
    "mixed_5b.branch2.0": (64, 192, 1, 1),
    "mixed_5b.branch2.1": (96, 64, 3, 3),
    "mixed_5b.branch2.2": (96, 96, 3, 3),
    "mixed_5b.branch3.1": (64, 192, 1, 1),
    "mixed_6a.branch0": (384, 320, 3, 3),
    "mixed_6a.branch1.0": (256, 320, 1, 1),
    "mixed_6a.branch1.1": (256, 256, 3, 3),
    "mixed_6a.branch1.2": (384, 256, 3, 3),
    "mixed_7a.branch0.0": (256, 1088, 1, 1),
    "mixed_7a.branch0.1": (384, 256, 3, 3),
    "mixed_7a.branch1.0": (256, 1088, 1, 1),
    "mixed_7a.branch1.1": (288, 256, 3, 3),
    "mixed_7a.branch2.0": (256, 1088, 1, 1),
    "mixed_7a.branch2.1": (288, 256, 3, 3),
    "mixed_7a.branch2.2": (320, 288, 3, 3),
    "conv2d_7b": (1536, 2080, 1, 1),
}
BLOCK35 = {
    "branch0": (32, 320, 1, 1),
    "branch1.0": (32, 320, 1, 1),
    "branch1.1": (32, 32, 3, 3),
    "branch2.0": (32, 320, 1, 1),
    "branch2.1": (48, 32, 3, 3),
    "branch2.2": (64, 48, 3, 3),
}
BLOCK17 = {
    "branch0": (192, 1088, 1, 1),
    "branch1.0": (128, 1088, 1, 1),
    "branch1.1": (160, 128, 1, 7),
    "branch1.2": (192, 160, 7, 1),
}
BLOCK8 = {
    "branch0": (192, 2080, 1, 1),
    "branch1.0": (192, 2080, 1, 1),
    "branch1.1": (224, 192, 1, 3),
    "branch1.2": (256, 224, 3, 1),
}
BLOCKS = {f"repeat.{index}": (BLOCK35, 320, 128) for index in range(10)}
BLOCKS |= {f"repeat_1.{index}": (BLOCK17, 1088, 384) for index in range(20)}
BLOCKS |= {f"repeat_2.{index}": (BLOCK8, 2080, 448) for index in range(9)}
BLOCKS |= {"block8": (BLOCK8, 2080, 448)}
ALIASES = {
    "conv2d_1a.": "enc0.",
    "conv2d_2a.": "enc1.0.",
    "conv2d_2b.": "enc1.1.",
    "conv2d_3b.": "enc2.0.",
    "conv2d_4a.": "enc2.1.",
    "mixed_5b.": "enc3.0.",
    "repeat.": "enc3.1.",
    "mixed_6a.": "enc3.2.",
    "repeat_1.": "enc4.0.",
    "mixed_7a.": "enc4.1.",
}
PYRAMID = {
    "fpn.lateral4.weight": (256, 2080, 1, 1),
    "fpn.lateral3.weight": (256, 1088, 1, 1),
    "fpn.lateral2.weight": (256, 192, 1, 1),
    "fpn.lateral1.weight": (256, 64, 1, 1),
    "fpn.lateral0.weight": (128, 32, 1, 1),
    "final.weight": (3, 64, 3, 3),
    "final.bias": (3,),
}
NORMALISED = {
    "fpn.td1": (256, 256, 3, 3),
    "fpn.td2": (256, 256, 3, 3),
    "fpn.td3": (256, 256, 3, 3),
    "smooth": (128, 512, 3, 3),
    "smooth2": (64, 128, 3, 3),
}


def statistics(name, channels):
    return {
        f"{name}.running_mean": (channels,),
        f"{name}.running_var": (channels,),
        f"{name}.num_batches_tracked": (),
    }


def published_trunk():
    convolutions = dict(STEM)
    expected = {"last_linear.weight": (1000, 1536), "last_linear.bias": (1000,)}
    for block, (branches, channels, joined) in BLOCKS.items():
        convolutions |= {f"{block}.{branch}": kernel for branch, kernel in branches.items()}
        expected |= {f"{block}.conv2d.weight": (channels, joined, 1, 1), f"{block}.conv2d.bias": (channels,)}
    for name, kernel in convolutions.items():
        expected |= {f"{name}.conv.weight": kernel, f"{name}.bn.weight": kernel[:1], f"{name}.bn.bias": kernel[:1]}
        expected |= statistics(f"{name}.bn", kernel[0])
    return expected


def published():
    expected = dict(PYRAMID)
    for name, shape in published_trunk().items():
        expected[f"fpn.inception.{name}"] = shape
        for first, second in ALIASES.items():
            if name.startswith(first):
                expected[f"fpn.{second}{name.removeprefix(first)}"] = shape
    for name, kernel in NORMALISED.items():
        expected |= {f"{name}.0.weight": kernel, f"{name}.0.bias": kernel[:1]} | statistics(f"{name}.1", kernel[0])
    for head in ("head1", "head2", "head3", "head4"):
        expected |= {f"{head}.block0.weight": (128, 256, 3, 3), f"{head}.block1.weight": (128, 128, 3, 3)}
    return expected


def test_names_and_shapes_are_the_published_ones():
    with torch.device("meta"):
        state = DeblurGANv2().state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == published()


def test_the_trunk_has_as_many_parameters_as_that_of_keras():
    """Which has no factors in its 60,544 / 2 normalised channels."""
    with torch.device("meta"):
        trunk = DeblurGANv2().fpn.inception
    assert sum(parameter.numel() for parameter in trunk.parameters()) == 55_813_192 + 60_544 // 2


def test_the_tensors_explain_the_size_of_the_published_file():
    with torch.device("meta"):
        network = DeblurGANv2()
    tensors = [*network.parameters(), *network.buffers()]  # each once, whatever its names
    assert sum(parameter.numel() for parameter in network.parameters()) == 60_929_291
    held = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    assert held / 1e6 == pytest.approx(registry.get("deblurgan-v2").size_mb, abs=0.5)


def test_layers_with_two_names_are_the_same(small):
    state = small.state_dict()
    for first, second in ALIASES.items():
        names = [name for name in state if name.startswith(f"fpn.inception.{first}")]
        assert names
        for name in names:
            other = name.replace(f"inception.{first}", second)
            assert state[name].data_ptr() == state[other].data_ptr()


# --- The same numbers from the state dict alone


def normalized(x, eps):
    return (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), unbiased=False, keepdim=True) + eps).sqrt()


def basic(state, name, x, stride=1, padded=True):
    weight = state[f"{name}.conv.weight"]
    padding = [side // 2 if padded else 0 for side in weight.shape[2:]]
    x = normalized(F.conv2d(x, weight, stride=stride, padding=padding), 0.001)
    return (x * state[f"{name}.bn.weight"][:, None, None] + state[f"{name}.bn.bias"][:, None, None]).clamp_min(0)


def chain(state, name, x, count):
    for index in range(count):
        x = basic(state, f"{name}.{index}", x)
    return x


def halved(state, name, x, count):
    return basic(state, f"{name}.{count - 1}", chain(state, name, x, count - 1), stride=2, padded=False)


def corrected(state, name, x, scale, lengths):
    """`lengths` are those of the branches after the first, which is a single convolution."""
    paths = [basic(state, f"{name}.branch0", x)]
    paths += [chain(state, f"{name}.branch{index}", x, length) for index, length in enumerate(lengths, start=1)]
    weight, bias = state[f"{name}.conv2d.weight"], state[f"{name}.conv2d.bias"]
    return (x + scale * F.conv2d(torch.cat(paths, 1), weight, bias)).clamp_min(0)


def peaks(x):
    return F.max_pool2d(x, 3, 2)


def means(x):
    """Of 3×3 neighbours, without what lies outside."""
    share = F.avg_pool2d(torch.ones_like(x), 3, 1, 1)
    return F.avg_pool2d(x, 3, 1, 1) / share


def first_block(state, x):
    paths = [basic(state, "mixed_5b.branch0", x)]
    paths += [chain(state, "mixed_5b.branch1", x, 2), chain(state, "mixed_5b.branch2", x, 3)]
    return torch.cat([*paths, basic(state, "mixed_5b.branch3.1", means(x))], 1)


def trunk_levels(state, x):
    """What the trunk makes of a picture in [-1, 1], at the five levels, each side still a few pixels short."""
    levels = [basic(state, "conv2d_1a", x, stride=2, padded=False)]
    x = basic(state, "conv2d_2b", basic(state, "conv2d_2a", levels[-1], padded=False))
    levels.append(peaks(x))
    x = basic(state, "conv2d_4a", basic(state, "conv2d_3b", levels[-1]), padded=False)
    levels.append(peaks(x))
    x = corrected(state, "repeat.0", first_block(state, levels[-1]), 0.17, [2, 3])
    single = basic(state, "mixed_6a.branch0", x, stride=2, padded=False)
    x = torch.cat([single, halved(state, "mixed_6a.branch1", x, 3), peaks(x)], 1)
    levels.append(x)
    for block in ("repeat_1.0", "repeat_1.1"):
        x = corrected(state, block, x, 0.1, [3])
    paths = [halved(state, f"mixed_7a.branch{index}", x, length) for index, length in enumerate((2, 2, 3))]
    return [*levels, torch.cat([*paths, peaks(x)], 1)]


def nearest(x, times):
    return x.repeat_interleave(times, dim=2).repeat_interleave(times, dim=3)


def smoothed(state, name, x):
    x = F.conv2d(x, state[f"{name}.0.weight"], state[f"{name}.0.bias"], padding=1)
    return normalized(x, 1e-5).clamp_min(0)


def head(state, name, x):
    for block in ("block0", "block1"):
        x = F.conv2d(x, state[f"{name}.{block}.weight"], padding=1).clamp_min(0)
    return x


def mirrored(x, before, after):
    """Add rows and columns that mirror those inside the first and the last."""

    def places(size):
        return [*range(before, 0, -1), *range(size), *range(size - 2, size - 2 - after, -1)]

    return x[:, :, places(x.shape[2])][:, :, :, places(x.shape[3])]


def restored(state, x, levels):
    """The picture in [0, 1], from the trunk's activations."""
    margins = [(0, 1), (1, 1), (1, 2), (1, 1), (1, 1)]
    zero, one, two, three, four = (
        mirrored(F.conv2d(level, state[f"fpn.lateral{index}.weight"]), *margin)
        for index, (level, margin) in enumerate(zip(levels, margins, strict=True))
    )
    three = smoothed(state, "fpn.td1", three + nearest(four, 2))
    two = smoothed(state, "fpn.td2", two + nearest(three, 2))
    one = smoothed(state, "fpn.td3", one + nearest(two, 2))
    heads = [head(state, f"head{index}", level) for index, level in enumerate((one, two, three, four), start=1)]
    joined = torch.cat([nearest(made, 2**power) for power, made in reversed(list(enumerate(heads)))], 1)
    half = smoothed(state, "smooth2", nearest(smoothed(state, "smooth", joined), 2) + zero)
    correction = F.conv2d(nearest(half, 2), state["final.weight"], state["final.bias"], padding=1).tanh()
    return ((correction + 2 * x - 1).clamp(-1, 1) + 1) / 2


@pytest.fixture(scope="module")
def levels(small):
    prefix = "fpn.inception."
    state = {
        name.removeprefix(prefix): value for name, value in small.state_dict().items() if name.startswith(prefix)
    }
    return trunk_levels(state, 2 * pictures(160, 128, count=2) - 1)


def test_the_trunk_agrees_with_the_formula(small, levels):
    x, fpn = 2 * pictures(160, 128, count=2) - 1, small.fpn
    for encode, expected in zip((fpn.enc0, fpn.enc1, fpn.enc2, fpn.enc3, fpn.enc4), levels, strict=True):
        x = encode(x)
        assert expected.std() > 0.1
        torch.testing.assert_close(x, expected, rtol=1e-8, atol=1e-8)


def test_the_picture_agrees_with_the_formula(small, levels):
    x = pictures(160, 128, count=2)
    expected = restored(small.state_dict(), x, levels)
    assert (expected - x).std() > 0.01
    torch.testing.assert_close(small(x), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("ours", "official"),
    [
        (PictureNorm(5, eps=0.001), nn.BatchNorm2d(5, eps=0.001)),
        (PictureNorm(5, affine=False), nn.InstanceNorm2d(5, affine=False, track_running_stats=True)),
    ],
)
def test_the_norm_is_the_official_one_in_training_mode_on_one_picture(ours, official):
    torch.manual_seed(0)
    for parameter in official.parameters():
        nn.init.normal_(parameter)
    ours.load_state_dict(official.state_dict(), strict=True)
    x = 3 * torch.randn(1, 5, 6, 7) + 1
    torch.testing.assert_close(ours.eval()(x), official.train()(x))


# --- What one may rely on


def test_each_picture_is_made_by_itself(small):
    x = pictures(128, 128, count=2)
    torch.testing.assert_close(small(x), torch.cat([small(one[None]) for one in x]), rtol=1e-8, atol=1e-8)


def test_training_mode_changes_neither_picture_nor_statistics(small):
    x, network = pictures(128, 128), copy.deepcopy(small)
    assert torch.equal(network.train()(x), small(x))
    assert all(torch.equal(value, small.state_dict()[name]) for name, value in network.state_dict().items())


def test_sizes_and_range(small):
    for height, width in ((128, 128), (128, 192)):
        made = small(pictures(height, width).round())
        assert made.shape == (1, 3, height, width)
        assert (made.min(), made.max()) == (0, 1)


def test_the_probe_finds_broken_weights(small):
    network = copy.deepcopy(small)
    assert network.probe().isfinite().all()
    network.fpn.enc4[0][0].conv2d.weight[0, 0] = torch.nan
    assert not network.probe().isfinite().all()


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_the_published_kind_of_file_is_loaded(small, options, tmp_path, monkeypatch):
    file = tmp_path / "fpn_inception.h5"
    state = {f"module.{name}": value for name, value in copy.deepcopy(small).float().state_dict().items()}
    torch.save({"model": state}, file, **options)
    model = registry.get("deblurgan-v2").model_copy(update={"config": SMALL})
    monkeypatch.setattr(registry, "get", {"deblurgan-v2": model}.__getitem__)
    monkeypatch.setattr(hub, "fetch", lambda model, progress: file)
    network = checkpoints.load("deblurgan-v2", "cpu")
    assert isinstance(network, DeblurGANv2)
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[f"module.{name}"])


def test_names_without_the_prefix_stay():
    assert without_prefix({"module.fpn.module.weight": 1, "fpn.bias": 2}) == {"fpn.module.weight": 1, "fpn.bias": 2}


# --- DeblurGAN


def test_deblurgan_has_the_published_count_of_parameters():
    """The file of 24,281,920 bytes holds 6.07 million; what two convolutions a block would come to is 11.4."""
    with torch.device("meta"):
        state = DeblurGAN().state_dict()
    assert sum(value.numel() for value in state.values()) == 6_067_459
    assert [name for name in state if name.startswith("model.18.")] == [
        "model.18.conv_block.1.weight",
        "model.18.conv_block.1.bias",
    ]
    assert state["model.26.weight"].shape == (3, 64, 7, 7)


def test_deblurgan_computes_what_its_code_says():
    torch.manual_seed(0)
    network = DeblurGAN(ngf=4, n_blocks=2).double()
    w = network.state_dict()
    x = torch.rand(2, 3, 16, 20, dtype=torch.double)

    def conv(x, name, reflected=0, **options):
        x = F.pad(x, [reflected] * 4, mode="reflect") if reflected else x
        return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], **options)

    def up(x, name):
        options = {"stride": 2, "padding": 1, "output_padding": 1}
        return F.conv_transpose2d(x, w[f"{name}.weight"], w[f"{name}.bias"], **options)

    norm, relu = F.instance_norm, torch.relu
    y = relu(norm(conv(2 * x - 1, "model.1", 3)))
    for name in ("model.4", "model.7"):
        y = relu(norm(conv(y, name, stride=2, padding=1)))
    for name in ("model.10.conv_block.1", "model.11.conv_block.1"):
        y = y + relu(norm(conv(y, name, 1)))
    for name in ("model.12", "model.15"):
        y = relu(norm(up(y, name)))
    expected = x + torch.tanh(conv(y, "model.19", 3)) / 2
    assert torch.allclose(network(x), expected.clamp(0, 1), atol=1e-10)


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"state_dict": state}])
def test_deblurgans_file_is_loaded(wrap, tmp_path, monkeypatch):
    file = tmp_path / "DeblurGAN.pt"
    state = DeblurGAN(ngf=4, n_blocks=2).state_dict()
    torch.save(wrap(state), file)
    model = registry.get("deblurgan").model_copy(update={"config": {"ngf": 4, "n_blocks": 2}})
    monkeypatch.setattr(registry, "get", {"deblurgan": model}.__getitem__)
    monkeypatch.setattr(hub, "fetch", lambda model, progress: file)
    network = checkpoints.load("deblurgan", "cpu")
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert network.probe().isfinite().all()
