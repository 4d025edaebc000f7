import cv2
import numpy as np
import pytest
from skimage import data

from gan_models.images import faces
from gan_models.images.faces import CROPS, Crop, Face, cut, cut_middle, find_faces, measured, natural_side

PORTRAIT = data.astronaut()[:300, 80:380]


def face_at(left, right, mouth):
    return Face(*(np.array(point, float) for point in (left, right, mouth)))


# --- The square


def test_the_square_is_ffhqs():
    left, right, mouth = np.array([30.0, 40.0]), np.array([70.0, 50.0]), np.array([45.0, 95.0])
    # The recipe of FFHQ's own preprocessing, in its own words: eye_to_eye, eye_to_mouth, x, y, c, quad.
    eye_avg, eye_to_eye = (left + right) / 2, right - left
    eye_to_mouth = mouth - eye_avg
    x = eye_to_eye - np.flipud(eye_to_mouth) * [-1, 1]
    x /= np.hypot(*x)
    x *= max(np.hypot(*eye_to_eye) * 2.0, np.hypot(*eye_to_mouth) * 1.8)
    c = eye_avg + eye_to_mouth * 0.1
    middle, across = faces._square(Face(left, right, mouth), CROPS["ffhq"])
    np.testing.assert_allclose(middle, c)
    np.testing.assert_allclose(across, x)


def test_utkfaces_square_puts_eyes_and_mouth_where_they_are_on_average():
    face = face_at((137.0, 137.5), (188.0, 137.5), (163.0, 193.5))
    assert natural_side(face, CROPS["utkface"]) == pytest.approx(128, abs=1)
    middle, _ = faces._square(face, CROPS["utkface"])
    np.testing.assert_allclose(middle, (164, 164), atol=1.5)


@pytest.mark.parametrize("degrees", [0, 20, -35])
@pytest.mark.parametrize("scale", [1.0, 2.6])
def test_a_face_is_cut_upright(degrees, scale):
    marks = np.array([[80.0, 90.0], [120.0, 90.0], [100.0, 140.0]])
    turn = cv2.getRotationMatrix2D((100, 110), degrees, scale)
    points = marks @ turn[:, :2].T + turn[:, 2] + 250
    picture = np.zeros((700, 700, 3), np.uint8)
    for point in points:
        cv2.circle(picture, tuple(round(v) for v in point), int(4 * scale), (255, 255, 255), -1)
    side = 128
    square = cut(picture, Face(*points), Crop(1.25, 1.1, 0.5), side)
    assert square.shape == (side, side, 3)
    count, _, _, centres = cv2.connectedComponentsWithStats((square[:, :, 0] > 127).astype(np.uint8))
    assert count == 4
    eye, other, mouth = sorted(centres[1:], key=lambda centre: (centre[1] > 64, centre[0]))
    assert abs(eye[1] - other[1]) < 1.5
    assert abs(mouth[0] - (eye[0] + other[0]) / 2) < 1.5


def test_pixels_are_not_shifted():
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    face = face_at((11.5, 15.5), (19.5, 15.5), (15.5, 23.5))
    square = cut(picture, face, Crop(1.0, 1.0, 1.0), 16)  # from the corner between pixels 7 and 8, 15 and 16
    np.testing.assert_array_equal(square, picture[16:32, 8:24])


def test_beyond_the_border_the_picture_is_reflected():
    picture = np.full((40, 40, 3), 200, np.uint8)
    square = cut(picture, face_at((5, 5), (15, 5), (10, 15)), CROPS["ffhq"], 64)
    assert (square == 200).all()


def test_the_middle_square():
    picture = np.zeros((30, 50, 3), np.uint8)
    picture[:, 10:40] = 255
    square = cut_middle(picture, 64)
    assert square.shape == (64, 64, 3)
    assert (square == 255).all()


# --- Finding


def test_a_face_is_found_where_it_is():
    (face,) = find_faces(PORTRAIT)
    for point, expected in ((face.left_eye, (123, 101)), (face.right_eye, (168, 103)), (face.mouth, (146, 150))):
        assert np.hypot(*(point - expected)) < 12


def test_the_largest_face_comes_first():
    half = cv2.resize(PORTRAIT, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    picture = np.full((300, 700, 3), 128, np.uint8)
    picture[60:240, 20:200] = half
    picture[:, 350:650] = PORTRAIT
    found = find_faces(picture)
    assert len(found) == 2
    assert found[0].left_eye[0] > 350 > found[1].left_eye[0]
    assert found[0].size == pytest.approx(found[1].size / 0.6, rel=0.15)


@pytest.mark.parametrize("degrees", [-30, 30])
def test_a_turned_face_is_found(degrees):
    turn = cv2.getRotationMatrix2D((150, 150), degrees, 1)
    picture = cv2.warpAffine(PORTRAIT, turn, (300, 300), borderMode=cv2.BORDER_REFLECT)
    face = find_faces(picture)[0]
    across = face.right_eye - face.left_eye
    assert np.degrees(np.arctan2(-across[1], across[0])) == pytest.approx(degrees, abs=12)


def test_a_large_photo_is_searched_smaller_and_answered_at_its_own_size():
    large = cv2.resize(PORTRAIT, (2400, 2400), interpolation=cv2.INTER_CUBIC)
    found, small = find_faces(large)[0], find_faces(PORTRAIT)[0]
    np.testing.assert_allclose(found.left_eye, small.left_eye * 8, atol=24)


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket", "grass"])
def test_no_face(name):
    picture = getattr(data, name)()
    assert find_faces(picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, 2)) == []


def test_eyes_and_mouth_are_measured_in_a_tight_crop_only_where_all_are_seen():
    square = cut(PORTRAIT, find_faces(PORTRAIT)[0], CROPS["utkface"], 128)
    face = measured(square)
    assert np.hypot(*(face.left_eye - (37, 37.5))) < 12
    assert np.hypot(*(face.right_eye - (88, 37.5))) < 12
    assert np.hypot(*(face.mouth - (63, 93.5))) < 14
    assert measured(np.full((128, 128, 3), 90, np.uint8)) is None


def test_yunets_rows_are_read(monkeypatch, tmp_path):
    """The detector itself is a download; what it answers is a box, five points from the right eye on, a score."""
    seen = {}

    class Stand:
        def detect(self, picture):
            seen["shape"], seen["first"] = picture.shape, picture[0, 0].tolist()
            return 1, np.float32([[10, 10, 80, 90, 30, 40, 70, 42, 50, 60, 35, 80, 65, 82, 0.9]])

    def create(file, config, size, confident):
        seen["file"], seen["size"] = file, size
        return Stand()

    monkeypatch.setattr(cv2.FaceDetectorYN, "create", create)
    picture = np.zeros((120, 100, 3), np.uint8)
    picture[0, 0] = (1, 2, 3)
    (face,) = find_faces(picture, tmp_path / "yunet.onnx")
    assert seen == {
        "file": str(tmp_path / "yunet.onnx"),
        "size": (100, 120),
        "shape": (120, 100, 3),
        "first": [3, 2, 1],
    }
    np.testing.assert_allclose(face.left_eye, (30, 40))
    np.testing.assert_allclose(face.right_eye, (70, 42))
    np.testing.assert_allclose(face.mouth, (50, 81))
