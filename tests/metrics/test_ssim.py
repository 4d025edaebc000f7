import numpy as np
import pytest
from skimage.metrics import structural_similarity

from gan_models.metrics import ssim, ssim_map


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


def three_terms(a, b, alpha, beta, gamma):
    """Equation 12 of the paper, with a loop over the places of a window of 7×7 pixels and deviation 2."""
    offsets = np.arange(-3, 4)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 2**2))
    window /= window.sum()
    c1, c2, scores = (0.02 * 255) ** 2, (0.05 * 255) ** 2, []
    for top in range(a.shape[0] - 6):
        for left in range(a.shape[1] - 6):
            x, y = (picture[top : top + 7, left : left + 7].astype(float) for picture in (a, b))
            mean_x, mean_y = (window * x).sum(), (window * y).sum()
            deviation_x = (window * (x - mean_x) ** 2).sum() ** 0.5
            deviation_y = (window * (y - mean_y) ** 2).sum() ** 0.5
            covariance = (window * (x - mean_x) * (y - mean_y)).sum()
            luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
            contrast = (2 * deviation_x * deviation_y + c2) / (deviation_x**2 + deviation_y**2 + c2)
            structure = (covariance + c2 / 2) / (deviation_x * deviation_y + c2 / 2)
            power = abs(structure) ** gamma
            scores.append(luminance**alpha * contrast**beta * (power if structure >= 0 else -power))
    return np.mean(scores)


@pytest.mark.parametrize("exponents", [(1, 1, 1), (2, 0.5, 1), (1, 1, 2), (0.3, 3, 0.7)])
@pytest.mark.parametrize("opposed", [False, True])
def test_constants_and_exponents_are_those_of_the_paper(exponents, opposed):
    a, b = noisy_pair(15, 13)
    b = 255 - b if opposed else b
    options = dict(zip(("alpha", "beta", "gamma"), exponents, strict=True))
    expected = three_terms(a, b, *exponents)
    assert (expected < 0) == opposed
    assert ssim(a, b, window=7, sigma=2, k1=0.02, k2=0.05, **options) == pytest.approx(expected, abs=1e-9)


def test_exponents_of_one_are_no_case_of_their_own():
    a, b = noisy_pair(30, 31, 3)
    assert ssim(a, b, gamma=1 + 1e-12) == pytest.approx(ssim(a, b), abs=1e-9)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"window": 8}, "odd"), ({"window": 1}, "odd"), ({"sigma": 0}, "positive"), ({"k2": -1}, "positive")],
)
def test_options_out_of_range_are_refused(options, sentence):
    a, b = noisy_pair(20, 20)
    with pytest.raises(ValueError, match=sentence):
        ssim(a, b, **options)


def test_a_larger_window_needs_a_larger_picture():
    a, b = noisy_pair(14, 14)
    assert -1 <= ssim(a, b, window=13) <= 1
    with pytest.raises(ValueError, match="15×15"):
        ssim(a, b, window=15, alpha=2)


@pytest.mark.parametrize(("shape", "axis"), [((20, 31), None), ((26, 17, 3), 2)])
def test_the_map_is_scikit_images(shape, axis):
    a, b = noisy_pair(*shape)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    mean, everywhere = structural_similarity(a, b, channel_axis=axis, full=True, **options)
    found = ssim_map(a, b)
    assert found.shape == shape[:2]
    np.testing.assert_allclose(found, everywhere if axis is None else everywhere.mean(2), atol=1e-6)
    assert ssim(a, b) == pytest.approx(mean, abs=1e-6)
    with pytest.raises(ValueError, match="11×11"):
        ssim_map(a[:9], b[:9])


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
