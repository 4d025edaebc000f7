import numpy as np
import pytest
import torch

from gan_models.images.tensors import to_image, to_tensor


def test_range_and_layout():
    image = np.zeros((2, 3, 3), np.uint8)
    image[1, 2] = 0, 51, 255
    tensor = to_tensor(image)
    assert tensor.shape == (1, 3, 2, 3)
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert tensor[0, :, 1, 2].tolist() == pytest.approx([0, 0.2, 1])
    assert tensor.sum().item() == pytest.approx(1.2)


def test_the_picture_is_not_shared():
    image = np.full((2, 2, 3), 9, np.uint8)
    to_tensor(image).fill_(0)
    assert (image == 9).all()


@pytest.mark.parametrize("view", [np.s_[:, :], np.s_[::-1, ::-1], np.s_[1:5, ::2], np.s_[:1, :1]])
def test_round_trip_of_every_level(view):
    image = np.arange(256 * 3, dtype=np.uint8).reshape(16, 16, 3)[view]
    np.testing.assert_array_equal(to_image(to_tensor(image)), image)


def test_rounds_to_the_nearest():
    levels = torch.arange(255).float()
    for offset, expected in ((0.49, levels), (0.51, levels + 1)):
        tensor = ((levels + offset) / 255).view(1, 3, 5, 17)
        np.testing.assert_array_equal(to_image(tensor), expected.view(3, 5, 17).permute(1, 2, 0).numpy())


def test_clamps():
    tensor = torch.tensor([-1e9, -0.001, 1.001, 1e9, torch.inf, -torch.inf]).view(1, 3, 1, 2)
    assert to_image(tensor).transpose(2, 0, 1).ravel().tolist() == [0, 0, 255, 255, 255, 0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_and_gradients(dtype):
    tensor = torch.tensor([0, 0.25, 1], dtype=dtype, requires_grad=True).view(1, 3, 1, 1)
    image = to_image(tensor)
    assert image.dtype == np.uint8
    assert image.ravel().tolist() == [0, 64, 255]
