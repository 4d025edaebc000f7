import numpy as np
import pytest
import torch
from PIL import Image

from gan_models.training.degraded import DegradedPairs


@pytest.fixture
def folder(tmp_path):
    """Five smooth pictures; red tells which one, green rises to the right, blue downwards."""
    for index, (height, width) in enumerate([(40, 50), (41, 36), (60, 33), (36, 36), (48, 80)]):
        picture = np.empty((height, width, 3), np.uint8)
        picture[..., 0] = 50 * index
        picture[..., 1] = 2 * np.arange(width)
        picture[..., 2] = 3 * np.arange(height)[:, None]
        Image.fromarray(picture).save(tmp_path / f"{index}.png")
    return tmp_path


def pairs(folder, size=16, degrade=None, **options):
    """Of which two are kept for validation."""
    return DegradedPairs(folder, size, degrade or darker, **{"held_out": 2} | options)


def batch(source, count, seed=0):
    return source.batch(count, np.random.default_rng(seed))


def darker(image, rng):
    """Halve each value, less a little that is random."""
    return image // 2 - np.minimum(image // 2, rng.integers(4, dtype=np.uint8))


def reds(batch):
    return {round(255 * picture[0].mean().item() / 50) for picture in batch}


def test_batches_are_pairs_of_degraded_and_good_patches(folder):
    bad, good = batch(pairs(folder, intact=0), 7)
    assert bad.shape == good.shape == (7, 3, 16, 16)
    assert bad.dtype == good.dtype == torch.float32
    difference = 255 * (good / 2 - bad)
    assert difference.min() > -0.01
    assert difference.max() < 3.6
    assert 0 <= good.min() < good.max() <= 1


def test_some_patches_stay_intact(folder):
    bad, good = batch(pairs(folder, intact=0.3), 300)
    intact = (bad == good).flatten(1).all(1).float().mean()
    assert 0.22 < intact < 0.38


def test_patches_come_mirrored_but_not_turned(folder):
    _, good = batch(pairs(folder), 60)
    rightward = good[:, 1].diff(dim=2).mean((1, 2))
    assert {value > 0 for value in rightward.tolist()} == {True, False}
    assert (good[:, 2].diff(dim=1).mean((1, 2)) > 0).all()


def test_patches_come_at_several_scales_and_from_several_places(folder):
    _, good = batch(pairs(folder), 100)
    slopes = 255 * good[:, 2].diff(dim=1).mean((1, 2)) / 3  # pixels of the picture in one of the patch
    assert 0.95 < slopes.min() < 1.15
    assert 1.8 < slopes.max() < 2.05
    tops = 255 * good[:, 2, 0].mean(1) / 3
    assert tops.min() < 3
    assert tops.max() > 15


def test_patches_are_no_larger_than_their_picture(folder):
    _, good = batch(pairs(folder, 33), 30)
    assert good.shape == (30, 3, 33, 33)


def test_the_degradation_sees_a_margin_that_is_cut_off(folder):
    seen = []

    def framed(image, rng):
        seen.append(image.shape)
        spoilt = np.zeros_like(image)
        spoilt[5:-5, 5:-5] = image[5:-5, 5:-5]
        return spoilt

    bad, good = batch(pairs(folder, degrade=framed, margin=5, intact=0), 4)
    assert seen == [(26, 26, 3)] * 4
    assert bad.shape == (4, 3, 16, 16)
    assert torch.equal(bad, good)


def test_the_seed_decides(folder):
    a, b, c = (batch(pairs(folder), 5, seed) for seed in (1, 1, 2))
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert not torch.equal(a[1], c[1])


def test_the_held_out_pictures_are_not_trained_on_whatever_the_seed(folder):
    held_out = []
    for seed in (1, 2):
        source = pairs(folder)
        held_out.append(source.held_out)
        shown = reds(batch(source, 200, seed)[1])
        validated = {good[0, 0, 0] // 50 for _, good in source.held_out}
        assert len(validated) == 2
        assert shown | validated == set(range(5))
        assert not shown & validated
    for (bad, good), (again, good_again) in zip(*held_out, strict=True):
        np.testing.assert_array_equal(bad, again)
        np.testing.assert_array_equal(good, good_again)


def test_validation_is_the_mean_psnr_of_whole_pictures(folder):
    source = pairs(folder, degrade=lambda image, rng: image - np.minimum(image, 10))
    assert [bad.shape == good.shape for bad, good in source.held_out] == [True, True]
    expected = [
        10 * np.log10(255**2 / np.square(bad.astype(float) - good.astype(float)).mean())
        for bad, good in source.held_out
    ]
    assert source.validate(torch.nn.Identity()) == pytest.approx(np.mean(expected))


def test_too_few_pictures_are_refused(folder):
    with pytest.raises(ValueError, match="more than 5 pictures"):
        pairs(folder, held_out=5)


@pytest.mark.parametrize(("size", "margin"), [(34, 0), (24, 5)])
def test_too_small_pictures_are_refused(folder, size, margin):
    with pytest.raises(ValueError, match="at least 34 pixels"):
        pairs(folder, size, margin=margin)
    batch(pairs(folder, size - 1, margin=margin), 2)
