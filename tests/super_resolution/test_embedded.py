"""What the embedded weights make of a real photo."""

import numpy as np
import pytest
from skimage import data

from gan_models import device
from gan_models.images.degradations import bicubic_downscale, bicubic_upscale
from gan_models.metrics import luma_psnr
from gan_models.super_resolution import Upscale
from gan_models.super_resolution.backend import Upscaler


@pytest.fixture(scope="module")
def photo():
    return data.chelsea()[:296, :448]


def enlarged(name, picture):
    return Upscaler.load(name, "cpu")(Upscale.ask(image=picture, model=name))


def gradient(image):
    luma = image.astype(float).mean(axis=2)
    return np.abs(np.diff(luma, axis=0)).mean() + np.abs(np.diff(luma, axis=1)).mean()


def test_the_faithful_weights_beat_bicubic_and_the_crisp_ones_are_sharper(photo):
    small = bicubic_downscale(photo, 4)
    bicubic = bicubic_upscale(small, 4)
    faithful = enlarged("sr-psnr-compact", small)
    crisp = enlarged("sr-gan-compact", small)
    assert luma_psnr(faithful, photo) > luma_psnr(bicubic, photo) + 0.7
    assert gradient(bicubic) < gradient(faithful) < gradient(crisp)


@pytest.mark.parametrize("name", ["sr-psnr-compact", "sr-gan-compact"])
def test_bfloat16_changes_a_picture_by_less_than_the_eye_sees(photo, monkeypatch, name):
    small = bicubic_downscale(photo, 4)
    pictures = []
    for there in (False, True):
        monkeypatch.setattr(device, "cpu_has_bfloat16", lambda there=there: there)
        pictures.append(enlarged(name, small).astype(int))
    difference = np.abs(pictures[0] - pictures[1])
    assert 0 < difference.max() <= 6
    assert difference.mean() < 0.15
