import math

import numpy as np
import pytest

from gan_models.metrics import psnr

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


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (BLACK[:2], "equal shapes, not 4×5×3 and 2×5×3"),
        (BLACK[:, :, 0], "equal shapes, not 4×5×3 and 4×5"),
        (BLACK / 255, "must be uint8, not uint8 and float64"),
    ],
)
def test_mismatches_are_refused(other, message):
    with pytest.raises(ValueError, match=message):
        psnr(BLACK, other)


@pytest.mark.parametrize("shape", [(), (12,), (0, 5, 3), (2, 4, 5, 3)])
def test_only_pictures_are_taken(shape):
    with pytest.raises(ValueError, match="H×W or H×W×C"):
        psnr(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))
