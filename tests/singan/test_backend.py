import numpy as np
import pytest

from gan_models.jobs import finish
from gan_models.singan import SingleImage, trainer, upscale
from gan_models.singan.model import save
from gan_models.singan.trainer import PRESETS, Preset
from tests.singan.test_model import tiny


@pytest.fixture
def backend(tmp_path):
    return SingleImage(save(tiny(), tmp_path / "model.safetensors"), "cpu")


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", Preset((2, 2), 1, 2, 30, doubling=True))
    monkeypatch.setattr(trainer, "BANK", 4)


def picture(height=30, width=30, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def test_steps_show_each_picture_and_end_with_all(backend):
    *steps, last = backend.samples(count=3, seed=4)
    assert [(step.index, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    np.testing.assert_array_equal([step.preview for step in steps], last.result)


def test_animation_gives_the_frames_asked_for(backend):
    assert len(finish(backend.animation(frames=5))) == 5


def test_what_stays_is_the_picture_at_the_scale_below(backend):
    assert backend.kept(0) is None
    assert backend.kept(1).shape == (8, 10, 3)
    assert backend.kept(2).shape == (11, 14, 3)
    assert backend.kept(3) is None


@pytest.mark.parametrize("channels", [3, 4])
def test_paintings_of_any_kind(backend, channels):
    assert backend.painted(picture(channels=channels)).shape == (15, 19, 3)


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.zeros((3, 3, 1), np.uint8), "x.png"])
def test_what_is_no_picture_is_refused(backend, bad):
    with pytest.raises(ValueError, match="A picture is"):
        backend.painted(bad)


def test_weights_of_other_tasks_are_refused():
    with pytest.raises(ValueError, match="not for single-image"):
        SingleImage("sr-psnr-compact", "cpu")


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("channels", [3, 4])
def test_upscaling_trains_and_enlarges(channels):
    small = picture(26, 30, channels)
    *steps, last = upscale(small, factor=2, preset="tiny", device="cpu")
    assert last.result.shape == (52, 60, channels)
    indices = [step.index for step in steps]
    assert indices == sorted(indices)
    assert indices[-1] <= last.index == last.total
    assert "Enlarging to 60 × 52 pixels" in steps[-1].message


def test_upscaling_refuses_before_it_trains():
    with pytest.raises(ValueError, match="smaller factor"):
        next(upscale(np.zeros((1200, 1200, 3), np.uint8), factor=4))
