import numpy as np
import pytest

from gan_models.singan import (
    SinganAnimate,
    SinganEdit,
    SinganHarmonize,
    SinganPaint,
    SinganSample,
    SinganUpscale,
    trainer,
)
from gan_models.singan.backend import SingleImage
from gan_models.singan.model import save
from gan_models.singan.trainer import PRESETS, Preset
from tests.singan.test_model import tiny


@pytest.fixture
def backend():
    return SingleImage(tiny(), device="cpu")


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setitem(PRESETS, "quick", Preset((2, 2), 1, 2, 30, doubling=True))
    monkeypatch.setattr(trainer, "BANK", 4)


def picture(height=30, width=30, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def test_steps_show_each_sample_with_its_seed(backend):
    *steps, last = backend.run(SinganSample(count=3, seed=4))
    assert [(step.index, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    assert [step.drawn.record["seed"] for step in steps] == [4, 5, 6]
    for step in steps:
        np.testing.assert_array_equal(step.preview, step.drawn.image)
    assert "3 pictures of 19 × 15 pixels" in last.message


def test_a_sample_is_that_of_its_seed(backend):
    *_, third, _ = backend.run(SinganSample(count=3, seed=4))
    alone, _ = backend.run(SinganSample(count=1, seed=6))
    np.testing.assert_array_equal(third.drawn.image, alone.drawn.image)


def test_animation_gives_the_frames_asked_for(backend):
    *frames, last = backend.run(SinganAnimate(frames=5))
    assert [step.frame.shape for step in frames] == [(15, 19, 3)] * 5
    assert "5 pictures" in last.message


def test_what_stays_is_the_picture_at_the_scale_below(backend):
    assert backend.kept(0) is None
    assert backend.kept(1).shape == (8, 10, 3)
    assert backend.kept(2).shape == (11, 14, 3)
    assert backend.kept(3) is None


@pytest.mark.parametrize("channels", [3, 4])
def test_paintings_of_any_kind(backend, channels):
    painting = picture(channels=channels)
    *_, last = backend.run(SinganPaint(painting=painting))
    assert last.result.shape == (15, 19, 3)
    assert last.before.shape == (30, 30, 3)


@pytest.mark.parametrize(("task", "name"), [(SinganHarmonize, "composite"), (SinganEdit, "edited")])
def test_only_what_is_masked_is_redrawn(backend, task, name):
    mask = np.zeros((30, 30), bool)
    mask[:8, :8] = True
    found = backend(task(**{name: picture()}, mask=mask, start_scale=1))
    np.testing.assert_array_equal(found[20:, 20:], picture()[20:, 20:])
    assert not np.array_equal(found[:8, :8], picture()[:8, :8])


def test_a_file_of_ones_own_is_a_model(tmp_path, backend):
    path = save(tiny(), tmp_path / "model.safetensors")
    own = SingleImage.load(str(path), "cpu")
    np.testing.assert_array_equal(own.picture, backend.picture)


def test_weights_of_other_tasks_are_refused():
    with pytest.raises(ValueError, match="not for single-image"):
        SingleImage.load("sr-psnr-compact", "cpu")


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("channels", [3, 4])
def test_upscaling_trains_and_enlarges(channels):
    small = picture(26, 30, channels)
    *steps, last = SinganUpscale(image=small, factor=2).run(device="cpu")
    assert last.result.shape == (52, 60, channels)
    indices = [step.index for step in steps]
    assert indices == sorted(indices)
    assert indices[-1] <= last.index == last.total
    assert "Enlarging to 60 × 52 pixels" in steps[-1].message
