import numpy as np
import pytest
from PIL import Image

from gan_models.images.folders import list_pictures
from gan_models.training.datasets import load_pictures, load_squares


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def flat(height, width, colour=(10, 20, 30)):
    return np.full((height, width, len(colour)), colour)


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3))


# --- Lists


def test_pictures_are_found_in_every_folder_and_sorted(tmp_path):
    names = ["b.png", "a.jpg", "deep/er/c.webp", "deep/A.PNG", "z.bmp", "y.tiff", "x.gif"]
    for name in names:
        save(tmp_path / name, flat(2, 2))
    assert list_pictures(tmp_path) == sorted(tmp_path / name for name in names)


def test_what_is_no_picture_is_passed_over(tmp_path):
    save(tmp_path / "a.png", flat(2, 2))
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "png").write_text("none")
    (tmp_path / "folder.png").mkdir()
    assert list_pictures(tmp_path) == [tmp_path / "a.png"]


@pytest.mark.parametrize("load", [list_pictures, load_pictures, lambda folder: load_squares(folder, 8)])
def test_a_folder_without_pictures_is_refused(tmp_path, load):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(ValueError, match="No pictures in"):
        load(tmp_path)


# --- Pictures


def test_pictures_are_loaded_as_they_are(tmp_path):
    save(tmp_path / "a.png", noise(5, 7))
    save(tmp_path / "b.png", flat(3, 4))
    first, second = load_pictures(tmp_path)
    assert first.dtype == np.uint8
    assert np.array_equal(first, noise(5, 7))
    assert np.array_equal(second, flat(3, 4))


def test_transparency_is_dropped_and_grey_becomes_colour(tmp_path):
    save(tmp_path / "a.png", flat(3, 4, (10, 20, 30, 40)))
    save(tmp_path / "b.png", np.full((3, 4), 90))
    transparent, grey = load_pictures(tmp_path)
    assert np.array_equal(transparent, flat(3, 4))
    assert np.array_equal(grey, flat(3, 4, (90, 90, 90)))


# --- Squares


def test_squares_are_stacked_channels_first(tmp_path):
    save(tmp_path / "a.png", noise(4, 4))
    save(tmp_path / "b.png", flat(9, 5))
    save(tmp_path / "c.png", flat(2, 3, (1, 2, 3, 4)))
    squares = load_squares(tmp_path, 4)
    assert squares.shape == (3, 3, 4, 4)
    assert squares.dtype == np.uint8
    assert np.array_equal(squares[0], noise(4, 4).transpose(2, 0, 1))
    assert np.array_equal(squares[1], flat(4, 4).transpose(2, 0, 1))
    assert np.array_equal(squares[2], flat(4, 4, (1, 2, 3)).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [
        ((4, 10), slice(0, 4), slice(3, 7)),
        ((10, 4), slice(3, 7), slice(0, 4)),
        ((4, 9), slice(0, 4), slice(2, 6)),
        ((5, 4), slice(0, 4), slice(0, 4)),
    ],
)
def test_pictures_are_cut_to_their_middle(tmp_path, size, rows, columns):
    picture = noise(*size)
    save(tmp_path / "a.png", picture)
    assert np.array_equal(load_squares(tmp_path, 4)[0], picture[rows, columns].transpose(2, 0, 1))


def test_smaller_pictures_are_averages_of_areas(tmp_path):
    checker = np.indices((16, 16)).sum(0) % 2 * 200
    save(tmp_path / "a.png", np.stack([checker, 200 - checker, checker // 2], 2))
    expected = np.array([100, 100, 50])[:, None, None].repeat(8, 1).repeat(8, 2)
    assert np.array_equal(load_squares(tmp_path, 8)[0], expected)

    picture = noise(12, 20)
    save(tmp_path / "a.png", picture)
    areas = picture[:, 4:16].reshape(4, 3, 4, 3, 3).mean((1, 3))
    assert np.abs(load_squares(tmp_path, 4)[0].transpose(1, 2, 0) - areas).max() <= 0.5


def test_areas_may_end_within_a_pixel(tmp_path):
    stripes = np.tile(np.array([0, 90, 180])[None, :, None], (3, 1, 3))
    save(tmp_path / "a.png", stripes)
    left, right = (0 + 90 / 2) / 1.5, (90 / 2 + 180) / 1.5
    assert np.array_equal(load_squares(tmp_path, 2)[0], np.tile([left, right], (3, 2, 1)))


def test_larger_pictures_are_interpolated(tmp_path):
    ramp = np.arange(8)[:, None] * 20 + np.arange(8)[None] * 10
    save(tmp_path / "a.png", np.stack([ramp, ramp, 210 - ramp], 2))
    square = load_squares(tmp_path, 16)[0].astype(int)
    places = (np.arange(16) + 0.5) / 2 - 0.5
    expected = places[:, None] * 20 + places[None] * 10
    inside = (slice(4, -4), slice(4, -4))  # cubic, a = -0.75: nearly straight
    assert np.abs(square[0] - expected)[inside].max() <= 2
    assert np.abs(square[2] - (210 - expected))[inside].max() <= 2
