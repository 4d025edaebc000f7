import math

import numpy as np
import pytest
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from gan_models.metrics import mse, psnr

BLACK = np.zeros((4, 5, 3), np.uint8)


def test_black_against_white_is_zero_decibels():
    assert psnr(BLACK, BLACK + 255) == 0


def test_a_uniform_difference_of_ten():
    assert psnr(BLACK, BLACK + 10) == pytest.approx(20 * math.log10(25.5))


def test_one_wrong_value_in_sixty():
    spoiled = BLACK.copy()
    spoiled[1, 2, 0] = 255
    assert psnr(BLACK, spoiled) == pytest.approx(10 * math.log10(60))


def test_the_difference_does_not_wrap_round():
    assert psnr(BLACK + 1, BLACK + 3) == psnr(BLACK + 3, BLACK + 1) == pytest.approx(20 * math.log10(127.5))


def test_equal_pictures_are_infinitely_near():
    assert psnr(BLACK, BLACK) == math.inf


@pytest.mark.parametrize("shape", [(7, 9), (16, 11, 3)])
def test_agrees_with_scikit_image(shape):
    a, b = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=1e-6)
    assert mse(a, b) == pytest.approx(mean_squared_error(a, b), abs=1e-6)


def test_the_squared_error_by_hand():
    spoiled = BLACK.copy()
    spoiled[0, 0], spoiled[1, 1, 1] = 3, 255
    assert mse(BLACK, spoiled) == mse(spoiled, BLACK) == pytest.approx((3 * 9 + 255**2) / 60)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (BLACK[:2], "equal shapes, not 4×5×3 and 2×5×3"),
        (BLACK[:, :, 0], "equal shapes, not 4×5×3 and 4×5"),
        (BLACK / 255, "must be uint8, not uint8 and float64"),
    ],
)
@pytest.mark.parametrize("measure", [psnr, mse])
def test_mismatches_are_refused(measure, other, message):
    with pytest.raises(ValueError, match=message):
        measure(BLACK, other)


@pytest.mark.parametrize("shape", [(), (12,), (0, 5, 3), (2, 4, 5, 3)])
def test_only_pictures_are_taken(shape):
    with pytest.raises(ValueError, match="H×W or H×W×C"):
        psnr(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))
