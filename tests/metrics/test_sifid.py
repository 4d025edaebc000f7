import numpy as np
import pytest
from skimage import data

from gan_models.metrics import sifid


@pytest.fixture(scope="module")
def brick():
    return np.repeat(data.brick()[::2, ::2, None], 3, axis=2)


@pytest.fixture(scope="module")
def grass():
    return np.repeat(data.grass()[::2, ::2, None], 3, axis=2)


def test_a_picture_is_at_no_distance_from_itself(brick):
    assert sifid(brick, brick) == pytest.approx(0, abs=1e-6)


def test_where_things_lie_hardly_counts_but_what_they_are(brick, grass):
    moved = np.roll(brick, (64, 32), axis=(0, 1))
    parts = sifid(brick[:128], brick[128:])
    assert sifid(brick, moved) < parts < sifid(brick, grass) / 3


def test_it_is_symmetric_and_takes_any_sizes(brick, grass):
    assert sifid(brick[:100], grass) == pytest.approx(sifid(grass, brick[:100]))


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((20, 20), np.uint8),
        np.zeros((20, 20, 4), np.uint8),
        np.zeros((20, 20, 3)),
        np.zeros((15, 40, 3), np.uint8),
    ],
)
def test_what_is_refused(brick, picture):
    with pytest.raises(ValueError, match="SIFID"):
        sifid(brick, picture)
