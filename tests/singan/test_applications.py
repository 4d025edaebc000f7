import cv2
import numpy as np
import pytest
import torch

from gan_models.singan import applications
from gan_models.singan.model import SinGAN, from_picture, resize, to_picture
from tests.singan.test_model import tiny

SHAPE = (15, 19, 3)


@pytest.fixture
def model():
    return tiny()


def picture(height=30, width=38):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_samples_differ_and_seeds_reproduce(model):
    first = list(applications.sample(model, count=3, seed=5))
    assert [image.shape for image in first] == [SHAPE] * 3
    np.testing.assert_array_equal(list(applications.sample(model, count=3, seed=5)), first)
    np.testing.assert_array_equal(next(applications.sample(model, count=1, seed=6)), first[1])
    assert not np.array_equal(first[0], first[1])


def test_later_start_scales_vary_less(model):
    def variety(start_scale):
        return np.std(list(applications.sample(model, count=6, start_scale=start_scale)), axis=0).mean()

    assert variety(0) > variety(1) > variety(2) > 0


def test_any_aspect_ratio(model):
    assert next(applications.sample(model, width_factor=2, height_factor=0.5)).shape == (8, 38, 3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"start_scale": 3}, "start scale of this model can be 0 to 2, not 3"),
        ({"start_scale": -1}, "not -1"),
    ],
)
def test_samples_that_are_refused(model, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        next(applications.sample(model, **options))


def test_too_many_pixels_are_refused(model, monkeypatch):
    monkeypatch.setattr(applications, "MAX_MEGAPIXELS", 0.0004)
    with pytest.raises(ValueError, match="megapixels"):
        next(applications.sample(model, width_factor=2))


def test_redrawing_starts_from_the_small_picture(model):
    found = applications.redraw(model, picture(), start_scale=2, seed=3)
    with torch.no_grad():
        below = resize(from_picture(picture()), (11, 14))
        expected = model.draw(first=2, below=below, rng=applications.seeded(3))
    np.testing.assert_array_equal(found, to_picture(expected))


@pytest.mark.parametrize("start_scale", [0, 3])
def test_scale_0_has_none_below(model, start_scale):
    with pytest.raises(ValueError, match="start scale of this model can be 1 to 2"):
        applications.paint(model, picture(), start_scale=start_scale)


def square_mask():
    mask = np.zeros((30, 38), np.uint8)
    mask[:8, :8] = 255
    return mask


def test_harmonising_redraws_what_is_masked_and_keeps_the_rest(model):
    found = applications.harmonize(model, picture(), square_mask(), start_scale=1)
    assert found.shape == (30, 38, 3)
    drawn = to_picture(resize(from_picture(applications.redraw(model, picture(), start_scale=1)), (30, 38)))
    np.testing.assert_array_equal(found[16:, 20:], picture()[16:, 20:])
    np.testing.assert_allclose(found[1:4, 1:4], drawn[1:4, 1:4], atol=2)


def test_harmonising_keeps_transparency(model):
    alpha = np.full((30, 38, 1), 255, np.uint8)
    alpha[:, 30:] = 7
    found = applications.harmonize(model, np.dstack([picture(), alpha]), square_mask(), start_scale=1)
    np.testing.assert_array_equal(found[:, :, 3:], alpha)


def test_a_mask_of_another_shape_is_refused(model):
    with pytest.raises(ValueError, match="as large as the picture"):
        applications.harmonize(model, picture(), np.zeros((3, 3)), start_scale=1)


@pytest.mark.parametrize(("task", "expected"), [("sample", 0), ("animate", 0), ("paint", 1), ("edit", 1)])
def test_start_scales_where_none_is_asked_for(model, task, expected):
    assert applications.checked_start(model, task, None) == expected
    assert applications.checked_start(model, task, 2) == 2


def test_a_model_of_a_single_scale_cannot_redraw():
    single = SinGAN([(12, 12)])
    assert applications.checked_start(single, "sample", None) == 0
    with pytest.raises(ValueError, match="single scale"):
        applications.checked_start(single, "paint", None)


@pytest.mark.parametrize("seed", range(20))
def test_no_sample_is_the_training_picture(model, seed):
    model.z_star.copy_(model.noise(0, model.sizes[0], torch.Generator().manual_seed(seed)))  # as a training does
    sample = next(applications.sample(model, count=1, seed=seed)).astype(int)
    assert np.abs(sample - to_picture(model.reconstruct())).mean() > 1


def test_pasting():
    ground, thing = np.full((20, 40, 3), 10, np.uint8), np.full((4, 8, 4), 255, np.uint8)
    thing[:, :4, 3] = 0
    composite, mask = applications.paste(ground, thing, x=0.5, y=0.25, width=0.2)
    expected = np.zeros((20, 40), np.uint8)
    expected[3:7, 20:24] = 255
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(composite[mask > 0], 255)
    np.testing.assert_array_equal(composite[mask == 0], 10)


@pytest.mark.parametrize(("x", "y", "count"), [(0, 0, 2 * 4), (1, 1, 2 * 4), (-2, 0.5, 0), (0.5, 3, 0)])
def test_pasting_over_the_edge(x, y, count):
    ground, thing = np.zeros((20, 40, 3), np.uint8), np.full((4, 8, 3), 255, np.uint8)
    composite, mask = applications.paste(ground, thing, x=x, y=y, width=0.2)
    assert composite.shape == ground.shape
    assert (mask > 0).sum() == count


@pytest.mark.parametrize("width", [0, 0.001, 5])
def test_things_of_impossible_sizes_are_refused(width):
    with pytest.raises(ValueError, match="at least a pixel"):
        applications.paste(np.zeros((20, 40, 3), np.uint8), np.zeros((4, 8, 3), np.uint8), x=0, y=0, width=width)


def test_cutting():
    np.testing.assert_array_equal(applications.cut(picture(), (0.25, 0.1, 0.75, 0.5)), picture()[3:15, 10:28])
    with pytest.raises(ValueError, match="Drag a frame"):
        applications.cut(picture(), (0.5, 0.5, 0.5, 0.7))


@pytest.mark.parametrize(("factor", "shape"), [(2, (24, 32, 3)), (1.5, (18, 24, 3)), (4, (48, 64, 3))])
def test_super_resolution_gives_the_size_asked_for_step_by_step(model, factor, shape):
    small = picture(12, 16)
    sizes = [image.shape for image in applications.upscale(model, small, factor=factor)]
    assert sizes[-1] == shape
    assert sizes == sorted(sizes)
    assert len(sizes) == max(1, round(3 * np.log2(factor)))


def test_super_resolution_starts_from_the_picture(model):
    for generator in model.generators:
        generator.tail[0].weight.zero_()
        generator.tail[0].bias.zero_()
    smooth = cv2.GaussianBlur(picture(12, 16), (0, 0), 3)
    *_, larger = applications.upscale(model, smooth, factor=2)
    plain = to_picture(resize(from_picture(smooth), (24, 32))).astype(int)
    assert np.abs(larger - plain).mean() < 1.5  # interpolated in three steps rather than one


def test_painting_with_the_pictures_own_colours(model):
    model.picture[:] = torch.tensor([10, 200, 30], dtype=torch.uint8)
    model.picture[:5] = torch.tensor([250, 0, 0], dtype=torch.uint8)
    near = np.where(np.arange(38)[None, :, None] < 20, (240, 20, 20), (20, 180, 40)).astype(np.uint8).repeat(30, 0)
    exact = np.where(np.arange(19)[None, :, None] < 10, (250, 0, 0), (10, 200, 30)).astype(np.uint8).repeat(15, 0)
    quantized = applications.paint(model, near, start_scale=1, quantize=True)
    np.testing.assert_array_equal(quantized, applications.paint(model, exact, start_scale=1))


@pytest.mark.parametrize("start_scale", [0, 1, 2])
def test_an_animation_moves_evenly_and_loops(model, start_scale):
    frames = np.array(list(applications.animate(model, start_scale=start_scale, frames=24)), float)
    assert frames.shape == (24, *SHAPE)
    changes = np.abs(np.diff([*frames, frames[0]], axis=0)).mean((1, 2, 3))
    assert changes.min() > 0
    assert changes[-1] <= 1.5 * changes[:-1].max()
    assert changes.max() <= 4 * np.median(changes)


def test_a_walk_stays_near_and_moves_smoothly():
    start = torch.ones(1, 3, 20, 20)

    def path(alpha, beta):
        rng = torch.Generator().manual_seed(0)
        return torch.stack(list(applications.walk(start, alpha=alpha, beta=beta, frames=40, loop=False, rng=rng)))

    assert (path(0.5, 0.9) - start).std() < (path(0.05, 0.9) - start).std()
    assert path(0.1, 0.95).diff(dim=0).std() < path(0.1, 0.5).diff(dim=0).std()
    torch.testing.assert_close(path(1, 0.9), start.expand(40, -1, -1, -1, -1))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"start_scale": 9}, "not 9"),
    ],
)
def test_animations_that_are_refused(model, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        next(applications.animate(model, **options))


def test_a_loop_has_no_dull_moment():
    """Where end and beginning meet, the noise is as strong as elsewhere."""
    rng = torch.Generator().manual_seed(0)
    frames = torch.stack(
        list(applications.walk(torch.zeros(1, 3, 40, 40), alpha=0.1, beta=0.9, frames=200, loop=True, rng=rng))
    )
    strengths = frames.flatten(1).std(1)
    assert strengths[5:50].mean() > 0.8 * strengths[60:].mean()
