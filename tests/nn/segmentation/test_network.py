import pytest
import torch

from gan_models.nn.segmentation.network import SegmentationUNet


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SegmentationUNet(classes=5, channels=(4, 6, 8)).eval()


@pytest.mark.parametrize(("height", "width"), [(32, 48), (33, 50), (7, 9)])
def test_every_pixel_gets_a_score_for_each_class(network, height, width):
    scores = network(torch.rand(2, 3, height, width))
    assert scores.shape == (2, 5, height, width)
    assert scores.isfinite().all()


def test_what_is_added_to_fill_up_the_last_squares_hardly_counts(network):
    picture = torch.rand(1, 3, 64, 64)
    cut = network(picture[:, :, :61, :61])
    torch.testing.assert_close(cut[:, :, :24, :24], network(picture)[:, :, :24, :24])


def test_it_can_learn_which_pixels_are_bright():
    torch.manual_seed(1)
    network = SegmentationUNet(classes=2, channels=(8, 8))
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(60):
        pictures = torch.rand(4, 1, 16, 16).round().expand(-1, 3, -1, -1)
        loss = torch.nn.functional.cross_entropy(network(pictures), pictures[:, 0].long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.35  # half of what guessing gives
