import time
from itertools import pairwise

import numpy as np
import pytest
import torch

from gan_models.jobs import finish, responsive, watch_layers
from gan_models.singan import trainer
from gan_models.singan.model import from_picture, pyramid_sizes, resize, to_picture
from gan_models.singan.trainer import PRESETS, Preset, SinGANTrainer
from gan_models.training import loop
from tests.trainings import built, same, training


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """A preset of a few iterations on two scales."""
    monkeypatch.setitem(PRESETS, "tiny", Preset((6, 6), 1, 2, 30, doubling=True))
    monkeypatch.setattr(trainer, "BANK", 4)


def picture(height=30, width=30):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def begun(out=None, image=None, **options):
    """Return the steps of a training with the tiny preset."""
    image = picture() if image is None else image
    return training(SinGANTrainer, out, picture=image, preset="tiny", **options)


def trained(image=None, **options):
    return finish(begun(image=image, **options))


def ready(**options):
    """Return a trainer before its first step."""
    return built(SinGANTrainer, **{"picture": picture(), "preset": "tiny"} | options)


@pytest.mark.parametrize(
    ("size", "max_side", "count", "coarsest", "finest"),
    [
        ((250, 250), 250, 10, (25, 25), (250, 250)),
        ((500, 500), 250, 10, (25, 25), (250, 250)),
        ((96, 128), 128, 6, (25, 33), (96, 128)),
        ((20, 30), 250, 1, (20, 30), (20, 30)),
        ((25, 60), 250, 1, (25, 60), (25, 60)),
        ((50, 400), 128, 1, (25, 200), (25, 200)),
    ],
)
def test_the_pyramid(size, max_side, count, coarsest, finest):
    sizes = pyramid_sizes(*size, max_side)
    assert (len(sizes), sizes[0], sizes[-1]) == (count, coarsest, finest)


def test_scales_grow_by_about_a_third():
    sizes = pyramid_sizes(300, 200, 250)
    assert sizes[0][1] == 25
    assert sizes[-1] == (250, 167)
    ratios = [b[0] / a[0] for a, b in pairwise(sizes)]
    assert all(1.2 < ratio < 1.4 for ratio in ratios)


def test_pictures_and_tensors():
    np.testing.assert_array_equal(to_picture(from_picture(picture())), picture())
    grown = resize(from_picture(picture()), (60, 45))
    assert grown.shape == (1, 3, 60, 45)


def test_training_reconstructs_better_and_better():
    run = ready()
    losses = [run.step(index)["reconstruction"] for index in range(6)]
    assert run.scale == 1
    assert losses[-1] < losses[0]


def test_amplitudes_follow_the_error_of_the_scale_below():
    model = trained()
    real = resize(from_picture(picture()), model.sizes[-1])
    with torch.no_grad():
        below = resize(model.reconstruct(1), model.sizes[1])
    expected = 0.1 * (below - real).square().mean().sqrt()
    assert model.amplitudes[0] == 1
    assert model.amplitudes[1].item() == pytest.approx(expected.item(), rel=1e-4)


def test_seeds_reproduce():
    first, again, other = trained(seed=1), trained(seed=1), trained(seed=2)
    assert same(first.state_dict(), again.state_dict())
    assert not torch.equal(first.z_star, other.z_star)


@pytest.mark.parametrize("stop", [1, 5, 6, 8, 11])
def test_a_training_that_is_interrupted_goes_on_as_if_it_had_not_been(stop):
    whole, first, second = (ready(seed=3) for _ in range(3))
    expected = [whole.step(index) for index in range(12)]
    losses = [first.step(index) for index in range(stop)]
    second.load_state_dict(first.state_dict())
    losses += [second.step(index) for index in range(stop, 12)]
    assert losses == expected
    assert same(whole.model.state_dict(), second.model.state_dict())


def test_a_cancelled_training_keeps_its_state_in_a_file(tmp_path):
    steps = begun(tmp_path, seed=4)
    for _ in range(8):
        next(steps)
    steps.close()
    rest = list(begun(tmp_path, resume=True, seed=4))
    assert len(rest) == 5
    assert rest[-2].index == rest[-1].index == rest[-1].total
    assert same(rest[-1].result.state_dict(), trained(seed=4).state_dict())


