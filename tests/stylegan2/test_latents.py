import numpy as np
import pytest
import torch

from gan_models.checkpoints.save import save_full
from gan_models.stylegan2 import latents
from gan_models.stylegan2.latents import Latents
from gan_models.stylegan2.network import Generator

LAYERS, WIDTH = 6, 8


@pytest.fixture(scope="module")
def network():
    sizes = {"z_dim": 5, "c_dim": 0, "w_dim": WIDTH, "img_resolution": 16, "img_channels": 3}
    return Generator(**sizes, num_mapping_layers=2, channel_base=128, channel_max=8)


@pytest.fixture
def found():
    rng = np.random.default_rng(0)
    noises = {"b4.conv1.noise_const": rng.normal(size=(4, 4)).astype(np.float32)}
    return Latents("tiny", rng.normal(size=(LAYERS, WIDTH)).astype(np.float32), noises)


def test_latents_come_back_as_they_were(tmp_path, network, found):
    path = tmp_path / "a.safetensors"
    path.write_bytes(latents.content(found))
    again = latents.load(path, "tiny", network)
    assert again.model == "tiny"
    np.testing.assert_array_equal(again.w, found.w)
    np.testing.assert_array_equal(again.noises["b4.conv1.noise_const"], found.noises["b4.conv1.noise_const"])


def test_latents_of_another_generator_are_refused(tmp_path, network, found):
    path = tmp_path / "a.safetensors"
    path.write_bytes(latents.content(Latents("ffhq-1024", found.w)))
    with pytest.raises(ValueError, match="of “ffhq-1024”, not of “tiny”"):
        latents.load(path, "tiny", network)


@pytest.mark.parametrize(
    "change",
    [
        {"w": torch.zeros(3, 3)},
        {"w": torch.full((LAYERS, WIDTH), float("inf"))},
        {"w": torch.zeros(LAYERS, WIDTH, dtype=torch.float64)},
        {"b4.conv1.noise_const": torch.zeros(5, 5)},
        {"b4.conv1.weight": torch.zeros(4, 4)},
    ],
)
def test_latents_that_do_not_fit_are_refused(tmp_path, network, change):
    tensors = {"model": torch.tensor(list(b"tiny"), dtype=torch.uint8), "w": torch.zeros(LAYERS, WIDTH)}
    save_full(tensors | change, tmp_path / "a.safetensors", {})
    with pytest.raises(ValueError, match="don't fit"):
        latents.load(tmp_path / "a.safetensors", "tiny", network)


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\x80\x04."])
def test_what_is_no_file_of_latents_is_refused(tmp_path, network, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="holds no latents"):
        latents.load(tmp_path / "a.safetensors", "tiny", network)


def test_a_model_is_no_file_of_latents(tmp_path, network):
    save_full({"w": torch.zeros(LAYERS, WIDTH)}, tmp_path / "a.safetensors", {})
    with pytest.raises(ValueError, match="holds no latents"):
        latents.load(tmp_path / "a.safetensors", "tiny", network)
