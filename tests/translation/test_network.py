import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gan_models import checkpoints
from gan_models.checkpoints import hub, registry
from gan_models.translation.network import (
    Colourer,
    HoleFiller,
    HugganUnet,
    PixelDiscriminator,
    UnetGenerator,
    generator_a,
    generator_b,
    patch_discriminator,
)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def published_unet(downs=8, width=64):
    """Names and shapes of a U-Net of pytorch-CycleGAN-and-pix2pix with batch normalisation."""
    widths = [width * min(2**level, 8) for level in range(downs)]
    expected, prefix = {}, "model.model"
    for level, inner in enumerate(widths):
        outer = 3 if level == 0 else widths[level - 1]
        first, innermost = level == 0, level == downs - 1
        down, up = (0, 3) if first else (1, 3) if innermost else (1, 5)
        expected[f"{prefix}.{down}.weight"] = (inner, outer, 4, 4)
        expected[f"{prefix}.{up}.weight"] = (inner if innermost else 2 * inner, outer, 4, 4)
        if first:
            expected[f"{prefix}.{down}.bias"], expected[f"{prefix}.{up}.bias"] = (inner,), (3,)
        norms = [] if first else [(up + 1, outer)] if innermost else [(2, inner), (up + 1, outer)]
        for index, channels in norms:
            for name in ("weight", "bias", "running_mean", "running_var"):
                expected[f"{prefix}.{index}.{name}"] = (channels,)
            expected[f"{prefix}.{index}.num_batches_tracked"] = ()
        prefix += f".{1 if first else 3}.model"
    # the official code gives the outermost level's convolutions a bias only where there is no batch norm
    del expected["model.model.0.bias"]
    return expected


@pytest.mark.parametrize("downs", [7, 8])
def test_the_unet_has_the_published_names(downs):
    with torch.device("meta"):
        state = UnetGenerator(num_downs=downs).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == published_unet(downs)


def test_the_unet_computes_what_the_paper_says():
    """Five levels down, then up, each beside what came down (section 6.1.1)."""
    network = UnetGenerator(num_downs=5, ngf=2, norm="instance").double()
    w = network.state_dict()
    x = torch.rand(1, 3, 64, 32, dtype=torch.double) * 2 - 1

    def conv(x, name):
        return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=2, padding=1)

    def up(x, name):
        return F.conv_transpose2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=2, padding=1)

    names = ["model.model", "model.model.1.model"]
    names += [names[1] + ".3.model" * level for level in (1, 2, 3)]
    down = [conv(x, f"{names[0]}.0")]
    for name in names[1:]:
        made = conv(F.leaky_relu(down[-1], 0.2), f"{name}.1")
        down.append(made if name == names[-1] else F.instance_norm(made))
    y = down[-1]
    for name, before, index in zip(reversed(names[1:]), reversed(down[:-1]), (3, 5, 5, 5), strict=True):
        y = torch.cat([before, F.instance_norm(up(F.relu(y), f"{name}.{index}"))], 1)
    expected = torch.tanh(up(F.relu(y), f"{names[0]}.3"))
    assert torch.allclose(network(x), expected, atol=1e-10)


def test_without_skips_all_goes_through_the_bottleneck():
    network = UnetGenerator(num_downs=5, ngf=4, norm="instance", skips=False).eval()
    x = torch.rand(1, 3, 32, 64)
    bottleneck = network.model.model[1].model[3].model[3].model[3].model[1]
    bottleneck.register_forward_hook(lambda module, given, out: torch.zeros_like(out))
    assert torch.equal(network(x), network(1 - x))


def test_dropout_is_in_the_levels_next_to_the_bottleneck():
    def dropouts(downs):
        network = UnetGenerator(num_downs=downs, ngf=2)
        return sum(isinstance(module, nn.Dropout) for module in network.modules())

    assert [dropouts(downs) for downs in (5, 6, 8)] == [0, 1, 3]


@pytest.mark.parametrize("patch", [1, 16, 34, 70, 142, 286])
def test_a_discriminator_sees_patches_of_its_size(patch):
    """By the pixels whose gradient one score in the middle has."""
    network = patch_discriminator(patch, 3, 2, "none").double()
    x = torch.rand(1, 3, 384, 384, dtype=torch.double, requires_grad=True)
    scores = network(x)
    middle = scores.shape[2] // 2
    scores[0, 0, middle, middle].backward()
    seen = x.grad[0].abs().sum(0)
    assert ((seen > 0).any(0).sum(), (seen > 0).any(1).sum()) == (patch, patch)


def test_the_pixel_discriminator_has_the_published_names():
    state = PixelDiscriminator(6, 4, norm="batch").state_dict()
    weights = {name: tuple(value.shape) for name, value in state.items() if value.ndim == 4}
    assert weights == {"net.0.weight": (4, 6, 1, 1), "net.2.weight": (8, 4, 1, 1), "net.5.weight": (1, 8, 1, 1)}
    assert "net.2.bias" not in state


def busy(kind, **options):
    """Return a small gated network that has learned something."""
    network = kind(channels=(4, 8), blocks=(1, 1), up_blocks=(1,), **options).eval()
    for weight in network.parameters():
        nn.init.normal_(weight, 0, 0.3)
    return network


def test_a_filler_changes_nothing_but_the_hole():
    network = busy(HoleFiller, inputs=4)
    x = torch.rand(1, 4, 32, 32) * 2 - 1
    x[:, 3] = -1
    assert torch.equal(network(x), x[:, :3])
    x[:, 3, 8:16, 8:16] = 1
    changed = (network(x) != x[:, :3]).any(1)[0]
    assert changed[8:16, 8:16].all()
    assert changed.sum() == 64


