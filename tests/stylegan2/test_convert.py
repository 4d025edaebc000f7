import pytest
import torch

from gan_models.checkpoints import WeightsError
from gan_models.checkpoints.safe_pickle import Record
from gan_models.stylegan2.convert import from_nvidia, from_rosinality
from gan_models.stylegan2.network import Generator
from tests.stylegan2.rosinality import CONFIG, WIDTH, Formula, checkpoint

SIZES = {"z_dim": 5, "c_dim": 0, "w_dim": 6, "img_resolution": 16, "img_channels": 3}
SMALL = {"channel_base": 64, "channel_max": 6}


def small_state(**config):
    torch.manual_seed(0)
    return Generator(**SIZES | SMALL | config).state_dict()


def record(kwargs, **config):
    return Record("Generator", kwargs, small_state(**config))


def latents(count=3, width=WIDTH):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(1))


# --- NVIDIA's


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_all_settings_reach_the_generator(architecture):
    given = {
        **SMALL,
        "architecture": architecture,
        "conv_clamp": 256,
        "num_fp16_res": 4,
        "resample_filter": [1, 3, 3, 1],
    }
    kwargs = {**SIZES, "mapping_kwargs": {"num_layers": 3, "w_avg_beta": 0.995}, "synthesis_kwargs": given}
    config, state = from_nvidia(record(kwargs, num_mapping_layers=3, architecture=architecture))
    assert config == {**SIZES, **SMALL, "num_mapping_layers": 3, "architecture": architecture, "conv_clamp": 256}
    Generator(**config).load_state_dict(state, strict=True)


def test_defaults_are_those_of_the_code_that_wrote_the_file():
    defaults = {"num_mapping_layers": 8, "channel_base": 32768, "channel_max": 512, "architecture": "skip"}
    config, _ = from_nvidia(record(SIZES))
    assert config == {**SIZES, **defaults, "conv_clamp": None}
    config, _ = from_nvidia(record({**SIZES, "mapping_kwargs": {}, "synthesis_kwargs": {"channel_max": 6}}))
    assert config == {**SIZES, **defaults, "channel_max": 6, "conv_clamp": None}
    stylegan3 = {**SIZES, **SMALL, "fused_modconv_default": "inference_only"}  # whose own default is a clamp
    config, _ = from_nvidia(record(stylegan3))
    assert config == {**SIZES, **defaults, **SMALL, "conv_clamp": 256}


def test_all_that_was_read_will_do():
    records = {"D": Record("Discriminator", {}, {}), "G_ema": record(SIZES | SMALL)}
    assert from_nvidia(records)[0] == from_nvidia(records["G_ema"])[0]


def test_half_precision_becomes_float32():
    state = {name: value.half() for name, value in small_state().items()}
    _, converted = from_nvidia(Record("Generator", SIZES, state))
    assert {value.dtype for value in converted.values()} == {torch.float32}
    assert torch.equal(converted["synthesis.b4.const"], state["synthesis.b4.const"].float())


@pytest.mark.parametrize(
    ("kwargs", "problem"),
    [
        ({"mapping_kwargs": {"activation": "relu"}}, "do not know the setting activation = relu"),
        ({"mapping_kwargs": {"lr_multiplier": 0.1}}, "setting lr_multiplier = 0.1"),
        ({"magnitude_ema_beta": 0.999}, "setting magnitude_ema_beta"),
        ({"mapping_kwargs": {"num_layers": 7}}, "not 7 mapping layers"),
        ({"mapping_kwargs": {"num_layers": 10**9}}, "not 1000000000 mapping layers"),
    ],
)
def test_settings_that_would_draw_something_else_are_refused(kwargs, problem):
    with pytest.raises(WeightsError, match=problem):
        from_nvidia(record(SIZES | kwargs))


def test_other_networks_are_refused():
    with pytest.raises(WeightsError, match="this Discriminator is no StyleGAN2 generator"):
        from_nvidia(Record("Discriminator", SIZES, {"b4.conv.weight": torch.zeros(1)}))
    with pytest.raises(KeyError, match="z_dim"):
        from_nvidia(record({}))


# --- rosinality's


@pytest.mark.parametrize("truncation", [1, 0.6])
def test_rosinalitys_generator_draws_the_same_pictures(truncation):
    content = checkpoint()
    generator = Generator(**CONFIG).eval()
    generator.load_state_dict(from_rosinality(content), strict=True)
    with torch.inference_mode():
        pictures = generator(latents(), None, truncation, noise_mode="const")
    expected = Formula(content)(latents(), truncation)
    assert expected.std() > 0.5
    torch.testing.assert_close(pictures.double(), expected, rtol=0, atol=1e-5)


def test_every_number_of_the_checkpoint_counts():
    content = checkpoint()
    reference = from_rosinality(content)
    for name in content["g_ema"]:
        changed = content | {"g_ema": content["g_ema"] | {name: content["g_ema"][name] + 1}}
        converted = from_rosinality(changed)
        assert sum(not torch.equal(converted[key], reference[key]) for key in reference) == 1, name


def test_half_precision_is_scaled_in_float32():
    content = checkpoint(torch.float16)
    converted = from_rosinality(content)
    assert {value.dtype for value in converted.values()} == {torch.float32}
    weight = content["g_ema"]["convs.5.conv.weight"][0].float()
    torch.testing.assert_close(converted["synthesis.b32.conv1.weight"], weight / 6)


def test_without_an_average_it_is_taken_over_many_latents():
    content = checkpoint()
    assert torch.equal(from_rosinality(content)["mapping.w_avg"], content["latent_avg"])
    average = from_rosinality(content["g_ema"])["mapping.w_avg"]
    assert torch.equal(average, from_rosinality({"g_ema": content["g_ema"]})["mapping.w_avg"])
    w = Formula(content).mapped(latents(10_000).double())
    deviation = w.std(0) * (2 / 10_000) ** 0.5
    assert ((average - w.mean(0)).abs() < 5 * deviation).all()


@pytest.mark.parametrize(
    ("change", "error", "problem"),
    [
        ({"g_ema": 3}, WeightsError, "“g_ema” is no state dict"),
        ({"latent_avg": "none"}, WeightsError, "“latent_avg” is no tensor"),
        ({"g_ema": {}}, KeyError, "input.input"),
        ({"g_ema": {"to_rgbs.0.bias": 0}}, KeyError, "input.input"),
    ],
)
def test_what_is_not_in_that_layout_is_named(change, error, problem):
    with pytest.raises(error, match=problem):
        from_rosinality(checkpoint() | change)


def test_a_missing_parameter_is_named():
    content = checkpoint()
    del content["g_ema"]["convs.3.noise.weight"]
    with pytest.raises(KeyError, match=r"convs.3.noise.weight"):
        from_rosinality(content)
