import cv2
import numpy as np
import pytest
from skimage import data

from gan_models.metrics import sliced_wasserstein
from gan_models.metrics.sliced_wasserstein import pyramid


def tiles(picture, side=64):
    """Cut a picture into squares."""
    starts = [range(0, length - side + 1, side) for length in picture.shape[:2]]
    return np.stack([picture[top : top + side, left : left + side] for top in starts[0] for left in starts[1]])


@pytest.fixture(scope="module")
def photos():
    return tiles(data.astronaut()[:, :256])


def test_the_pyramid_holds_the_picture():
    picture = data.chelsea()[:101, :77].astype(np.float32)
    levels = pyramid(picture)
    assert [level.shape[:2] for level in levels] == [(101, 77), (51, 39), (26, 20)]
    whole = levels[-1]
    for level in reversed(levels[:-1]):
        whole = cv2.pyrUp(whole, dstsize=level.shape[1::-1]) + level
    np.testing.assert_allclose(whole, picture, atol=1e-3)


def test_equal_sets_are_at_no_distance_and_order_does_not_count(photos):
    same = sliced_wasserstein(photos, photos)
    assert list(same.levels) == [64, 32, 16]
    assert same.average == 0
    other = tiles(data.coffee()[:128, :256])
    there, back = sliced_wasserstein(photos, other), sliced_wasserstein(other, photos)
    assert there.average == pytest.approx(back.average)
    assert there.average == pytest.approx(np.mean(list(there.levels.values())))


def test_brightness_alone_is_normalised_away():
    flat = np.full((3, 16, 16, 3), 100, np.uint8)
    assert sliced_wasserstein(flat, flat + 50).average == pytest.approx(0, abs=1e-5)


def test_a_distance_by_definition():
    """One level, directions and places drawn as the function draws them, and the rest in plain NumPy."""
    x, y = np.random.default_rng(0).integers(0, 256, (2, 4, 16, 18, 3), dtype=np.uint8)
    y = y // 2 + x // 2
    sets = []
    for pictures in (x, y):
        rng, patches = np.random.default_rng(5), []
        for picture in pictures:
            rows, columns = rng.integers(10, size=128), rng.integers(12, size=128)
            cut = [picture[r : r + 7, c : c + 7].astype(float) for r, c in zip(rows, columns, strict=True)]
            patches += [patch.transpose(2, 0, 1) for patch in cut]
        patches = np.array(patches)
        patches -= patches.mean((0, 2, 3), keepdims=True)
        sets.append((patches / patches.std((0, 2, 3), keepdims=True)).reshape(len(patches), 147))
    rng, distances = np.random.default_rng(5), []
    for _ in range(8):
        for direction in rng.normal(size=(147, 64)).T:
            along = [np.sort(patches @ direction) / np.linalg.norm(direction) for patches in sets]
            distances.append(np.abs(along[0] - along[1]).mean())
    found = sliced_wasserstein(x, y, seed=5)
    assert found.levels == {16: pytest.approx(np.mean(distances), rel=1e-4)}


def test_each_level_sees_what_changes_there(photos):
    """Blur takes fine details; a change of brightness in broad stripes is seen in the coarse ones."""
    blurred = np.stack([cv2.GaussianBlur(picture, (0, 0), 1) for picture in photos])
    stripes = 60 * np.sign(np.sin(np.arange(64) / 32 * np.pi))[None, :, None]
    striped = np.stack([(picture + stripes).clip(0, 255).astype(np.uint8) for picture in photos])
    fine, coarse = sliced_wasserstein(photos, blurred).levels, sliced_wasserstein(photos, striped).levels
    assert fine[64] > 2 * fine[16]
    assert coarse[16] > 2 * coarse[64]


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (np.zeros((2, 16, 16), np.uint8), np.zeros((2, 16, 16), np.uint8), "N×H×W×3"),
        (np.zeros((2, 16, 16, 3)), np.zeros((2, 16, 16, 3), np.uint8), "8 bits"),
        (np.zeros((0, 16, 16, 3), np.uint8), np.zeros((2, 16, 16, 3), np.uint8), "N×H×W×3"),
        (np.zeros((2, 16, 16, 3), np.uint8), np.zeros((2, 16, 17, 3), np.uint8), "16×16×3 and 16×17×3"),
        (np.zeros((2, 15, 30, 3), np.uint8), np.zeros((2, 15, 30, 3), np.uint8), "16×16 pixels or more"),
    ],
)
def test_what_is_refused(x, y, sentence):
    with pytest.raises(ValueError, match=sentence):
        sliced_wasserstein(x, y)
