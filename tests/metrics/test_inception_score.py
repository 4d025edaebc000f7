import math

import numpy as np
import pytest

from gan_models.metrics import inception_score


def test_sure_and_varied_pictures_score_the_number_of_classes():
    mean, deviation = inception_score(np.tile(np.eye(5), (4, 1)), splits=4)
    assert mean == pytest.approx(5)
    assert deviation == pytest.approx(0, abs=1e-9)


def test_pictures_that_are_all_alike_or_unsure_score_one():
    for p in (np.tile([0.7, 0.2, 0.1], (6, 1)), np.full((6, 3), 1 / 3)):
        assert inception_score(p, splits=2)[0] == pytest.approx(1)


def test_a_score_by_hand():
    p = np.array([[0.9, 0.1], [0.3, 0.7]])
    mixed = [0.6, 0.4]
    divergence = [sum(a * math.log(a / b) for a, b in zip(row, mixed, strict=True)) for row in p.tolist()]
    assert inception_score(p, splits=1) == pytest.approx((math.exp(sum(divergence) / 2), 0))


def test_the_deviation_is_that_between_parts():
    p = np.concatenate([np.tile(np.eye(2), (2, 1)), np.full((4, 2), 0.5)])
    mean, deviation = inception_score(p, splits=2)
    assert (mean, deviation) == (pytest.approx(1.5), pytest.approx(0.5))


@pytest.mark.parametrize("p", [np.ones(3), np.ones((3, 2)), np.array([[1.5, -0.5]] * 3)])
def test_what_are_no_probabilities_is_refused(p):
    with pytest.raises(ValueError, match="probabilities"):
        inception_score(p, splits=1)


def test_more_parts_than_pictures_are_refused():
    with pytest.raises(ValueError, match="can't be split into 4 parts"):
        inception_score(np.eye(3), splits=4)
