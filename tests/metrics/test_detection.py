import numpy as np
import pytest
from skimage import data

from gan_models.checkpoints import hub
from gan_models.metrics import detection_score, face_detection
from gan_models.metrics.detection import face_detector, find_face_boxes, matches, overlaps


def boxes(*corners):
    return np.array(corners, float).reshape(-1, 4)


def test_overlap_is_what_is_shared_of_what_is_covered():
    a = boxes((0, 0, 10, 10), (20, 20, 30, 40))
    b = boxes((5, 0, 15, 10), (0, 0, 10, 10), (40, 0, 50, 10))
    np.testing.assert_allclose(overlaps(a, b), [[50 / 150, 1, 0], [0, 0, 0]])


def test_each_box_is_matched_once_and_the_nearest_first():
    """Two boxes of `a` overlap the first of `b`; the one that overlaps it less has the other one left."""
    a, b = boxes((0, 0, 10, 10), (2, 0, 12, 10)), boxes((0, 0, 10, 10), (4, 0, 14, 10))
    assert matches(a, b) == matches(b, a) == 2
    assert matches(boxes((0, 0, 10, 10), (0, 0, 10, 10)), b[:1]) == 1


def test_half_of_what_is_covered_is_enough_and_less_is_not():
    wanted = boxes((0, 0, 10, 10))
    assert matches(boxes((0, 0, 10, 5)), wanted) == 1
    assert matches(boxes((0, 0, 10, 4.9)), wanted) == 0


def test_shares_of_all_pictures_together():
    """Of 4 found boxes 2 are right; 3 are wanted."""
    one, far, other = (0, 0, 10, 10), (50, 50, 60, 60), (20, 20, 40, 40)
    found = [boxes(one, far), boxes(), boxes(other, far)]
    wanted = [boxes(one), boxes(far), boxes(other)]
    score = detection_score(found, wanted)
    assert score == pytest.approx((2 / 4, 2 / 3, 4 / 7, 4, 3))
    assert detection_score(wanted, found)[:3] == pytest.approx((2 / 3, 2 / 4, 4 / 7))


def test_nothing_found_or_wanted_scores_nothing():
    for found, wanted in (([boxes()], [boxes((0, 0, 1, 1))]), ([boxes((0, 0, 1, 1))], [boxes()]), ([], [])):
        assert detection_score(found, wanted)[:3] == (0, 0, 0)


def test_what_is_refused():
    with pytest.raises(ValueError, match="left to the right"):
        detection_score([boxes((5, 0, 4, 9))], [boxes()])
    with pytest.raises(ValueError, match="argument 2"):
        detection_score([boxes()], [])
    with pytest.raises(ValueError, match="equal shapes"):
        face_detection(np.zeros((30, 30, 3), np.uint8), np.zeros((30, 31, 3), np.uint8))
    with pytest.raises(ValueError, match="H×W×3"):
        find_face_boxes(np.zeros((30, 30), np.uint8))


def test_a_face_is_found_where_it_is(monkeypatch):
    monkeypatch.setattr(hub, "ready", lambda model: False)
    assert face_detector() == "haar-cascades"
    astronaut = data.astronaut()
    ((left, top, right, bottom),) = find_face_boxes(astronaut)
    assert left < 200 < 245 < right  # between her eyes
    assert top < 105 < 130 < bottom
    assert face_detection(astronaut, astronaut) == (1, 1, 1, 1, 1)
    hidden = astronaut.copy()
    hidden[60:180, 160:290] = 128
    assert face_detection(hidden, astronaut) == (0, 0, 0, 0, 1)


def test_yunet_looks_where_its_file_is_here(monkeypatch):
    """Its boxes come as left, top, width and height, before the landmarks."""
    seen = []

    class YuNet:
        @classmethod
        def create(cls, file, config, size, confidence):
            seen.append((file, size))
            return cls()

        def detect(self, picture):
            seen.append(picture[0, 0].tolist())
            return 1, np.array([[10, 20, 30, 40, *[0] * 11]], np.float32)

    monkeypatch.setattr(hub, "ready", lambda model: model.name == "yunet")
    monkeypatch.setattr("gan_models.checkpoints.load", lambda name, device: f"{name}.onnx")
    monkeypatch.setattr("cv2.FaceDetectorYN", YuNet)
    picture = np.zeros((90, 70, 3), np.uint8)
    picture[0, 0] = (1, 2, 3)
    np.testing.assert_array_equal(find_face_boxes(picture), [[10, 20, 40, 60]])
    assert seen == [("yunet.onnx", (70, 90)), [3, 2, 1]]
