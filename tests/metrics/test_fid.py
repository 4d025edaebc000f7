import numpy as np
import pytest

from gan_models.metrics import fid, kid


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def standardized(x):
    """Return `x` moved and turned so that its mean is 0 and its covariance exactly the identity."""
    x = x - x.mean(0)
    return x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T


def test_equal_sets_have_no_distance(rng):
    x = rng.normal(size=(50, 8))
    assert fid(x, x[::-1]) == pytest.approx(0, abs=1e-9)


def test_gaussians_have_their_closed_form(rng):
    x = standardized(rng.normal(size=(100, 4)))
    scales, shift = np.array([1, 2, 0.5, 3]), np.array([1, 0, -2, 0])
    assert fid(x, x * scales + shift) == pytest.approx(5 + np.square(scales - 1).sum())


def test_commuting_or_not_the_matrix_root_is_right(rng):
    """tr((AB)^½) by a general eigenvalue decomposition, which is fine for full-rank covariances."""
    x, y = rng.normal(size=(200, 5)) @ rng.normal(size=(5, 5)), rng.normal(size=(150, 5)) @ rng.normal(size=(5, 5))
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    cross = np.sqrt(np.linalg.eigvals(a @ b).real).sum()
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a) + np.trace(b) - 2 * cross
    assert fid(x, y) == pytest.approx(expected)


def test_fewer_pictures_than_features_stay_finite(rng):
    x, y = rng.normal(size=(10, 192)), rng.normal(size=(12, 192))
    assert np.isfinite(fid(x, y))
    assert fid(x, x) == pytest.approx(0, abs=1e-6)
    assert fid(np.ones((5, 64)), np.ones((5, 64))) == 0


def test_symmetric(rng):
    x, y = rng.normal(size=(40, 6)), rng.exponential(size=(30, 6))
    assert fid(x, y) == pytest.approx(fid(y, x))
    assert kid(x, y) == pytest.approx(kid(y, x))


def test_kid_is_the_mean_over_pairs():
    x, y = np.array([[1.0, 0], [0, 2], [1, 1]]), np.array([[2.0, 1], [0, 0]])

    def k(a, b):
        return (np.dot(a, b) / 2 + 1) ** 3

    def pairs(a, b, same):
        values = [k(p, q) for i, p in enumerate(a) for j, q in enumerate(b) if not (same and i == j)]
        return np.mean(values)

    assert kid(x, y) == pytest.approx(pairs(x, x, True) + pairs(y, y, True) - 2 * pairs(x, y, False))


def test_kid_is_unbiased_and_sees_a_shift(rng):
    same = [kid(rng.normal(size=(30, 4)), rng.normal(size=(30, 4))) for _ in range(200)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(200)
    assert kid(rng.normal(size=(200, 4)), rng.normal(size=(200, 4)) + 1) > 0.5


@pytest.mark.parametrize("metric", [fid, kid])
@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (np.zeros((3, 4)), np.zeros((3, 5)), "N×D"),
        (np.zeros(3), np.zeros(3), "N×D"),
        (np.zeros((1, 4)), np.zeros((3, 4)), "two pictures"),
        (np.full((3, 4), np.nan), np.zeros((3, 4)), "finite"),
    ],
)
def test_what_is_refused(metric, x, y, sentence):
    with pytest.raises(ValueError, match=sentence):
        metric(x, y)
