import numpy as np
import pytest
from scipy.ndimage import convolve
from skimage import data

from gan_models.metrics import ms_ssim


def by_definition(a, b):
    """Equation 7 of Wang et al. 2003 for two grey pictures, by scipy's filters, mirrored as in the authors' code."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    a, b, score = a.astype(float), b.astype(float), 1.0

    def average(x):
        return convolve(x, window, mode="reflect")[5:-5, 5:-5]

    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mean_a, mean_b = average(a), average(b)
        variance_a, variance_b = average(a * a) - mean_a**2, average(b * b) - mean_b**2
        term = (2 * (average(a * b) - mean_a * mean_b) + 58.5225) / (variance_a + variance_b + 58.5225)
        if scale == 4:
            term = term * (2 * mean_a * mean_b + 6.5025) / (mean_a**2 + mean_b**2 + 6.5025)
        score *= term.mean() ** weight
        a, b = (convolve(x, np.full((2, 2), 0.25), mode="reflect")[::2, ::2] for x in (a, b))
    return score


@pytest.fixture(scope="module")
def pair():
    """A picture with odd sides, and the same with noise that is stronger on the right."""
    picture = data.astronaut()[:181, 60:277]
    noise = np.random.default_rng(0).normal(size=picture.shape) * np.linspace(2, 60, picture.shape[1])[:, None]
    return picture, (picture + noise).clip(0, 255).astype(np.uint8)


def test_it_is_the_papers_formula(pair):
    a, b = (picture[:, :, 1] for picture in pair)
    assert ms_ssim(a, b) == pytest.approx(by_definition(a, b), abs=1e-9)


def test_colour_is_the_mean_of_the_channels(pair):
    a, b = pair
    channels = [by_definition(a[:, :, channel], b[:, :, channel]) for channel in range(3)]
    assert ms_ssim(a, b) == pytest.approx(np.mean(channels), abs=1e-9)


def test_flat_pictures_differ_in_luminance_alone():
    a, b = np.full((176, 180), 100, np.uint8), np.full((176, 180), 150, np.uint8)
    luminance = (2 * 100 * 150 + 6.5025) / (100**2 + 150**2 + 6.5025)
    assert ms_ssim(a, b) == pytest.approx(luminance**0.1333, abs=1e-9)


def test_equal_pictures_are_one_and_opposed_ones_nothing(pair):
    a, b = pair
    assert ms_ssim(a, a) == pytest.approx(1, abs=1e-12)
    assert ms_ssim(a, b) == ms_ssim(b, a) < 1
    assert ms_ssim(a, 255 - a) == 0


def test_what_is_refused(pair):
    a, b = pair
    with pytest.raises(ValueError, match="176×176 pixels or more, not 175×200"):
        ms_ssim(a[:175, :200], b[:175, :200])
    with pytest.raises(ValueError, match="equal shapes"):
        ms_ssim(a, b[:-1])
    with pytest.raises(ValueError, match="uint8"):
        ms_ssim(a / 255, b / 255)
