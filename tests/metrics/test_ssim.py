import numpy as np
import pytest
from skimage.metrics import structural_similarity

from gan_models.metrics import ssim


def noisy_pair(*shape, amplitude=40):
    """A smooth picture and the same with noise."""
    rng = np.random.default_rng(5)
    rows, columns = np.indices(shape[:2])
    smooth = 128 + 60 * np.sin(rows / 4) + 50 * np.cos(columns / 7)
    smooth = smooth.reshape(*shape[:2], *[1] * (len(shape) - 2)) + np.zeros(shape)
    noisy = smooth + rng.integers(-amplitude, amplitude + 1, shape)
    return smooth.astype(np.uint8), noisy.clip(0, 255).astype(np.uint8)


def window_by_window(a, b):
    """Equation 13 of Wang et al. 2004, with a Python loop over the places of an explicit 11×11 window."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    scores = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            x = a[top : top + 11, left : left + 11].astype(float)
            y = b[top : top + 11, left : left + 11].astype(float)
            mean_x, mean_y = (window * x).sum(), (window * y).sum()
            variance_x = (window * (x - mean_x) ** 2).sum()
            variance_y = (window * (y - mean_y) ** 2).sum()
            covariance = (window * (x - mean_x) * (y - mean_y)).sum()
            scores.append(
                (2 * mean_x * mean_y + 6.5025)
                * (2 * covariance + 58.5225)
                / ((mean_x**2 + mean_y**2 + 6.5025) * (variance_x + variance_y + 58.5225))
            )
    return np.mean(scores)


@pytest.mark.parametrize("shape", [(11, 11), (17, 25), (30, 13)])
def test_agrees_with_a_loop_over_windows(shape):
    a, b = noisy_pair(*shape)
    assert ssim(a, b) == pytest.approx(window_by_window(a, b), abs=1e-10)


def test_colour_is_the_mean_of_the_channels():
    a, b = noisy_pair(16, 19, 3)
    channels = [window_by_window(a[:, :, c], b[:, :, c]) for c in range(3)]
    assert ssim(a, b) == pytest.approx(np.mean(channels), abs=1e-10)


@pytest.mark.parametrize(("shape", "axis"), [((64, 90), None), ((48, 33, 3), 2)])
@pytest.mark.parametrize("amplitude", [3, 100])
def test_agrees_with_scikit_image(shape, axis, amplitude):
    a, b = noisy_pair(*shape, amplitude=amplitude)
    _, everywhere = structural_similarity(
        a,
        b,
        channel_axis=axis,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        full=True,
    )
    assert ssim(a, b) == pytest.approx(everywhere[5:-5, 5:-5].mean(), abs=1e-10)


def test_equal_pictures_are_exactly_one_and_a_negative_is_far_below():
    a, _ = noisy_pair(20, 20, 3)
    assert ssim(a, a) == pytest.approx(1, abs=1e-12)
    assert ssim(a, 255 - a) < 0


def test_flat_pictures():
    a, b = np.full((11, 12), 100, np.uint8), np.full((11, 12), 150, np.uint8)
    assert ssim(a, b) == pytest.approx((2 * 100 * 150 + 6.5025) / (100**2 + 150**2 + 6.5025), abs=1e-9)


@pytest.mark.parametrize("shape", [(10, 40, 3), (40, 10)])
def test_small_pictures_are_refused(shape):
    small = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match="11×11 pixels or more, not"):
        ssim(small, small)


def test_mismatches_are_refused():
    a, _ = noisy_pair(20, 20, 3)
    with pytest.raises(ValueError, match="equal shapes"):
        ssim(a, a[:-1])
    with pytest.raises(ValueError, match="must be uint8"):
        ssim(a, a.astype(np.float32))
