import numpy as np

from gan_models.images.palette import main_colours, nearest_colours


def test_main_colours_are_those_of_flat_areas_the_commonest_first():
    picture = np.full((20, 30, 3), (10, 200, 30), np.uint8)
    picture[:5] = (250, 0, 0)
    picture[5:7] = (0, 0, 250)
    assert main_colours(picture, 3).tolist() == [[10, 200, 30], [250, 0, 0], [0, 0, 250]]


def test_the_same_picture_gives_the_same_colours():
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    np.testing.assert_array_equal(main_colours(picture), main_colours(picture))
    assert main_colours(picture).shape == (5, 3)


def test_a_picture_of_few_pixels_has_few_colours():
    assert main_colours(np.zeros((1, 2, 3), np.uint8)).shape == (2, 3)


def test_nearest_colours():
    picture = np.array([[[240, 20, 20], [20, 180, 40], [9, 9, 9]]], np.uint8)
    colours = np.array([[250, 0, 0], [10, 200, 30], [0, 0, 0]], np.uint8)
    assert nearest_colours(picture, colours).tolist() == [colours.tolist()]
