import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from gan_models.singan.model import SinGAN, from_picture, load, resize, save, to_picture


def tiny(seed=0):
    """A model of three scales with random weights."""
    torch.manual_seed(seed)
    model = SinGAN([(8, 10), (11, 14), (15, 19)]).requires_grad_(False)
    model.z_star.normal_()
    model.amplitudes.copy_(torch.tensor([1, 0.3, 0.2]))
    model.picture.random_(256)
    return model


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_pyramid_is_the_formula():
    """Equation 3: each scale adds its details to the enlarged picture of the one below."""
    model, noise = tiny(), rng()
    expected = None
    for scale, size in enumerate(model.sizes):
        z = torch.randn(1, 1 if scale == 0 else 3, *size, generator=noise).expand(1, 3, *size)
        below = torch.zeros(1, 3, *size) if expected is None else resize(expected, size)
        expected = model.generators[scale](z * model.amplitudes[scale], below)
    torch.testing.assert_close(model.draw(rng=rng()), expected)


def test_the_reconstruction_has_noise_at_the_coarsest_scale_alone():
    model = tiny()
    x = model.generators[0](model.z_star, torch.zeros(1, 3, 8, 10))
    for scale in (1, 2):
        below = resize(x, model.sizes[scale])
        x = model.generators[scale](torch.zeros_like(below), below)
    torch.testing.assert_close(model.reconstruct(), x)
    assert model.reconstruct(2).shape == (1, 3, 11, 14)


def test_from_a_later_scale_the_layout_stays():
    model = tiny()
    below = torch.rand(1, 3, 8, 10)
    given = model.draw(first=1, below=below, rng=rng())
    assert not torch.equal(given, model.draw(first=1, rng=rng()))
    torch.testing.assert_close(
        model.draw(first=1, below=model.reconstruct(1), rng=rng()), model.draw(first=1, rng=rng())
    )


@pytest.mark.parametrize(("factors", "shape"), [((1, 2), (15, 38)), ((0.5, 1), (8, 19)), ((2, 2), (30, 38))])
def test_any_size(factors, shape):
    assert tiny().draw(2, factors=factors, rng=rng()).shape == (2, 3, *shape)


def test_a_file_brings_the_model_back(tmp_path):
    model = tiny()
    back = load(save(model, tmp_path / "model.safetensors"))
    assert back.sizes == model.sizes
    assert torch.equal(back.picture, model.picture)
    torch.testing.assert_close(back.draw(rng=rng()), model.draw(rng=rng()), atol=0.01, rtol=0)


def test_narrow_networks_come_back_too(tmp_path):
    model = SinGAN([(8, 10)] * 6, [32] * 6)
    assert load(save(model, tmp_path / "model.safetensors")).channels == [32] * 6
    assert SinGAN([(8, 10)] * 9).channels == [32] * 4 + [64] * 4 + [128]


@pytest.mark.parametrize(
    "change",
    [
        "text",
        "foreign",
        "missing",
        "huge",
        "too many",
        "wrong shape",
        "three sides",
        "endless",
        "other noise",
        "not finite",
    ],
)
def test_files_that_are_no_models(tmp_path, change):
    path = tmp_path / "model.safetensors"
    state = load_file(save(tiny(), path))
    if change == "text":
        path.write_text("no model")
    else:
        if change == "foreign":
            state = {"weight": torch.zeros(3)}
        elif change == "missing":
            del state["generators.0.tail.0.weight"]
        elif change == "huge":
            state["extents"] = torch.tensor([[10**9, 10**9]])
        elif change == "too many":
            state["extents"] = torch.ones(1000, 2, dtype=torch.int64)
        elif change == "wrong shape":
            state["extents"] = torch.tensor(7)
        elif change == "three sides":
            state["extents"] = torch.full((3, 3), 500)
        elif change == "endless":
            state["extents"] = torch.full((3, 2), float("inf"))
        elif change == "other noise":
            state["z_star"] = torch.zeros(1, 3, 9, 9)
        else:
            state["z_star"][0, 0, 0, 0] = float("nan")
        save_file(state, path)
    with pytest.raises(ValueError, match="not a SinGAN model"):
        load(path)


def test_pictures_and_tensors():
    picture = np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)
    np.testing.assert_array_equal(to_picture(from_picture(picture)), picture)
    assert resize(from_picture(picture), (14, 5)).shape == (1, 3, 14, 5)
