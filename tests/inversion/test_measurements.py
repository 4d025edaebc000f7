import cv2
import numpy as np
import pytest
import torch

from gan_models.images.tensors import to_tensor
from gan_models.inversion.measurements import checked_hole, grey, known, sampled


def test_grey_is_opencvs():
    picture = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    found = grey(to_tensor(picture))
    assert found.shape == (1, 3, 9, 9)
    expected = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    for channel in found[0].numpy() * 255:
        np.testing.assert_allclose(channel, expected, atol=0.51)


def test_what_is_not_known_is_grey():
    picture, mask = torch.rand(2, 3, 4, 4), torch.zeros(4, 4)
    mask[1, 2] = 1
    found = known(mask)(picture)
    assert torch.equal(found[:, :, 1, 2], picture[:, :, 1, 2])
    assert (found[:, :, mask == 0] == 0.5).all()


@pytest.mark.parametrize("scheme", ["strided", "random", "block"])
@pytest.mark.parametrize("share", [0.01, 0.0625, 0.25, 1])
def test_so_many_pixels_are_measured(scheme, share):
    mask = sampled(scheme, share, 64)
    assert set(np.unique(mask)) <= {0, 1}
    assert mask.mean() == pytest.approx(share, rel=0.3)


def test_each_scheme_has_its_pattern():
    grid = sampled("strided", 1 / 16, 64)
    rows, columns = np.nonzero(grid)
    assert set(np.diff(np.unique(rows))) == set(np.diff(np.unique(columns))) == {4}
    block = sampled("block", 0.25, 64)
    assert block[16:48, 16:48].all()
    assert block.sum() == 32 * 32
    first, again, other = (sampled("random", 0.1, 64, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("mask", [None, np.ones((4, 4), bool), np.zeros((50, 50), bool), np.ones((50, 50), bool)])
def test_masks_that_are_none(mask):
    with pytest.raises(ValueError, match="mask"):
        checked_hole(mask, np.zeros((50, 50, 3), np.uint8))
