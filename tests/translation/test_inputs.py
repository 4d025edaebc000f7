import cv2
import numpy as np
import pytest

from gan_models.images.facades import FACADE_LABELS, nearest_labels
from gan_models.translation import inputs


def test_labels_come_back_from_a_compressed_picture():
    palette = np.array(list(FACADE_LABELS.values()), np.uint8)
    picture = palette[np.arange(144).reshape(12, 12) % 12].repeat(16, 0).repeat(16, 1)
    _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    found = nearest_labels(cv2.imdecode(content, cv2.IMREAD_COLOR))
    middles = np.zeros(picture.shape[:2], bool).reshape(12, 16, 12, 16)
    middles[:, 4:12, :, 4:12] = True
    assert (found == picture).all(2)[middles.reshape(picture.shape[:2])].all()


def test_a_drawing_has_lines_where_things_end():
    photo = np.full((64, 64, 3), 200, np.uint8)
    photo[20:44, 20:44] = 30
    drawing = inputs.line_drawing(photo)
    ink = drawing[:, :, 0] == 0
    rows, columns = np.nonzero(ink)
    assert set(np.unique(drawing)) == {0, 255}
    assert {rows.min(), columns.min()} <= {19, 20}
    assert {rows.max(), columns.max()} <= {43, 44}
    assert not ink[26:38, 26:38].any()
    assert inputs.line_drawing(photo, width=2)[:, :, 0].mean() < drawing.mean()


def test_strokes_become_black_on_white():
    drawing = np.full((8, 4, 3), (240, 235, 210), np.uint8)  # yellowish paper
    drawing[1] = (200, 40, 40)  # red ink
    drawing[2] = 120
    assert (inputs.strokes(drawing, (4, 8))[:, 0, 0] == [255, 0, 0, 255, 255, 255, 255, 255]).all()
    assert (inputs.strokes(drawing // 2, (4, 8)) == inputs.strokes(drawing, (4, 8))).all()  # a dark scan


def test_fine_lines_of_large_drawings_are_not_lost():
    drawing = np.full((2000, 2000, 3), 255, np.uint8)
    cv2.circle(drawing, (1000, 1000), 700, (0, 0, 0), 4)
    drawn = inputs.strokes(drawing, (128, 128))[:, :, 0] == 0
    assert drawn.sum() > 2 * np.pi * 700 / 2000 * 128 * 0.8
    assert (inputs.strokes(drawing[:64, :64], (128, 128)) == 255).all()


def test_a_hole_is_bridged_and_told():
    picture, mask = np.full((8, 9, 3), 10, np.uint8), np.zeros((8, 9), np.uint8)
    mask[3:5, 3:5] = 255
    picture[3:5, 3:5] = 250
    hidden = inputs.masked(picture, mask)
    assert hidden.shape == (8, 9, 4)
    assert (hidden[:, :, 3] == mask).all()
    assert (hidden[:, :, :3] == 10).all()


def test_random_holes_leave_something_to_go_by():
    rng = np.random.default_rng(0)
    shares = [(inputs.random_mask(64, rng) > 0).mean() for _ in range(200)]
    assert min(shares) > 0.005
    assert max(shares) < 0.6
    assert np.mean(shares) == pytest.approx(0.12, abs=0.06)


def test_a_pencil_drawing_is_denser_where_the_photo_is_darker():
    photo = np.zeros((96, 96, 3), np.uint8)
    photo[:] = np.linspace(20, 250, 96).astype(np.uint8)[None, :, None]
    drawing = inputs.pencil_drawing(photo, np.random.default_rng(0)).astype(float)
    assert (drawing.std(2) == 0).all(), "a pencil has no colours"
    dark, middle, light = (drawing[:, start : start + 24, 0] for start in (4, 36, 68))
    assert dark.mean() < middle.mean() < light.mean()
    assert dark.std() > light.std()
    rising = np.mean((dark[1:, :-1] - dark[:-1, 1:]) ** 2)  # along the strokes
    falling = np.mean((dark[:-1, :-1] - dark[1:, 1:]) ** 2)  # across them
    assert rising < falling / 3
