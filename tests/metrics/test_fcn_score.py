import numpy as np
import pytest
from skimage import data

from gan_models.metrics import fcn_score
from gan_models.metrics.fcn_score import segmented


def test_a_score_by_hand():
    """Class 0: 3 pixels, 2 right, 3 labelled so. Class 1: 2, 1 right, 2. Class 2: 1, none right, 1 labelled so."""
    wanted = np.array([[0, 0, 0], [1, 1, 2]])
    found = np.array([[0, 0, 1], [1, 2, 0]])
    pixel, of_class, iou = fcn_score(found, wanted)
    assert pixel == pytest.approx(3 / 6)
    assert of_class == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert iou == pytest.approx((2 / 4 + 1 / 3 + 0) / 3)


def test_only_classes_that_are_there_are_averaged():
    found, wanted = np.array([3, 3, 3, 1]), np.array([3, 3, 3, 3])
    assert fcn_score(found, wanted) == pytest.approx((0.75, 0.75, 0.75))


def test_pixels_without_a_label_do_not_count():
    assert fcn_score(np.array([1, 0, 5]), np.array([1, 0, -1])) == (1, 1, 1)


def test_many_pictures_are_one_large_one():
    rng = np.random.default_rng(0)
    found, wanted = rng.integers(0, 5, (2, 6, 8, 8))
    together = fcn_score(np.concatenate(list(found), 1), np.concatenate(list(wanted), 1))
    assert fcn_score(found, wanted) == pytest.approx(together)


@pytest.mark.parametrize(
    ("found", "wanted", "sentence"),
    [
        (np.zeros((2, 3), int), np.zeros((3, 2), int), "equal shapes, not 2×3 and 3×2"),
        (np.zeros(3), np.zeros(3, int), "whole numbers"),
        (np.zeros(3, int), np.full(3, -1), "No pixel"),
        (np.full(3, -1), np.zeros(3, int), "0 or more"),
    ],
)
def test_what_is_refused(found, wanted, sentence):
    with pytest.raises(ValueError, match=sentence):
        fcn_score(found, wanted)


def test_pictures_of_any_size_are_labelled():
    picture = data.rocket()[:301, :200]
    labels = segmented(picture)
    assert labels.shape == (301, 200)
    assert 0 <= labels.min() <= labels.max() < 12


def test_what_is_not_segmented():
    with pytest.raises(ValueError, match="H×W×3"):
        segmented(np.zeros((20, 20), np.uint8))
    with pytest.raises(ValueError, match="not for segmentation"):
        segmented(np.zeros((20, 20, 3), np.uint8), "features-compact")
