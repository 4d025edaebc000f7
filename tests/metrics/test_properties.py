"""What holds for all pictures and features: symmetry, identity, bounds, and what must not matter."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_models.metrics import detection_score, fcn_score, fid, inception_score, kid, ms_ssim, mse, psnr, ssim
from gan_models.metrics.detection import matches

few = settings(max_examples=20, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def pictures(draw, smallest=11, largest=30, count=2):
    """Draw pictures of one size: noise around a mean, so that some are dark, some bright, some nearly flat."""
    height, width = (draw(st.integers(smallest, largest)) for _ in range(2))
    shape = (count, height, width, *draw(st.sampled_from([(), (1,), (3,)])))
    mean, spread = draw(st.integers(0, 255)), draw(st.sampled_from([0.4, 8, 90]))
    noise = np.random.default_rng(draw(seeds)).normal(mean, spread, shape)
    return noise.round().clip(0, 255).astype(np.uint8)


@st.composite
def features(draw, count=2):
    """Draw sets of features, with more or fewer rows than columns."""
    rng, columns = np.random.default_rng(draw(seeds)), draw(st.integers(1, 12))
    return [rng.normal(size=(draw(st.integers(2, 25)), columns)) * 3 + rng.normal(size=columns) for _ in range(count)]


@few
@given(pictures())
def test_pictures_are_compared_both_ways_alike(pair):
    a, b = pair
    for measure in (psnr, mse, ssim):
        assert measure(a, b) == pytest.approx(measure(b, a), rel=1e-9)
    assert -1 <= ssim(a, b) <= 1 + 1e-12
    assert mse(a, b) >= 0
    assert ssim(a, b, alpha=0.5, beta=2, gamma=3) == pytest.approx(ssim(b, a, alpha=0.5, beta=2, gamma=3), abs=1e-9)


@few
@given(pictures(count=1))
def test_a_picture_is_itself(one):
    (a,) = one
    assert psnr(a, a) == math.inf
    assert mse(a, a) == 0
    assert ssim(a, a) == pytest.approx(1, abs=1e-9)


@settings(few, max_examples=5)
@given(pictures(176, 200))
def test_several_scales_are_compared_both_ways_alike(pair):
    a, b = pair
    assert ms_ssim(a, b) == pytest.approx(ms_ssim(b, a), abs=1e-9)
    assert 0 <= ms_ssim(a, b) <= 1 + 1e-12
    assert ms_ssim(b, b) == pytest.approx(1, abs=1e-9)


@few
@given(pictures(12, 30, count=1), seeds)
def test_more_of_the_same_noise_is_worse(one, seed):
    """Around the middle grey, where nothing is clipped."""
    a = one[0] // 8 + 112
    noise = np.random.default_rng(seed).normal(size=a.shape).clip(-3, 3)
    noisy = [(a + strength * noise).round().astype(np.uint8) for strength in (0, 4, 12, 30)]
    for measure in (psnr, ssim):
        scores = [measure(picture, a) for picture in noisy]
        assert scores == sorted(scores, reverse=True)
        assert len(set(scores)) == 4


@few
@given(pictures())
def test_turned_and_mirrored_pictures_are_as_near(pair):
    a, b = pair
    for turn in (np.rot90, np.fliplr, np.flipud):
        turned = [np.ascontiguousarray(turn(picture)) for picture in (a, b)]
        assert ssim(*turned) == pytest.approx(ssim(a, b), abs=1e-9)
        assert psnr(*turned) == pytest.approx(psnr(a, b))


@few
@given(features(), seeds)
def test_sets_are_compared_both_ways_alike_in_any_order(sets, seed):
    x, y = sets
    shuffled = np.random.default_rng(seed).permutation(x)
    assert fid(x, y) == pytest.approx(fid(y, x), abs=1e-6)
    assert fid(x, y) == pytest.approx(fid(shuffled, y), abs=1e-6)
    assert fid(x, x) == pytest.approx(0, abs=1e-6)
    assert fid(x, y) >= 0
    assert kid(x, y) == pytest.approx(kid(y, x), abs=1e-6)
    assert kid(x, y) == pytest.approx(kid(shuffled, y), abs=1e-6)


@few
@given(features(), seeds)
def test_distances_do_not_depend_on_the_axes(sets, seed):
    x, y = sets
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(x.shape[1], x.shape[1])))
    assert fid(x @ turn, y @ turn) == pytest.approx(fid(x, y), rel=1e-6, abs=1e-6)
    assert kid(x @ turn, y @ turn) == pytest.approx(kid(x, y), rel=1e-6, abs=1e-6)


@few
@given(features(count=1), st.floats(-5, 5))
def test_a_shift_counts_by_its_square(sets, shift):
    (x,) = sets
    assert fid(x, x + shift) == pytest.approx(x.shape[1] * shift**2, abs=1e-5)


@few
@given(st.integers(1, 9), st.integers(1, 30), st.integers(1, 4), seeds)
def test_scores_lie_between_one_and_the_number_of_classes(classes, count, splits, seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(classes, 0.3), size=max(count, splits))
    mean, deviation = inception_score(p, splits)
    assert 1 - 1e-9 <= mean <= classes + 1e-9
    assert deviation >= 0
    assert inception_score(p[:, rng.permutation(classes)], splits) == pytest.approx((mean, deviation))


@few
@given(st.integers(1, 6), seeds)
def test_label_scores_are_shares(classes, seed):
    rng = np.random.default_rng(seed)
    found, wanted = rng.integers(0, classes, (2, 7, 9))
    pixel, of_class, iou = fcn_score(found, wanted)
    assert 0 <= iou <= of_class <= 1
    assert 0 <= pixel <= 1
    assert fcn_score(wanted, wanted) == (1, 1, 1)
    names = rng.permutation(classes)
    assert fcn_score(names[found], names[wanted]) == pytest.approx((pixel, of_class, iou))


@few
@given(st.integers(0, 6), st.integers(0, 6), seeds)
def test_what_is_found_and_what_is_wanted_change_places(found, wanted, seed):
    rng = np.random.default_rng(seed)
    corners = [rng.uniform(0, 20, (count, 2)) for count in (found, wanted)]
    a, b = (np.hstack([corner, corner + rng.uniform(10, 20, corner.shape)]) for corner in corners)
    assert matches(a, b) == matches(b, a) <= min(found, wanted)
    assert matches(a, a) == found
    there, back = detection_score([a], [b]), detection_score([b], [a])
    assert (there.precision, there.recall, there.f1) == (back.recall, back.precision, back.f1)
