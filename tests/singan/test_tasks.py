import numpy as np
import pytest
import torch

from gan_models.singan import tasks
from gan_models.singan.model import from_picture, resize, to_picture
from tests.singan.test_model import tiny

SHAPE = (15, 19, 3)


@pytest.fixture
def model():
    return tiny()


def picture(height=30, width=38):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_samples_differ_and_seeds_reproduce(model):
    first = list(tasks.sample(model, count=3, seed=5))
    assert [image.shape for image in first] == [SHAPE] * 3
    np.testing.assert_array_equal(list(tasks.sample(model, count=3, seed=5)), first)
    np.testing.assert_array_equal(next(tasks.sample(model, count=1, seed=6)), first[1])
    assert not np.array_equal(first[0], first[1])


def test_later_start_scales_vary_less(model):
    def variety(start_scale):
        return np.std(list(tasks.sample(model, count=6, start_scale=start_scale)), axis=0).mean()

    assert variety(0) > variety(1) > variety(2) > 0


def test_any_aspect_ratio(model):
    assert next(tasks.sample(model, width_factor=2, height_factor=0.5)).shape == (8, 38, 3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"start_scale": 3}, "start scale can be 0 to 2, not 3"),
        ({"start_scale": -1}, "not -1"),
        ({"count": 0}, "1 to 16"),
        ({"count": 17}, "1 to 16"),
        ({"width_factor": 0.1}, "factors must be from"),
        ({"height_factor": 5}, "factors must be from"),
        ({"width_factor": float("nan")}, "factors must be from"),
    ],
)
def test_samples_that_are_refused(model, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        next(tasks.sample(model, **options))


def test_too_many_pixels_are_refused(model, monkeypatch):
    monkeypatch.setattr(tasks, "MAX_MEGAPIXELS", 0.0004)
    with pytest.raises(ValueError, match="megapixels"):
        next(tasks.sample(model, width_factor=2))


def test_redrawing_starts_from_the_small_picture(model):
    found = tasks.redraw(model, picture(), start_scale=2, seed=3)
    with torch.no_grad():
        below = resize(from_picture(picture()), (11, 14))
        expected = model.draw(first=2, below=below, rng=torch.Generator().manual_seed(3))
    np.testing.assert_array_equal(found, to_picture(expected))


@pytest.mark.parametrize("start_scale", [0, 3])
def test_scale_0_has_none_below(model, start_scale):
    with pytest.raises(ValueError, match="start scale can be 1 to 2"):
        tasks.redraw(model, picture(), start_scale=start_scale)


def test_harmonisation_leaves_what_is_far_from_the_mask(model, monkeypatch):
    monkeypatch.setattr(tasks, "DILATION", 1)
    monkeypatch.setattr(tasks, "FEATHER", 1.0)
    mask = np.zeros((30, 38), np.uint8)
    mask[:8, :8] = 255
    found = tasks.harmonize(model, picture(), mask, start_scale=1)
    plain = to_picture(resize(from_picture(picture()), (15, 19)))
    drawn = tasks.redraw(model, picture(), start_scale=1)
    np.testing.assert_array_equal(found[8:, 10:], plain[8:, 10:])
    np.testing.assert_allclose(found[1, 1], drawn[1, 1], atol=2)


def test_a_mask_of_another_shape_is_refused(model):
    with pytest.raises(ValueError, match="as large as the picture"):
        tasks.harmonize(model, picture(), np.zeros((3, 3)), start_scale=1)


def test_painting_with_the_pictures_own_colours(model):
    model.picture[:] = torch.tensor([10, 200, 30], dtype=torch.uint8)
    model.picture[:5] = torch.tensor([250, 0, 0], dtype=torch.uint8)
    colours = tasks.main_colours(model.picture.numpy(), 2)
    assert sorted(np.rint(colours).astype(int).tolist()) == [[10, 200, 30], [250, 0, 0]]
    near = np.where(np.arange(38)[None, :, None] < 19, (240, 20, 20), (20, 180, 40)).astype(np.uint8).repeat(30, 0)
    exact = np.where(np.arange(38)[None, :, None] < 19, (250, 0, 0), (10, 200, 30)).astype(np.uint8).repeat(30, 0)
    quantized = tasks.paint(model, near, start_scale=1, quantize=True)
    np.testing.assert_array_equal(quantized, tasks.paint(model, exact, start_scale=1))


@pytest.mark.parametrize("start_scale", [0, 1, 2])
def test_an_animation_moves_evenly_and_loops(model, start_scale):
    frames = np.array(list(tasks.animate(model, start_scale=start_scale, frames=24)), float)
    assert frames.shape == (24, *SHAPE)
    changes = np.abs(np.diff([*frames, frames[0]], axis=0)).mean((1, 2, 3))
    assert changes.min() > 0
    assert changes[-1] <= 1.5 * changes[:-1].max()
    assert changes.max() <= 4 * np.median(changes)


def test_a_walk_stays_near_and_moves_smoothly():
    start = torch.ones(1, 3, 20, 20)

    def path(alpha, beta):
        rng = torch.Generator().manual_seed(0)
        return torch.stack(list(tasks.walk(start, alpha=alpha, beta=beta, frames=40, loop=False, rng=rng)))

    assert (path(0.5, 0.9) - start).std() < (path(0.05, 0.9) - start).std()
    assert path(0.1, 0.95).diff(dim=0).std() < path(0.1, 0.5).diff(dim=0).std()
    torch.testing.assert_close(path(1, 0.9), start.expand(40, -1, -1, -1, -1))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"alpha": 2}, "between 0 and 1"),
        ({"beta": -1}, "between 0 and 1"),
        ({"frames": 1}, "2 to 600"),
        ({"start_scale": 9}, "not 9"),
    ],
)
def test_animations_that_are_refused(model, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        next(tasks.animate(model, **options))
