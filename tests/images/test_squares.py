import numpy as np
import pytest

from gan_models.images.squares import trimmed


def with_figure(background, rows, columns, figure=(200, 30, 60)):
    picture = np.full((40, 60, 3), background, np.uint8)
    picture[rows, columns] = figure
    return picture


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (40, 90, 120)])
def test_a_figure_is_cut_out_with_a_margin_and_put_in_the_middle(background):
    found = trimmed(with_figure(background, slice(1, 11), slice(30, 50)))
    assert found.shape == (22, 22, 3)  # the width of the figure, 20, and six hundredths of it on each side
    expected = np.full((22, 22, 3), background)
    expected[6:16, 1:21] = (200, 30, 60)
    assert np.array_equal(found, expected)


def test_faint_noise_is_background():
    picture = with_figure((250, 250, 250), slice(10, 20), slice(10, 20))
    noisy = picture.copy()
    noisy[::7, ::5] -= 5
    assert trimmed(noisy).shape == trimmed(picture).shape


@pytest.mark.parametrize(
    "picture",
    [
        with_figure((255, 255, 255), slice(0, 0), slice(0, 0)),
        with_figure((255, 255, 255), slice(0, 10), slice(50, 60)),
        np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8),
    ],
    ids=["even", "figure in a corner", "no background"],
)
def test_a_picture_without_an_even_background_stays_as_it_is(picture):
    assert trimmed(picture) is picture
