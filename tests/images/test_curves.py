import numpy as np
import pytest

from gan_models.images.curves import IN_A_ROW, MARGIN, PANEL, TEXT, draw_curves


def ink(panel):
    """Return for each column of the plot the mean row of what is neither paper nor grid, from the top."""
    plot = panel[MARGIN + 2 * TEXT + 2 : -MARGIN - 2, MARGIN + 4 : -MARGIN - 4].astype(int)
    coloured = np.ptp(plot, axis=2) > 30
    rows = np.arange(len(plot))[:, None]
    return (coloured * rows).sum(0) / coloured.sum(0)


def test_a_falling_loss_falls():
    heights = ink(draw_curves({"loss": np.linspace(3, 1, 50)}))
    assert (np.diff(heights) >= -0.01).all()
    assert heights[0] < 5
    assert heights[-1] > 80


def test_each_loss_has_its_own_panel_and_range():
    picture = draw_curves({"large": [1000, 0], "small": [0, 0.001]})
    assert picture.shape == (PANEL[1], 2 * PANEL[0], 3)
    left, right = picture[:, : PANEL[0]], picture[:, PANEL[0] :]
    np.testing.assert_allclose(ink(left), ink(right)[::-1], atol=2)


def test_what_does_not_fit_beside_the_others_goes_below():
    picture = draw_curves({str(number): [number, 0] for number in range(IN_A_ROW + 1)})
    assert picture.shape == (2 * PANEL[1], IN_A_ROW * PANEL[0], 3)
    heights = ink(picture[PANEL[1] :, : PANEL[0]])
    assert heights[0] < 5
    assert heights[-1] > 80
    assert (picture[PANEL[1] :, PANEL[0] :] == 255).all()


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0], [float("nan")], [1.0, float("inf"), 2.0]])
def test_any_numbers_can_be_drawn(values):
    assert draw_curves({"loss": values}).shape == (PANEL[1], PANEL[0], 3)
