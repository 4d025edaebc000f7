import tracemalloc

import cv2
import numpy as np
import pytest
import torch
from skimage import data
from torch import nn

from gan_models.checkpoints import registry
from gan_models.dehazing import Dehaze, backend
from gan_models.dehazing.backend import Dehazer
from gan_models.dehazing.network import ClarityGenerator
from gan_models.images.haze import add_haze
from gan_models.metrics import psnr
from gan_models.restoration import filmed
from tests.lattice import lattice

COMPACT = [model.name for model in registry.models("dehazing") if model.embedded]
AIR = np.array([0.85, 0.87, 0.9])


class Affine(nn.Module):
    """Multiplies each channel by one number and adds another."""

    def __init__(self, gain, offset):
        super().__init__()
        self.gain, self.offset = (torch.tensor(values).view(1, 3, 1, 1) for values in (gain, offset))

    def forward(self, x):
        return x * self.gain + self.offset


def dehazer(network):
    return Dehazer(network, registry.get("dark-channel"), "cpu")


def dehazed(backend, picture, **values):
    return backend(Dehaze.ask(image=picture, **values))


def film(tmp_path):
    """Ask for a film; the frames are handed over apart from it."""
    return filmed(Dehaze).ask(film=tmp_path / "a.mp4")


@pytest.fixture(scope="module")
def photo():
    return data.coffee()


def hazy(picture, density=1.2):
    depth = np.linspace(1, 0.2, picture.shape[0], dtype=np.float32)[:, None].repeat(picture.shape[1], 1)
    return add_haze(picture, depth, density, AIR)


@pytest.mark.parametrize("size", [(40, 60), (37, 51), (300, 900), (1, 7)])
def test_a_gain_and_an_offset_reach_every_pixel_at_any_size(size):
    picture = np.random.default_rng(0).integers(60, 160, (*size, 3)).astype(np.uint8)
    result = dehazed(dehazer(Affine([1.2, 1.0, 0.8], [0.0, -0.1, 0.05])), picture)
    expected = picture * np.array([1.2, 1.0, 0.8]) + 255 * np.array([0.0, -0.1, 0.05])
    assert result.shape == picture.shape
    assert np.abs(result - expected).max() < 3  # the windows' epsilon draws gains a little towards zero


def test_strength_mixes_with_the_picture_as_it_came(photo):
    backend = dehazer(Affine([0.5] * 3, [0.1] * 3))
    full, half, none = (dehazed(backend, photo, strength=strength).astype(float) for strength in (1, 0.5, 0))
    assert (none == photo).all()
    assert np.abs(half - (full + photo) / 2).max() <= 1


def test_alpha_is_kept_and_edges_stay_sharp(photo):
    alpha = np.full(photo.shape[:2], 200, np.uint8)
    result = dehazed(dehazer(Affine([1.0] * 3, [0.0] * 3)), np.dstack([photo, alpha]))
    assert (result[:, :, 3] == 200).all()
    assert psnr(np.ascontiguousarray(result[:, :, :3]), photo) > 45


@pytest.mark.parametrize(
    ("strength", "sentence"),
    [(-0.1, "at least 0, not -0.1"), (1.1, "at most 1, not 1.1"), (float("nan"), "a finite number")],
)
def test_impossible_strengths_are_refused(photo, strength, sentence):
    with pytest.raises(ValueError, match=f"^Strength must be {sentence}"):
        Dehaze.ask(image=photo, strength=strength)


def test_what_is_no_picture_and_what_are_no_weights_of_this_task_are_refused():
    with pytest.raises(ValueError, match="A picture is"):
        Dehaze.ask(image=np.zeros((4, 4)))
    with pytest.raises(ValueError, match="for super-resolution, not for dehazing"):
        Dehazer.load("sr-psnr-compact", "cpu")


def test_memory_hardly_grows_with_the_picture():
    picture = np.zeros((3000, 4000, 3), np.uint8)
    backend, ask = dehazer(None), Dehaze.ask(image=picture)
    tracemalloc.start()
    backend(ask)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * picture.nbytes  # the result itself is one


def test_a_film_flickers_less_than_its_pictures_one_by_one(photo, tmp_path):
    class Unsteady(nn.Module):
        def forward(self, x):
            return x * torch.empty(()).uniform_(0.6, 1.0) + torch.empty(()).uniform_(-0.1, 0.1)

    def flicker(pictures):
        return np.abs(np.diff([picture.mean() for picture in pictures])).mean()

    torch.manual_seed(0)
    still, backend = [photo[::2, ::2]] * 20, dehazer(Unsteady())
    together = list(backend.video(film(tmp_path), still))
    assert [picture.shape for picture in together] == [still[0].shape] * 20
    assert flicker(together) < flicker([dehazed(backend, picture) for picture in still]) / 3


def test_nothing_trails_behind_what_moves(photo, tmp_path):
    frames = [np.roll(photo[::2, ::2], 40 * index, axis=1) for index in range(5)]
    backend = dehazer(Affine([0.8] * 3, [0.1] * 3))
    for result, picture in zip(backend.video(film(tmp_path), frames), frames, strict=True):
        assert np.abs(result - dehazed(backend, picture).astype(float)).max() <= 3


def test_the_dark_channel_prior_clears_what_it_is_made_for(photo):
    came = hazy(photo)
    assert psnr(dehazed(Dehazer.load("dark-channel"), came), photo) > psnr(came, photo) + 3


@pytest.mark.parametrize("name", COMPACT)
def test_compact_weights_clear_synthetic_haze(name, photo):
    came = hazy(photo)
    assert psnr(dehazed(Dehazer.load(name, "cpu"), came), photo) > psnr(came, photo) + 3


@pytest.mark.parametrize("name", COMPACT)
def test_compact_weights_leave_a_clear_picture_alone(name, photo):
    assert psnr(dehazed(Dehazer.load(name, "cpu"), photo), photo) > 32


@pytest.mark.parametrize("name", COMPACT)
def test_no_lattice_shows_in_what_was_changed(name):
    cat = cv2.resize(data.chelsea(), (384, 256), interpolation=cv2.INTER_AREA)  # without its own lattice, JPEG's
    clear = [data.coffee()[:256, :384], data.astronaut()[:256, :384], cat]
    backend, came = Dehazer.load(name, "cpu"), [hazy(picture) for picture in clear]
    changes = np.stack([(dehazed(backend, picture).astype(float) - picture).mean(2) for picture in came])
    assert lattice(changes) < 5
    for stride in (2, 4):
        assert lattice(changes + 0.4 * (np.arange(384) % stride == 0)) > 10


def test_results_repeat(photo):
    backend = Dehazer.load(device="cpu")
    assert (dehazed(backend, photo[:200]) == dehazed(backend, photo[:200])).all()


def test_a_network_that_wants_multiples_of_four_gets_them():
    torch.manual_seed(0)
    backend = dehazer(ClarityGenerator(num_features=4, num_residuals=1).eval())
    assert dehazed(backend, np.zeros((33, 46, 3), np.uint8)).shape == (33, 46, 3)


def test_the_network_sees_no_more_than_the_working_size(monkeypatch):
    seen = []

    class Watcher(nn.Module):
        def forward(self, x):
            seen.append(tuple(x.shape[2:]))
            return x

    monkeypatch.setattr(backend, "WORKING_SIDE", 64)
    dehazed(dehazer(Watcher()), np.zeros((100, 256, 3), np.uint8))
    assert seen == [(28 + 64, 64 + 64)]  # 25 rows, and a margin
