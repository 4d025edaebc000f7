import cv2
import numpy as np
import pytest

from gan_models.dehazing import dark_channel
from gan_models.dehazing.dark_channel import remove_haze
from gan_models.metrics.psnr import decibels

AIRLIGHT = np.array([0.95, 0.9, 0.85], np.float32)


@pytest.fixture
def clear():
    """Small patches of random colours, each with a channel near zero, below a white sky."""
    rng = np.random.default_rng(0)
    cells = rng.uniform(0.2, 0.9, (30, 36, 3))
    cells[np.arange(30)[:, None], np.arange(36), rng.integers(3, size=(30, 36))] = 0.02
    return cells.repeat(5, 0).repeat(5, 1).astype(np.float32)


def hazed(clear, t, airlight=AIRLIGHT):
    t = np.broadcast_to(np.asarray(t, np.float32), clear.shape[:2])[:, :, None]
    return clear * t + airlight * (1 - t)


def with_sky(picture, airlight=AIRLIGHT):
    """Put the airlight itself above a picture."""
    return np.concatenate([np.broadcast_to(airlight, (40, *picture.shape[1:])), picture]).astype(np.float32)


def quality(found, wanted):
    return decibels(255.0 * found.clip(0, 1), 255.0 * wanted)


@pytest.mark.parametrize("t", [0.3, 0.5, 0.8])
def test_even_haze_is_removed(clear, t):
    hazy = with_sky(hazed(clear, t))
    found = remove_haze(hazy)
    assert (found.shape, found.dtype) == (hazy.shape, np.float32)
    away = 90  # from the sky, whose transmission reaches as far as a window of the guided filter
    assert quality(found[away:], clear[away - 40 :]) > quality(hazy[away:], clear[away - 40 :]) + 8


def test_haze_that_thickens_is_removed(clear):
    t = np.linspace(0.25, 0.9, clear.shape[0])[:, None]
    hazy = with_sky(hazed(clear, t))
    found = remove_haze(hazy)
    assert quality(found[40:], clear) > quality(hazy[40:], clear) + 5


def test_a_clear_picture_stays_about_as_it_is(clear):
    assert quality(remove_haze(clear), clear) > 22


def test_the_airlight_is_that_of_the_sky(clear):
    """Where no haze is taken the airlight, which maps to itself, stays; other colours go away from it."""
    found = remove_haze(with_sky(hazed(clear, 0.5)))
    np.testing.assert_allclose(found[:20], np.broadcast_to(AIRLIGHT, found[:20].shape), atol=1e-5)


def test_the_brightest_of_the_haziest_pixels_is_the_airlight(clear):
    """A sky of two colours, mixed, with the same least channel: the brighter one stays."""
    picture = with_sky(hazed(clear, 0.5))
    dull = np.random.default_rng(0).uniform(size=(40, picture.shape[1])) < 0.5
    picture[:40][dull] = AIRLIGHT.min()
    found = remove_haze(picture)[:20]
    np.testing.assert_allclose(found[~dull[:20]], np.broadcast_to(AIRLIGHT, found[~dull[:20]].shape), atol=1e-5)
    assert np.abs(found[dull[:20]] - AIRLIGHT.min()).max() > 0.01


def test_a_bright_thing_is_not_taken_for_the_airlight(clear):
    """Its dark channel is low: it is smaller than a patch."""
    picture = hazed(clear, 0.5)
    picture[100:106, 50:56] = 1
    found = remove_haze(with_sky(picture))
    np.testing.assert_allclose(found[:20], np.broadcast_to(AIRLIGHT, found[:20].shape), atol=1e-5)


def test_the_dark_channel_is_the_least_of_all_channels_nearby():
    picture = np.random.default_rng(0).uniform(size=(20, 30, 3)).astype(np.float32)
    found = dark_channel._dark_channel(picture)
    for row, column in ((0, 0), (10, 15), (19, 29), (3, 28)):
        rows, columns = slice(max(row - 7, 0), row + 8), slice(max(column - 7, 0), column + 8)
        assert found[row, column] == picture[rows, columns].min()


@pytest.mark.parametrize("colour", [(0, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5), (0.2, 0.5, 0.9), (1, 0, 0)])
@pytest.mark.parametrize("size", [(1, 1), (3, 50), (40, 33)])
def test_pictures_of_one_colour_stay(colour, size):
    picture = np.broadcast_to(np.float32(colour), (*size, 3)).copy()
    np.testing.assert_allclose(remove_haze(picture), picture, atol=1e-3)


def test_results_are_finite_whatever_comes():
    rng = np.random.default_rng(0)
    checks = np.indices((64, 64)).sum(0) // 16 % 2 * np.ones((3, 1, 1))
    for picture in (rng.uniform(size=(64, 64, 3)), checks.transpose(1, 2, 0), np.eye(64)[:, :, None] * [1, 0, 0]):
        found = remove_haze(picture.astype(np.float32))
        assert np.isfinite(found).all()
        assert np.abs(found).max() <= 10  # a tenth is the least transmission


def test_recovered_colours_seldom_fall_below_black(clear):

    blurred = cv2.GaussianBlur(clear, (0, 0), 1)
    found = remove_haze(with_sky(hazed(blurred, 0.6)))[90:]
    assert (found < -0.1).mean() < 0.02
