import pytest
import torch

from gan_models.attributes import NAMES
from gan_models.attributes.network import FaceAttributes


@pytest.fixture
def network():
    torch.manual_seed(0)
    return FaceAttributes().eval()


def test_a_face_gets_a_score_for_each_attribute(network):
    scores = network(torch.rand(3, 3, 64, 64))
    assert scores.shape == (3, len(NAMES))
    assert scores.isfinite().all()


def test_faces_of_other_sizes_are_rated_at_64_pixels(network):
    large = torch.rand(1, 3, 128, 128)
    small = torch.nn.functional.interpolate(large, (64, 64), mode="bilinear", antialias=True)
    torch.testing.assert_close(network(large), network(small))
