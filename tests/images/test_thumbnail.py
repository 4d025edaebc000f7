import numpy as np
import pytest

from gan_models.images import thumbnail
from gan_models.images.thumbnail import THUMBNAIL_SIDE


@pytest.mark.parametrize(
    ("size", "smaller"),
    [((1, 1), (1, 1)), ((768, 5), (768, 5)), ((769, 400), (385, 200)), ((10, 1537), (4, 513)), ((2304, 3), (768, 1))],
)
def test_thumbnails_are_no_larger_than_a_preview(size, smaller):
    assert THUMBNAIL_SIDE == 768
    assert thumbnail(np.zeros((*size, 3), np.uint8)).shape == (*smaller, 3)


def test_a_thumbnail_shows_every_nth_pixel_as_it_was():
    picture = np.arange(1000 * 4 * 3, dtype=np.uint16).reshape(1000, 4, 3)
    before = picture.copy()
    seen = thumbnail(picture)
    picture[:] = 0
    np.testing.assert_array_equal(seen, before[::2, ::2])


def test_a_thumbnail_of_a_small_picture_is_a_copy_too():
    picture = np.ones((4, 4, 3), np.uint8)
    seen = thumbnail(picture)
    picture[:] = 0
    assert (seen == 1).all()
