from math import log2

import numpy as np
import pytest
import torch

from gan_models.stylegan2.network import Discriminator, Generator

Z, W, CLASSES = 5, 6, 3
SMALL = {"img_channels": 3, "channel_base": 512, "channel_max": 6}
ARCHITECTURES = ("skip", "resnet", "orig")


@pytest.fixture(params=["filters apart", "filters in the kernels"])
def composing(request, monkeypatch):
    """Convolve as processors do, or as graphics cards do."""
    monkeypatch.setattr("gan_models.stylegan2.network.composes", lambda device: request.param.endswith("kernels"))


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def one_hot(count):
    return torch.eye(CLASSES)[torch.arange(count) % CLASSES]


def unsettled(network):
    """The network in evaluation, with random numbers in everything that is zero or one at first."""
    for index, (name, value) in enumerate(network.state_dict().items()):
        if name.endswith(("bias", "noise_strength", "w_avg")):
            rate = 0.01 if ".fc" in name and name.startswith("mapping") else 1
            value.add_(random(*value.shape, seed=index) / rate * 0.5)
    return network.eval().requires_grad_(False)


def small_generator(resolution=16, classes=0, mapping_layers=2, **options):
    torch.manual_seed(0)
    return unsettled(Generator(Z, classes, W, resolution, num_mapping_layers=mapping_layers, **SMALL | options))


def small_discriminator(resolution=16, classes=0, **options):
    torch.manual_seed(0)
    return unsettled(Discriminator(classes, resolution, **SMALL | options))


# --- StyleGAN2-ADA from the state dict alone, in float64

FIR = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


def correlate(x, kernels, padding=0, stride=1):
    """N×I×H×W with O×I×k×k kernels, or with N×O×I×k×k, one for each picture."""
    k = kernels.shape[-1]
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    h, w = x.shape[2] - k + 1, x.shape[3] - k + 1
    y = sum(
        kernels[..., i, j] @ x[:, :, i : i + h, j : j + w].reshape(*x.shape[:2], h * w)
        for i in range(k)
        for j in range(k)
    )
    return y.reshape(*y.shape[:2], h, w)[:, :, ::stride, ::stride]


def smooth(x, padding, gain=1):
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    h, w = x.shape[2] - 3, x.shape[3] - 3
    return sum(gain * FIR[i, j] * x[:, :, i : i + h, j : j + w] for i in range(4) for j in range(4))


def with_zeros_between(x):
    n, c, h, w = x.shape
    y = np.zeros((n, c, 2 * h - 1, 2 * w - 1))
    y[:, :, ::2, ::2] = x
    return y


def convolve_enlarging(x, kernels):
    """Zeros between the pixels, the convolution proper (a correlation with the turned kernel), the filter."""
    full = correlate(with_zeros_between(x), kernels[..., ::-1, ::-1], padding=2)
    return smooth(full, 1, gain=4)


def enlarge(x):
    return smooth(with_zeros_between(x), 2, gain=4)


def halve(x):
    return smooth(x, 1)[:, :, ::2, ::2]


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def unit(x):
    return x / np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-8)


