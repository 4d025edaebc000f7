import numpy as np
import pytest

from gan_models.images.guided import guided_coefficients, guided_filter


def random_picture(height, width, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(size=(height, width, channels))


def brute_force(guide, target, radius, epsilon):
    """He et al. 2013, equations 5, 6 and 8, window by window, with mirrored borders."""

    def windows(picture):
        padded = np.pad(picture, radius, mode="symmetric")
        return np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1, 2 * radius + 1))

    height, width = guide.shape
    a, b = np.empty_like(guide), np.empty_like(guide)
    for place in np.ndindex(height, width):
        i, p = windows(guide)[place], windows(target)[place]
        a[place] = ((i * p).mean() - i.mean() * p.mean()) / (i.var() + epsilon)
        b[place] = p.mean() - a[place] * i.mean()
    a, b = (windows(part).mean((2, 3)) for part in (a, b))
    return a, b, a * guide + b


@pytest.mark.parametrize(("radius", "epsilon"), [(1, 1e-2), (2, 1e-4), (3, 0.5)])
def test_the_filter_is_that_of_the_paper(radius, epsilon):
    guide, target = random_picture(9, 12, 2), random_picture(9, 12, 2, seed=1)
    a, b = guided_coefficients(guide, target, radius, epsilon)
    filtered = guided_filter(guide, target, radius, epsilon)
    assert a.shape == b.shape == filtered.shape == guide.shape
    for channel in range(2):
        expected = brute_force(guide[:, :, channel], target[:, :, channel], radius, epsilon)
        for found, wanted in zip((a, b, filtered), expected, strict=True):
            np.testing.assert_allclose(found[:, :, channel], wanted, atol=1e-10)


def test_float32_is_enough():
    guide, target = random_picture(40, 50, 3), random_picture(40, 50, 3, seed=1)
    found = guided_filter(guide.astype(np.float32), target.astype(np.float32), 6, 1e-4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, guided_filter(guide, target, 6, 1e-4), atol=1e-4)


def test_a_picture_that_guides_itself_stays():
    picture = random_picture(20, 20, 3)
    np.testing.assert_allclose(guided_filter(picture, picture, 2, 1e-9), picture, atol=1e-6)


def test_a_gain_and_an_offset_are_found():
    guide = random_picture(20, 20, 3)
    a, b = guided_coefficients(guide, 0.5 * guide + 0.2, 3, 1e-9)
    np.testing.assert_allclose(a, 0.5, atol=1e-6)
    np.testing.assert_allclose(b, 0.2, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_constant_stays_under_any_guide(channels):
    guide, target = random_picture(20, 20, channels), np.full((20, 20, channels), 0.3)
    np.testing.assert_allclose(guided_filter(guide, target, 4, 1e-3), target, atol=1e-12)


def test_under_a_flat_guide_the_target_is_smoothed():
    target = random_picture(40, 40)
    smooth = guided_filter(np.full((40, 40, 1), 0.5), target, 4, 1e-3)
    assert smooth.mean() == pytest.approx(target.mean(), abs=0.02)
    assert smooth.std() < 0.15 * target.std()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (16, 20)])
def test_windows_may_be_larger_than_the_picture(size):
    guide, target = random_picture(*size), random_picture(*size, seed=1)
    expected = brute_force(guide[:, :, 0], target[:, :, 0], 40, 1e-3)[2]
    np.testing.assert_allclose(guided_filter(guide, target, 40, 1e-3)[:, :, 0], expected, atol=1e-9)
