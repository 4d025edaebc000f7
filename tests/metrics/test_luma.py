import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skimage.color import rgb2ycbcr

from gan_models.metrics import luma, luma_psnr, luma_ssim, ssim


def colours(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((0, 0, 0), 16),
        ((255, 255, 255), 235),
        ((255, 0, 0), 81.481),
        ((0, 255, 0), 144.553),
        ((0, 0, 255), 40.966),
        ((51, 102, 204), 16 + 0.2 * 65.481 + 0.4 * 128.553 + 0.8 * 24.966),
    ],
)
def test_luma_of_known_colours(colour, expected):
    assert luma(np.full((1, 1, 3), colour, np.uint8)).item() == pytest.approx(expected, abs=1e-9)


def test_luma_agrees_with_scikit_image():
    picture = colours(9, 14)
    found = luma(picture)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, rgb2ycbcr(picture)[:, :, 0], atol=1e-9)


@pytest.mark.parametrize("picture", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.ones((4, 4, 3))])
def test_luma_takes_colour_pictures_only(picture):
    with pytest.raises(ValueError, match="H×W×3 uint8"):
        luma(picture)


@pytest.mark.parametrize("border", [0, 1, 4])
def test_luma_psnr_is_the_formula_on_what_is_left(border):
    a, b = colours(21, 30, seed=1), colours(21, 30, seed=2)
    difference = (a.astype(float) - b.astype(float)) @ [65.481, 128.553, 24.966] / 255
    difference = difference[border : 21 - border, border : 30 - border]
    expected = 10 * math.log10(255**2 / (difference**2).mean())
    assert luma_psnr(a, b, border) == pytest.approx(expected, abs=1e-9)


def test_the_border_does_not_count():
    a = colours(24, 24)
    b = a.copy()
    b[:4], b[-4:], b[:, :4], b[:, -4:] = 0, 255, 7, 99
    assert luma_psnr(a, b) == math.inf
    assert luma_ssim(a, b) == pytest.approx(1, abs=1e-12)
    assert luma_psnr(a, b, border=3) < 40


def test_luma_ssim_of_greys_is_the_ssim_of_their_luma():
    """Greys map to 16 + 219/255 of themselves; multiples of 255/3 land on whole numbers: 16, 89, 162, 235."""
    levels = np.random.default_rng(3).integers(0, 4, (2, 26, 31)).astype(np.uint8)
    a, b = np.repeat(levels[..., None] * 85, 3, axis=-1)
    expected = ssim(*(16 + 73 * levels)[:, 4:-4, 4:-4])
    assert luma_ssim(a, b) == pytest.approx(expected, abs=1e-9)


def test_mismatches_and_too_wide_borders_are_refused():
    a = colours(20, 20)
    with pytest.raises(ValueError, match="equal shapes"):
        luma_psnr(a, a[1:])
    with pytest.raises(ValueError, match="must be uint8"):
        luma_ssim(a, a / 255)
    for border in (10, -1):
        with pytest.raises(ValueError, match=f"border of {border} pixels"):
            luma_psnr(a, a, border=border)
    with pytest.raises(ValueError, match="11×11"):
        luma_ssim(a, a, border=5)


def test_the_measures_need_no_torch():
    code = "import sys, gan_models.metrics; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