def test_steps_tell_what_goes_on(monkeypatch):
    monkeypatch.setattr(trainer, "PREVIEW_SECONDS", 0)
    *steps, last = begun()
    assert len(steps) == 12
    indices = [step.index for step in steps]
    assert indices == sorted(indices)
    assert steps[-1].index == steps[-1].total == last.total
    assert steps[0].message == "Scale 1 of 2, 25 × 25 pixels"
    assert steps[-1].preview.shape == (30, 30, 3)
    assert set(steps[0].losses) == {"discriminator", "generator", "reconstruction"}
    assert last.result.sizes == [(25, 25), (30, 30)]


@pytest.mark.parametrize("shape", [(20, 20), (11, 11), (12, 60), (60, 12)])
def test_odd_sizes(shape):
    model = trained(picture(*shape))
    assert all(value.isfinite().all() for value in model.state_dict().values() if value.is_floating_point())


def test_a_constant_picture():
    model = trained(np.full((30, 30, 3), 90, np.uint8))
    with torch.no_grad():
        assert model.draw(rng=torch.Generator()).isfinite().all()


@pytest.mark.parametrize(
    ("image", "preset", "sentence"),
    [
        (picture(), "fast", "preset must be one of"),
        (picture(10, 40), "quick", "11×11 pixels or more"),
        (picture(20, 161), "quick", "8 times as long as wide"),
    ],
)
def test_what_is_refused(image, preset, sentence):
    with pytest.raises(ValueError, match=sentence):
        SinGANTrainer(picture=image, preset=preset)


def test_iterations_fall_from_scale_to_scale(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", Preset((8, 2), 1, 2, 40, doubling=False))
    assert SinGANTrainer(picture=picture(40, 40), preset="tiny").lengths == [8, 4, 2]
    assert SinGANTrainer(picture=picture(40, 40), preset="tiny", iterations=3).lengths == [3, 3, 3]


@pytest.mark.parametrize(("doubling", "expected"), [(True, [32, 32, 32, 32, 64]), (False, [32] * 5)])
def test_widths_of_the_networks(monkeypatch, doubling, expected):
    monkeypatch.setitem(PRESETS, "tiny", Preset((1, 1), 1, 2, 70, doubling=doubling))
    assert trained(picture(70, 70)).channels == expected


def test_a_training_of_something_else_does_not_go_on(tmp_path):
    finish(begun(tmp_path, seed=1))
    for other, seed in ((picture(), 2), (255 - picture(), 1)):
        with pytest.raises(ValueError, match="other data or options"):
            next(begun(tmp_path, other, resume=True, seed=seed))


def test_a_cancelled_iteration_is_finished_first(tmp_path):
    """Work that nobody wants any more ends between iterations, so that what is kept is sound."""
    watch_layers()
    state = tmp_path / "checkpoint.pt"
    stream = responsive(begun(tmp_path, seed=5), every=0.01)
    while not next(stream).index:  # until one is done, and most likely another has begun
        pass
    stream.close()
    for _ in range(600):  # of a machine that may be busy
        if state.exists():
            break
        time.sleep(0.05)
    model = finish(begun(tmp_path, resume=True, seed=5))
    assert same(model.state_dict(), trained(seed=5).state_dict())


def test_training_for_super_resolution(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", Preset((6, 6), 1, 2, 60, doubling=True))
    run = SinGANTrainer(picture=picture(60, 60), preset="tiny", upscaling=True)
    assert run.reconstruction_weight == 100
    assert all(1.2 < b[0] / a[0] < 1.3 for a, b in pairwise(run.sizes))


@pytest.mark.parametrize("moment", ["gradient_penalty", "resize"])
def test_an_iteration_that_is_broken_off_is_done_again(tmp_path, monkeypatch, moment):
    """Whatever it is that breaks in, what is kept is a state between iterations."""
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0)
    original, calls = getattr(trainer, moment), []

    def interrupted(*arguments, **options):
        calls.append(moment)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(trainer, moment, interrupted)
    with pytest.raises(KeyboardInterrupt):
        finish(begun(tmp_path, seed=6))
    monkeypatch.setattr(trainer, moment, original)
    model = finish(begun(tmp_path, resume=True, seed=6))
    assert same(model.state_dict(), trained(seed=6).state_dict())


def test_the_last_preview_of_a_scale_is_its_own(monkeypatch):
    monkeypatch.setattr(trainer, "PREVIEW_SECONDS", 1000)
    previews = {step.message: step.preview for step in begun() if step.preview is not None}
    assert [preview.shape for preview in previews.values()] == [(25, 25, 3), (30, 30, 3)]


def test_a_state_that_cannot_be_read_gets_one_sentence(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="damaged; begin a new one"):
        next(begun(tmp_path, resume=True))
