import cv2
import numpy as np

from gan_models.images.blend import coloured, filled

FACE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8), (0, 0), 3)


def test_colours_come_from_the_one_and_lightness_from_the_other():
    grey = cv2.cvtColor(FACE, cv2.COLOR_RGB2GRAY)
    found = coloured(np.repeat(grey[:, :, None], 3, 2), np.full((8, 8, 3), (150, 90, 80), np.uint8))
    assert found.shape == FACE.shape
    np.testing.assert_allclose(cv2.cvtColor(found, cv2.COLOR_RGB2GRAY).astype(int), grey, atol=1)
    between = found[:, :, 0].astype(int) - found[:, :, 2]
    np.testing.assert_allclose(between, 70, atol=1)


def test_its_own_colours_give_a_picture_back():
    np.testing.assert_allclose(coloured(FACE, FACE).astype(int), FACE, atol=1)


def test_a_hole_is_filled_and_the_rest_stays():
    hole = np.zeros((50, 50), bool)
    hole[10:40, 15:35] = True
    found = filled(FACE, hole, np.full((25, 25, 3), (10, 200, 30), np.uint8))
    np.testing.assert_array_equal(found[~hole], FACE[~hole])
    np.testing.assert_array_equal(found[20:30, 20:30], np.broadcast_to((10, 200, 30), (10, 10, 3)))


def test_the_seam_is_feathered():
    face = np.full((200, 200, 3), 100, np.uint8)
    hole = np.zeros((200, 200), bool)
    hole[50:150, 50:150] = True
    found = filled(face, hole, np.full((50, 50, 3), 200, np.uint8))  # two of its pixels are eight
    row = found[100, 48:62, 0].astype(int)
    assert row[0] == 100
    assert row[-1] == 200
    assert (np.diff(row) >= 0).all()
    assert np.diff(row).max() <= 30


def test_a_hole_at_the_border_of_the_picture_has_no_seam_there():
    hole = np.zeros((50, 50), bool)
    hole[:, :25] = True
    found = filled(FACE, hole, np.full((8, 8, 3), 77, np.uint8))
    assert found.shape == FACE.shape
    np.testing.assert_array_equal(found[~hole], FACE[~hole])
    assert (found[:, :10] == 77).all()