def test_a_colourer_changes_colours_alone_and_begins_with_none():
    grey = (torch.rand(1, 1, 20, 28) * 2 - 1).expand(1, 3, 20, 28)
    assert torch.equal(Colourer(channels=(4, 8), blocks=(1, 1), up_blocks=(1,))(grey), grey)
    made = busy(Colourer)(grey)
    assert (made - grey).abs().mean() > 0.01
    luma = (made * torch.tensor((0.299, 0.587, 0.114)).view(1, 3, 1, 1)).sum(1)
    torch.testing.assert_close(luma, grey[:, 0], rtol=0, atol=1e-5)


def test_probes_find_broken_weights():
    for network in (UnetGenerator(input_nc=4, num_downs=6, ngf=2, norm="instance"), HugganUnet(width=2)):
        assert network.eval().probe().isfinite().all()
        nn.init.constant_(next(network.parameters()), torch.nan)
        assert not network.probe().isfinite().all()


def test_impossible_patches_are_refused():
    with pytest.raises(ValueError, match="must be 1, 16, 34, 70, 142, 286 pixels, not 20"):
        patch_discriminator(20, 6, 8, "instance")


# --- Files on the Hub


def published_huggan():
    """Names and shapes of the tensors in `huggan/pix2pix-*`."""
    widths = [64, 128, 256, 512, 512, 512, 512, 512]
    expected = {
        f"down{level + 1}.model.0.weight": (after, before, 4, 4)
        for level, (before, after) in enumerate(zip([3, *widths], widths, strict=False))
    }
    for level, (before, after) in enumerate([(512, 512), *[(1024, 512)] * 3, (1024, 256), (512, 128), (256, 64)]):
        expected[f"up{level + 1}.model.0.weight"] = (before, after, 4, 4)
    return expected | {"final.2.weight": (3, 128, 4, 4), "final.2.bias": (3,)}


def test_the_hubs_unet_has_the_published_names_and_size():
    with torch.device("meta"):
        state = HugganUnet().state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == published_huggan()
    held = sum(value.numel() for value in state.values()) * 4 / 1e6
    assert held == pytest.approx(registry.get("pix2pix-edges-to-shoes").size_mb, abs=1)


def test_the_hubs_unet_computes_what_its_code_says():
    network = HugganUnet(width=2).double().eval()
    w = network.state_dict()
    x = torch.rand(1, 3, 256, 512, dtype=torch.double) * 2 - 1
    levels, y = [], x
    for level in range(1, 9):
        y = F.conv2d(y, w[f"down{level}.model.0.weight"], stride=2, padding=1)
        y = F.leaky_relu(y if level in (1, 8) else F.instance_norm(y), 0.2)
        levels.append(y)
    for level in range(1, 8):
        y = F.conv_transpose2d(y, w[f"up{level}.model.0.weight"], stride=2, padding=1)
        y = torch.cat([F.relu(F.instance_norm(y)), levels[7 - level]], 1)
    y = F.pad(F.interpolate(y, scale_factor=2), (2, 1, 2, 1))
    expected = torch.tanh(F.conv2d(y, w["final.2.weight"], w["final.2.bias"]))
    assert torch.allclose(network(x), expected, atol=1e-10)


def test_the_hubs_files_are_loaded_strictly(tmp_path, monkeypatch):
    state = HugganUnet(width=2).state_dict()
    torch.save(state, tmp_path / "pytorch_model.bin")
    model = registry.get("pix2pix-edges-to-shoes").model_copy(update={"config": {"width": 2}, "sha256": None})
    monkeypatch.setattr(registry, "get", {"pix2pix-edges-to-shoes": model}.__getitem__)
    monkeypatch.setattr(hub, "fetch", lambda model, progress: tmp_path / "pytorch_model.bin")
    network = checkpoints.load("pix2pix-edges-to-shoes", "cpu")
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(("name", "part"), [("horse-to-zebra", "G_B"), ("zebra-to-horse", "G_A")])
def test_a_generator_of_a_whole_cycle_gan_is_loaded_strictly(name, part, tmp_path, monkeypatch):
    from gan_models.nn.layers import NLayerDiscriminator, ResnetGenerator

    kinds = {"G_A": ResnetGenerator, "G_B": ResnetGenerator, "D_A": NLayerDiscriminator, "D_B": NLayerDiscriminator}
    options = {ResnetGenerator: {"ngf": 4, "n_blocks": 1}, NLayerDiscriminator: {"ndf": 4}}
    networks = {key: kind(**options[kind]) for key, kind in kinds.items()}
    state = {
        f"{key}.{tensor.removeprefix('model.')}": value
        for key, network in networks.items()
        for tensor, value in network.state_dict().items()
    }
    torch.save(state, tmp_path / "pytorch_model.bin")
    model = registry.get(name).model_copy(update={"config": options[ResnetGenerator], "sha256": None})
    monkeypatch.setattr(registry, "get", {name: model}.__getitem__)
    monkeypatch.setattr(hub, "fetch", lambda model, progress: tmp_path / "pytorch_model.bin")
    network = checkpoints.load(name, "cpu")
    x = torch.rand(1, 3, 16, 16)
    assert torch.equal(network(x), networks[part](x))


def test_generators_are_picked_by_their_letter():
    state = {"G_A.1.weight": 1, "G_B.1.weight": 2, "D_A.0.weight": 3}
    assert (generator_a(state), generator_b(state)) == ({"model.1.weight": 1}, {"model.1.weight": 2})
