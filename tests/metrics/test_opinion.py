import math

import pytest
from scipy import stats

from gan_models.metrics.opinion import mean_with_interval, opinions


def test_the_interval_is_students():
    # 4, 4, 5, 3: mean 4, deviation √(2/3), t(3) at 97.5 % is 3.182446
    mean, low, high = mean_with_interval([4, 4, 5, 3])
    half = 3.182446 * math.sqrt(2 / 3) / 2
    assert (mean, low, high) == pytest.approx((4, 4 - half, 4 + half), abs=1e-5)
    # 1, 5: mean 3, deviation √8, t(1) at 97.5 % is 12.7062
    assert mean_with_interval([1, 5])[2] == pytest.approx(3 + 12.7062 * 2, abs=1e-3)


def test_the_interval_is_scipys():
    scores = [1, 2, 2, 5, 4, 4, 3, 5, 1]
    expected = stats.t.interval(0.95, len(scores) - 1, sum(scores) / len(scores), stats.sem(scores))
    assert mean_with_interval(scores)[1:] == pytest.approx(expected)


def test_what_cannot_be_said_is_none():
    assert mean_with_interval([]) == (None, None, None)
    assert mean_with_interval([4]) == (4, None, None)
    assert mean_with_interval([4, 4, 4]) == (4, 4, 4)


def test_opinions_are_counted_by_model_and_sorted():
    ratings = [("a", 2), ("b", 5), ("a", 4), ("b", 4), ("a", 3)]
    preferences = [("b", "a"), ("b", "c"), ("a", "c"), ("a", "b")]
    found = opinions(ratings, preferences)
    assert [one.model for one in found] == ["b", "a", "c"]
    b, a, c = found
    assert (a.ratings, a.mean, a.comparisons) == (3, 3, 3)
    assert a.preferred == pytest.approx(2 / 3)
    assert (b.ratings, b.mean, b.comparisons) == (2, 4.5, 3)
    assert (c.ratings, c.mean, c.low, c.comparisons, c.preferred) == (0, None, None, 2, 0)


def test_each_comparison_is_won_once():
    preferences = [("a", "b"), ("c", "a"), ("b", "c"), ("a", "b")]
    found = opinions([], preferences)
    assert sum(one.preferred * one.comparisons for one in found) == pytest.approx(len(preferences))
    assert sum(one.comparisons for one in found) == 2 * len(preferences)


def test_no_answers_are_no_opinions():
    assert opinions([], []) == []


@pytest.mark.parametrize("score", [0, 6, 3.5, -1, "5", None])
def test_what_is_no_score_is_refused(score):
    with pytest.raises(ValueError, match="whole number from 1 to 5"):
        opinions([("a", score)], [])


def test_a_model_is_not_compared_with_itself():
    with pytest.raises(ValueError, match="itself"):
        opinions([], [("a", "a")])
