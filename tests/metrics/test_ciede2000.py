import numpy as np
import pytest

from gan_models.metrics import ciede2000


def test_equal_pictures_do_not_differ():
    picture = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    assert ciede2000(picture, picture) == 0


def test_black_and_white_are_a_hundred_apart():
    assert ciede2000(np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)) == pytest.approx(100, abs=0.01)


def test_greys_differ_by_lightness_alone():
    """For two greys of lightness 50 ± d the formula's weight is 1: L* = 116 (Y)^⅓ - 16 gives the difference."""
    lightness = []
    for value in (116, 122):
        linear = ((value / 255 + 0.055) / 1.055) ** 2.4
        lightness.append(116 * linear ** (1 / 3) - 16)
    pictures = [np.full((4, 4, 3), value, np.uint8) for value in (116, 122)]
    assert ciede2000(*pictures) == pytest.approx(lightness[1] - lightness[0], rel=0.01)


def test_half_of_the_pixels_count_half():
    left, right = np.zeros((2, 4, 3), np.uint8), np.zeros((2, 4, 3), np.uint8)
    right[:, :2] = 255
    assert ciede2000(left, right) == pytest.approx(50, abs=0.01)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4)])
def test_what_has_no_three_colours_is_refused(shape):
    with pytest.raises(ValueError, match="H×W×3"):
        ciede2000(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))