class Formula:
    """The networks' formulas; `seen` gets what each layer gives, by name."""

    def __init__(self, network, architecture=None, conv_clamp=None):
        self.state = {name: value.double().numpy() for name, value in network.state_dict().items()}
        self.architecture, self.limit = architecture, np.inf if conv_clamp is None else conv_clamp
        self.seen = {}

    def saw(self, name, value):
        self.seen[name] = value
        return value

    def biased(self, x, name):
        return x + self.state[f"{name}.bias"][None, :, None, None]

    def activated(self, x, name, gain=1.0, clamped=True):
        y = leaky(self.biased(x, name)) * np.sqrt(2) * gain
        return self.saw(name, np.clip(y, -self.limit * gain, self.limit * gain) if clamped else y)

    def gained(self, name):
        weight = self.state[f"{name}.weight"]
        return weight / np.sqrt(weight[0].size)

    def dense(self, name, x, rate=1.0, active=False):
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        y = x @ weight.T * (rate / np.sqrt(weight.shape[1])) + bias * rate
        return self.saw(name, leaky(y) * np.sqrt(2) if active else y)

    def mapped(self, z, c, layers):
        parts = [] if z is None else [unit(z)]
        if c is not None:
            parts.append(unit(self.dense("mapping.embed", c)))
        w = np.concatenate(parts, axis=1)
        for index in range(layers):
            w = self.dense(f"mapping.fc{index}", w, rate=0.01, active=True)
        return w

    # The generator

    def styled(self, name, x, w, noise, up=False, gain=1.0):
        styles = self.dense(f"{name}.affine", w)
        kernels = styles[:, None, :, None, None] * self.state[f"{name}.weight"]
        kernels = kernels / np.sqrt((kernels**2).sum(axis=(2, 3, 4), keepdims=True) + 1e-8)
        y = convolve_enlarging(x, kernels) if up else correlate(x, kernels, padding=1)
        return self.activated(y + noise(name, y.shape[-1]) * self.state[f"{name}.noise_strength"], name, gain)

    def colours(self, name, x, w):
        styles = self.dense(f"{name}.affine", w) / np.sqrt(x.shape[1])
        y = correlate(x, styles[:, None, :, None, None] * self.state[f"{name}.weight"])
        return self.saw(name, np.clip(self.biased(y, name), -self.limit, self.limit))

    def drawn(self, ws, noise):
        """N×layers×w_dim to N×3×H×W; `noise` gives the noise of a layer, by name and resolution."""
        count, layers = ws.shape[:2]
        resolutions = [4 * 2**index for index in range(layers // 2)]
        picture, layer = 0, 0
        for resolution in resolutions:
            name = f"synthesis.b{resolution}"
            gain = np.sqrt(0.5) if self.architecture == "resnet" and resolution > 4 else 1
            if resolution == 4:
                x, beside = np.repeat(self.state[f"{name}.const"][None], count, axis=0), 0
            else:
                if self.architecture == "resnet":
                    beside = gain * enlarge(correlate(x, self.gained(f"{name}.skip")))
                    self.saw(f"{name}.skip", beside)
                x = self.styled(f"{name}.conv0", x, ws[:, layer], noise, up=True)
                layer += 1
            x = self.styled(f"{name}.conv1", x, ws[:, layer], noise, gain=gain) + beside
            layer += 1
            self.saw(name, x)
            if resolution > 4 and self.architecture == "skip":
                picture = enlarge(picture)
            if resolution == resolutions[-1] or self.architecture == "skip":
                picture = picture + self.colours(f"{name}.torgb", x, ws[:, layer])
        return self.saw("synthesis", picture)

    # The discriminator

    def layer(self, name, x, down=False, **options):
        weight = self.gained(name)
        y = correlate(smooth(x, 2), weight, stride=2) if down else correlate(x, weight, weight.shape[-1] // 2)
        return self.activated(y, name, **options)

    def judged(self, picture, c=None):
        resolution, x = picture.shape[-1], 0
        while resolution > 4:
            name = f"b{resolution}"
            if self.architecture == "skip" or np.isscalar(x):
                x = x + self.layer(f"{name}.fromrgb", picture)
            gain, beside = 1, 0
            if self.architecture == "resnet":
                gain = np.sqrt(0.5)
                beside = self.saw(f"{name}.skip", gain * correlate(halve(x), self.gained(f"{name}.skip")))
            x = self.layer(f"{name}.conv1", self.layer(f"{name}.conv0", x), down=True, gain=gain) + beside
            self.saw(name, x)
            picture, resolution = halve(picture), resolution // 2
        if self.architecture == "skip":
            x = x + self.layer("b4.fromrgb", picture, clamped=False)  # as NVIDIA has it, at this resolution alone
        x = self.layer("b4.conv", self.saw("b4.mbstd", with_deviation(x)))
        x = self.dense("b4.out", self.dense("b4.fc", x.reshape(len(x), -1), active=True))
        if c is not None:
            x = (x * self.saw("mapping", self.mapped(None, c, 8))).sum(1, keepdims=True) / np.sqrt(x.shape[1])
        return self.saw("b4", x)


def with_deviation(x, size=4):
    """Append each picture's group's deviation; the pictures of a group lie as far apart as there are groups."""
    count = len(x)
    groups = count // min(size, count)
    channels = []
    for index in range(count):
        group = x[[other for other in range(count) if other % groups == index % groups]]
        deviation = np.sqrt(((group - group.mean(0)) ** 2).mean(0) + 1e-8).mean()
        channels.append(np.full((1, *x.shape[2:]), deviation))
    return np.concatenate([x, np.stack(channels)], axis=1)


def no_noise(name, resolution):
    return 0


def watched(network):
    """The dict that gets what each module gives, by name, when the network runs."""
    seen = {}

    def watch(name):
        def note(module, arguments, output):
            seen[name] = (output[0] if isinstance(output, tuple) else output).numpy()

        return note

    for name, module in network.named_modules():
        if name:
            module.register_forward_hook(watch(name))
    return seen


def assert_same_numbers(found, expected):
    """Layer by layer, within 1e-5 of the largest number."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].shape == value.shape, name
        scale = np.abs(value).max()
        assert scale > 1e-3, name
        assert np.abs(found[name] - value).max() < 1e-5 * scale, name


# --- The generator's numbers


def assert_generator_follows_the_formula(network, formula, classes=0, count=2, mode="const", psi=1, cutoff=None):
    z, c = random(count, Z, seed=1), one_hot(count) if classes else None
    found = watched(network)
    picture = network(z, c, psi, cutoff, noise_mode=mode, rng=torch.Generator().manual_seed(2))
    draws = torch.Generator().manual_seed(2)
    noise = {
        "const": lambda name, resolution: formula.state[f"{name}.noise_const"],
        "random": lambda name, resolution: torch.randn(count, 1, resolution, resolution, generator=draws).numpy(),
        "none": no_noise,
    }
    layers = 2 * int(log2(network.img_resolution)) - 2
    w = formula.mapped(z.double().numpy(), None if c is None else c.double().numpy(), network.mapping.num_layers)
    ws = np.repeat(w[:, None], layers, axis=1)
    average = formula.state["mapping.w_avg"]
    ws[:, :cutoff] = average + psi * (ws[:, :cutoff] - average)
    formula.saw("mapping", ws)
    expected = formula.drawn(ws, noise[mode])
    assert picture.shape == (count, 3, network.img_resolution, network.img_resolution)
    assert picture.dtype == torch.float32
    assert np.array_equal(found["synthesis"], picture.numpy())
    assert np.array_equal(formula.seen["synthesis"], expected)
    assert_same_numbers(found, formula.seen)


@pytest.mark.parametrize("classes", [0, CLASSES])
@pytest.mark.parametrize("resolution", [8, 32, 64, 128, 256])
def test_generator_follows_the_formula(resolution, classes):
    network = small_generator(resolution, classes)
    assert_generator_follows_the_formula(network, Formula(network, "skip"), classes)


@pytest.mark.parametrize("clamp", [None, 0.3])
@pytest.mark.parametrize("mode", ["const", "random", "none"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_generator_follows_the_formula_in_every_architecture(composing, architecture, mode, clamp):
    options = {"architecture": architecture, "conv_clamp": clamp}
    network = small_generator(32, **options)
    assert_generator_follows_the_formula(network, Formula(network, **options), mode=mode, count=3)


@pytest.mark.parametrize(("psi", "cutoff"), [(0.7, None), (0.7, 3), (0.5, 0), (0, None), (-1, 2), (1.5, None)])
def test_truncation_follows_the_formula(psi, cutoff):
    network = small_generator()
    assert_generator_follows_the_formula(network, Formula(network, "skip"), psi=psi, cutoff=cutoff)


def test_full_mapping_follows_the_formula():
    network = small_generator(8, CLASSES, mapping_layers=8)
    assert_generator_follows_the_formula(network, Formula(network, "skip"), CLASSES)


def test_each_layer_takes_its_own_w():
    network = small_generator(32)
    ws = random(2, network.num_ws, W, seed=3)
    expected = Formula(network, "skip").drawn(ws.double().numpy(), no_noise)
    assert_same_numbers({"": network.synthesis(ws, "none").numpy()}, {"": expected})


# --- The discriminator's numbers


def assert_discriminator_follows_the_formula(network, formula, classes=0, count=4):
    resolution = network.resolutions[0]
    picture, c = random(count, 3, resolution, resolution, seed=4), one_hot(count) if classes else None
    found = watched(network)
    logits = network(picture, c)
    formula.judged(picture.double().numpy(), None if c is None else c.double().numpy())
    assert logits.shape == (count, 1)
    assert np.array_equal(found["b4"], logits.numpy())
    assert_same_numbers(found, formula.seen)


@pytest.mark.parametrize("classes", [0, CLASSES])
@pytest.mark.parametrize("resolution", [8, 32, 64, 128, 256])
def test_discriminator_follows_the_formula(resolution, classes):
    network = small_discriminator(resolution, classes)
    assert_discriminator_follows_the_formula(network, Formula(network, "resnet"), classes)


@pytest.mark.parametrize("clamp", [None, 0.3])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_discriminator_follows_the_formula_in_every_architecture(composing, architecture, clamp):
    options = {"architecture": architecture, "conv_clamp": clamp}
    network = small_discriminator(32, **options)
    assert_discriminator_follows_the_formula(network, Formula(network, **options))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8, 12])
def test_deviation_is_that_of_groups_of_four(count):
    network = small_discriminator()
    assert_discriminator_follows_the_formula(network, Formula(network, "resnet"), count=count)


# --- Published layouts


def shapes(network):
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def below(prefix, entries):
    return {f"{prefix}.{name}": shape for name, shape in entries.items()}


def linear(inputs, outputs):
    return {"weight": (outputs, inputs), "bias": (outputs,)}


def styled(inputs, outputs, resolution):
    return below("affine", linear(W, inputs)) | {
        "weight": (outputs, inputs, 3, 3),
        "bias": (outputs,),
        "noise_strength": (),
        "noise_const": (resolution, resolution),
        "resample_filter": (4, 4),
    }


def torgb(inputs):
    return below("affine", linear(W, inputs)) | {"weight": (3, inputs, 1, 1), "bias": (3,)}


def conv(inputs, outputs, kernel):
    return {"weight": (outputs, inputs, kernel, kernel), "bias": (outputs,), "resample_filter": (4, 4)}


TAPERED = {"img_channels": 3, "channel_base": 64, "channel_max": 12}  # 12 channels at 4×4, 8 at 8×8, 4 at 16×16


def generator_layout(classes):
    return {
        "mapping.w_avg": (W,),
        **below("mapping.fc0", linear(Z + (W if classes else 0), W)),
        **below("mapping.fc1", linear(W, W)),
        **(below("mapping.embed", linear(CLASSES, W)) if classes else {}),
        "synthesis.b4.const": (12, 4, 4),
        "synthesis.b4.resample_filter": (4, 4),
        **below("synthesis.b4.conv1", styled(12, 12, 4)),
        **below("synthesis.b4.torgb", torgb(12)),
        "synthesis.b8.resample_filter": (4, 4),
        **below("synthesis.b8.conv0", styled(12, 8, 8)),
        **below("synthesis.b8.conv1", styled(8, 8, 8)),
        **below("synthesis.b8.torgb", torgb(8)),
        "synthesis.b16.resample_filter": (4, 4),
        **below("synthesis.b16.conv0", styled(8, 4, 16)),
        **below("synthesis.b16.conv1", styled(4, 4, 16)),
        **below("synthesis.b16.torgb", torgb(4)),
    }


def discriminator_layout(classes):
    skips = {"b16.skip": (8, 4, 1, 1), "b8.skip": (12, 8, 1, 1)}
    layout = {
        "b16.resample_filter": (4, 4),
        **below("b16.fromrgb", conv(3, 4, 1)),
        **below("b16.conv0", conv(4, 4, 3)),
        **below("b16.conv1", conv(4, 8, 3)),
        "b8.resample_filter": (4, 4),
        **below("b8.conv0", conv(8, 8, 3)),
        **below("b8.conv1", conv(8, 12, 3)),
        **{f"{name}.weight": shape for name, shape in skips.items()},
        **{f"{name}.resample_filter": (4, 4) for name in skips},
        **below("b4.conv", conv(13, 12, 3)),
        **below("b4.fc", linear(192, 12)),
        **below("b4.out", linear(12, 12 if classes else 1)),
    }
    if classes:
        layout |= below("mapping.embed", linear(CLASSES, 12))
        for index in range(8):
            layout |= below(f"mapping.fc{index}", linear(12, 12))
    return layout


@pytest.mark.parametrize("classes", [0, CLASSES])
def test_names_and_shapes_are_those_of_stylegan2_ada(classes):
    assert shapes(small_generator(16, classes, **TAPERED)) == generator_layout(classes)
    assert shapes(small_discriminator(16, classes, **TAPERED)) == discriminator_layout(classes)


def test_names_and_shapes_in_the_other_architectures():
    colours = {name for name in generator_layout(0) if ".b4.torgb." in name or ".b8.torgb." in name}
    plain = {name: shape for name, shape in generator_layout(0).items() if name not in colours}
    skips = {"synthesis.b8.skip.weight": (8, 12, 1, 1), "synthesis.b16.skip.weight": (4, 8, 1, 1)}
    skips |= {name.replace("weight", "resample_filter"): (4, 4) for name in skips}
    assert shapes(small_generator(architecture="orig", **TAPERED)) == plain
    assert shapes(small_generator(architecture="resnet", **TAPERED)) == plain | skips

    plain = {name: shape for name, shape in discriminator_layout(0).items() if ".skip." not in name}
    colours = below("b8.fromrgb", conv(3, 8, 1)) | below("b4.fromrgb", conv(3, 12, 1))
    assert shapes(small_discriminator(architecture="orig", **TAPERED)) == plain
    assert shapes(small_discriminator(architecture="skip", **TAPERED)) == plain | colours


@pytest.mark.parametrize("build", [small_generator, small_discriminator])
def test_filters_are_those_of_the_paper(build):
    filters = [value.numpy() for name, value in build().state_dict().items() if name.endswith("resample_filter")]
    assert len(filters) > 5
    assert all(np.array_equal(value, FIR) for value in filters)


def test_full_sizes_have_the_published_numbers_of_parameters():
    """The totals that NVIDIA's code prints when it sets out to train at 1024×1024 with two mapping layers."""

    def totals(network):
        return tuple(sum(part.numel() for part in parts) for parts in (network.parameters(), network.buffers()))

    with torch.device("meta"):
        assert totals(Generator(512, 0, 512, 1024, 3, num_mapping_layers=2)) == (28_794_124, 2_797_104)
        assert totals(Discriminator(0, 1024, 3)) == (29_012_513, 544)


def test_a_new_network_begins_as_published():
    torch.manual_seed(0)
    network = Generator(512, 0, 512, 8, **SMALL, num_mapping_layers=1)
    state = network.state_dict()
    for name, value in state.items():
        if name.endswith(".bias"):
            assert (value == (1 if ".affine." in name else 0)).all(), name
        elif name.endswith(("noise_strength", "w_avg")):
            assert (value == 0).all(), name
    assert state["mapping.fc0.weight"].std().item() == pytest.approx(100, rel=0.01)
    assert state["synthesis.b8.conv0.affine.weight"].std().item() == pytest.approx(1, rel=0.05)
    w = network.mapping(random(500, 512))
    assert w.square().mean().item() == pytest.approx(1, rel=0.05)


# --- What does not change the picture, and what does


def test_a_latent_and_a_seed_give_one_picture():
    network, z = small_generator(), random(2, Z, seed=1)

    def picture(seed=None, mode="random"):
        return network(z, noise_mode=mode, rng=None if seed is None else torch.Generator().manual_seed(seed))

    assert torch.equal(picture(5), picture(5))
    assert not torch.equal(picture(5), picture(6))
    assert torch.equal(picture(mode="const"), picture(mode="const"))
    assert not torch.equal(picture(mode="const"), picture(mode="none"))
    torch.manual_seed(7)
    first, second = picture(), picture()
    torch.manual_seed(7)
    assert torch.equal(picture(), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("classes", [0, CLASSES])
def test_a_batch_equals_its_members(classes):
    network, z, c = small_generator(32, classes), random(4, Z, seed=1), one_hot(4)
    together = network(z, c, 0.7, noise_mode="const")
    alone = torch.cat([network(z[i : i + 1], c[i : i + 1], 0.7, noise_mode="const") for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 0.1


def test_no_truncation_is_left_of_the_average():
    network = small_generator()
    average = network.synthesis(network.mapping.w_avg.expand(1, network.num_ws, W), "const")
    pictures = network(random(3, Z), truncation_psi=0, noise_mode="const")
    torch.testing.assert_close(pictures, average.expand_as(pictures), rtol=1e-5, atol=1e-5)


def test_the_size_of_a_latent_does_not_matter():
    network, z = small_generator(), random(2, Z)
    torch.testing.assert_close(network.mapping(z), network.mapping(30 * z), rtol=1e-5, atol=1e-5)


def test_the_average_is_tracked():
    network = small_generator()
    before, w = network.mapping.w_avg.clone(), random(8, W)
    network.mapping.track(w)
    torch.testing.assert_close(network.mapping.w_avg, 0.995 * before + 0.005 * w.mean(0))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_bfloat16_is_near(architecture):
    """8 bits of precision in a score of layers: within 4 % of the range at the worst pixel, 1 % on average."""
    generator = small_generator(32, architecture=architecture)
    discriminator = small_discriminator(32, architecture=architecture)
    z = random(4, Z, seed=1)
    exact = generator(z, noise_mode="const")
    exact_logits = discriminator(exact)
    with torch.autocast("cpu", torch.bfloat16):
        picture = generator(z, noise_mode="const")
        logits = discriminator(exact)
    assert picture.dtype == logits.dtype == torch.float32
    error = (picture - exact).abs() / exact.abs().max()
    assert 0 < error.max() < 0.04
    assert error.mean() < 0.01
    assert 0 < (logits - exact_logits).abs().max() < 0.04 * exact_logits.abs().max()


# --- What is refused


@pytest.mark.parametrize("mode", ["constant", "", None])
def test_unknown_noise_is_refused(mode):
    network = small_generator(8)
    with pytest.raises(ValueError, match="random, const, none"):
        network(random(1, Z), noise_mode=mode)


@pytest.mark.parametrize("resolution", [0, 1, 4, 12, 24, 100, -8])
def test_resolutions_that_are_no_power_of_two_are_refused(resolution):
    with pytest.raises(ValueError, match=f"power of 2.*{resolution}"):
        Generator(Z, 0, W, resolution, **SMALL)
    with pytest.raises(ValueError, match=f"power of 2.*{resolution}"):
        Discriminator(0, resolution, **SMALL)
