import math

import numpy as np
import pytest
from skimage import data

from gan_models.metrics import ciede2000, maps, measure, ms_ssim, mse, psnr, ssim, ssim_map
from gan_models.metrics.measure import measure as measured
from gan_models.metrics.measure import require_size, steps


@pytest.fixture(scope="module")
def pair():
    cat = np.ascontiguousarray(data.chelsea()[:180, :190])
    noise = np.random.default_rng(0).normal(0, 12, cat.shape)
    return np.clip(cat + noise, 0, 255).astype(np.uint8), cat


@pytest.fixture(params=[500_000, 4000], ids=["whole", "bands"])
def bands(request, monkeypatch):
    for module in (measure, maps):
        monkeypatch.setattr(module, "BAND", request.param)


def test_all_measures_are_those_of_their_functions_whole_or_in_bands(pair, bands):
    found = measured(*pair)
    assert set(found) == {"psnr", "ssim", "ms_ssim", "mse", "ciede2000"}
    for name, function in {
        "psnr": psnr,
        "ssim": ssim,
        "ms_ssim": ms_ssim,
        "mse": mse,
        "ciede2000": ciede2000,
    }.items():
        assert found[name] == pytest.approx(function(*pair), rel=1e-9), name


def test_equal_pictures_are_infinitely_near(pair):
    found = measured(pair[0], pair[0])
    assert found == {"psnr": math.inf, "ssim": 1, "ms_ssim": 1, "mse": 0, "ciede2000": 0}


def test_what_cannot_be_said_of_small_pictures_is_left_out(pair):
    for side, names in ((10, {"psnr", "mse", "ciede2000"}), (11, {"psnr", "ssim", "mse", "ciede2000"})):
        assert set(measured(*(picture[:side] for picture in pair))) == names
    assert set(measured(*(picture[:1, :1] for picture in pair))) == {"psnr", "mse", "ciede2000"}


def test_only_what_is_wanted_is_measured(pair):
    assert list(measured(*pair, ("psnr", "ssim"))) == ["psnr", "ssim"]
    assert next(step.message for step in steps(*pair, ["ms_ssim"])) == "Measuring MS-SSIM"


def test_lpips_is_measured_where_its_weights_are(pair, monkeypatch):
    monkeypatch.setattr(measure, "lpips_ready", lambda: True)
    monkeypatch.setitem(measure.MEASURES, "lpips", (measure.MEASURES["lpips"][0], lambda a, b: 0.25))
    assert measured(*pair, ["lpips"]) == {"lpips": 0.25}
    assert measured(*(picture[:15] for picture in pair), ["lpips"]) == {}


def test_transparency_is_laid_on_white(pair):
    clear = np.dstack([pair[1], np.zeros(pair[1].shape[:2], np.uint8)])
    assert measured(clear, np.full_like(pair[1], 255))["psnr"] == math.inf


@pytest.mark.parametrize("cut", [np.s_[:179], np.s_[:, :189]])
def test_other_sizes_get_one_sentence_with_both(pair, cut):
    with pytest.raises(ValueError, match=r"The reference has \d+×\d+ pixels, .* 190×180\."):
        measured(pair[0], pair[1][cut])


def test_what_is_no_picture_is_refused():
    with pytest.raises(ValueError, match="A picture is an array"):
        measured(np.zeros((20, 20)), np.zeros((20, 20)))
    with pytest.raises(ValueError, match="30×20"):
        require_size(np.zeros((20, 30, 3)), 20, 20)


# --- Maps


def test_the_error_is_black_where_there_is_none_and_brightest_where_it_is_most(pair):
    picture = pair[1].copy()
    picture[50, 60, 1] ^= 64
    picture[90, 10, 2] ^= 32
    drawn, most = maps.error_map(picture, pair[1])
    assert (drawn.shape, most) == (pair[1].shape, 64)
    light = drawn.astype(int).sum(2)
    assert np.unravel_index(light.argmax(), light.shape) == (50, 60)
    assert (light == light.min()).sum() == light.size - 2
    assert light[90, 10] > light.min()
    assert maps.error_map(pair[1], pair[1])[1] == 0


def test_the_similarity_is_that_of_each_place(pair, bands):
    drawn = maps.similarity_map(*pair)
    wanted = maps._coloured((ssim_map(*pair).clip(0, 1) * 255 + 0.5).astype(np.uint8), maps.cv2.COLORMAP_CIVIDIS)
    np.testing.assert_array_equal(drawn, wanted)
    assert maps.similarity_map(*(picture[:10] for picture in pair)) is None


def test_histograms_have_a_panel_for_each_channel_and_show_both(pair):
    drawn = maps.histograms(*pair)
    assert drawn.shape == (maps.PANEL[1], 3 * maps.PANEL[0], 3)
    black = np.zeros_like(pair[0])
    assert not np.array_equal(maps.histograms(black, pair[1]), drawn)
    assert not np.array_equal(maps.histograms(pair[0], black), drawn)
    maps.histograms(black[:1, :1], black[:1, :1])  # one level alone
