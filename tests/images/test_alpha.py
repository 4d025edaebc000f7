import numpy as np
import pytest

from gan_models.images import bright, flatten, join_alpha, split_alpha


def random_image(height, width, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_opaque_pictures_pass_through():
    image = random_image(4, 5, 3)
    colour, alpha = split_alpha(image)
    assert colour is image
    assert alpha is None
    assert join_alpha(colour, None) is colour


def test_hidden_pixels_take_the_nearest_visible_colour():
    image = np.zeros((9, 12, 4), np.uint8)
    image[:, :, :3] = 77  # what hidden pixels hold in the file
    image[4, 2] = 200, 10, 20, 255
    image[4, 9] = 30, 220, 40, 1
    colour, alpha = split_alpha(image)
    np.testing.assert_array_equal(colour[:, :6], np.broadcast_to((200, 10, 20), (9, 6, 3)))
    np.testing.assert_array_equal(colour[:, 6:], np.broadcast_to((30, 220, 40), (9, 6, 3)))
    np.testing.assert_array_equal(alpha, image[:, :, 3])


def test_random_holes_are_filled_from_about_as_near_as_can_be():
    image = random_image(30, 40, 4)
    image[:, :, 3] *= np.random.default_rng(1).random((30, 40)) < 0.1
    visible = np.argwhere(image[:, :, 3] > 0)
    image[visible[:, 0], visible[:, 1], :2] = visible  # colours that tell where they come from
    colour, _ = split_alpha(image)
    for y, x in np.ndindex(30, 40):
        nearest = np.hypot(*(visible - (y, x)).T).min()
        came_from = colour[y, x, :2].astype(int)
        assert (visible == came_from).all(axis=1).any()
        assert np.hypot(*(came_from - (y, x))) <= nearest * 1.1


@pytest.mark.parametrize("alpha", [0, 1, 255])
def test_without_hidden_or_without_visible_pixels_colours_stay(alpha):
    image = random_image(6, 7, 4)
    image[:, :, 3] = alpha
    before = image.copy()
    colour, split = split_alpha(image)
    np.testing.assert_array_equal(colour, image[:, :, :3])
    assert (split == alpha).all()
    colour[:] = 0
    split[:] = 9
    np.testing.assert_array_equal(image, before)


def test_joining_undoes_splitting():
    image = random_image(6, 7, 4)
    joined = join_alpha(*split_alpha(image))
    visible = image[:, :, 3] > 0
    np.testing.assert_array_equal(joined[visible], image[visible])
    np.testing.assert_array_equal(joined[:, :, 3], image[:, :, 3])


@pytest.mark.parametrize("factor", [4, 0.25])
def test_alpha_is_resized_with_the_picture(factor):
    alpha = np.zeros((16, 24), np.uint8)
    alpha[:, 12:] = 255
    joined = join_alpha(random_image(int(16 * factor), int(24 * factor), 3), alpha)
    assert joined.shape == (16 * factor, 24 * factor, 4)
    edge = int(12 * factor)
    fuzzy = int(np.ceil(2 * factor))  # how far the kernel reaches
    assert (joined[:, : edge - fuzzy, 3] == 0).all()
    assert (joined[:, edge + fuzzy :, 3] == 255).all()
    assert (np.diff(joined[0, :, 3].astype(int)) >= 0).all()


@pytest.mark.parametrize("shape", [(48, 64), (5, 9), (1, 1), (3, 40_000)])
def test_constant_alpha_stays_constant(shape):
    joined = join_alpha(np.zeros((*shape, 3), np.uint8), np.full((12, 16), 131, np.uint8))
    assert (joined[:, :, 3] == 131).all()


def test_shrinking_averages_alpha():
    alpha = random_image(16, 24, 1)[:, :, 0]
    joined = join_alpha(np.zeros((4, 6, 3), np.uint8), alpha)
    means = alpha.reshape(4, 4, 6, 4).mean(axis=(1, 3))
    assert np.abs(joined[:, :, 3] - means).max() <= 0.5


def test_flattening_puts_the_picture_on_white_paper():
    picture = np.zeros((1, 3, 4), np.uint8)
    picture[0, :, 3] = 255, 51, 0
    assert flatten(picture).tolist() == [[[0] * 3, [204] * 3, [255] * 3]]
    assert flatten(picture[:, :, :3]) is not None
    np.testing.assert_array_equal(flatten(picture[:, :, :3]), picture[:, :, :3])


def test_masks_are_what_is_bright_and_opaque():
    picture = np.array([[[255, 255, 255, 255], [255, 255, 255, 0], [100, 20, 20, 255], [0, 200, 0, 200]]], np.uint8)
    assert bright(picture).tolist() == [[True, False, False, True]]
    assert bright(picture[:, :, :3]).tolist() == [[True, True, False, True]]
