"""What the embedded weights make of a real photo."""

import numpy as np
import pytest
from skimage import data

from gan_models import device
from gan_models.images.degradations import bicubic_downscale, bicubic_upscale, gaussian_noise, jpeg
from gan_models.metrics import luma_psnr
from gan_models.super_resolution import Upscale
from gan_models.super_resolution.backend import Upscaler

RNG = np.random.default_rng(0)


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


@pytest.mark.parametrize("worse", [lambda small: jpeg(small, 40), lambda small: gaussian_noise(small, 10, RNG)])
def test_those_for_poor_photos_beat_both_bicubic_and_the_faithful_ones_there(worse):
    scores = []
    for picture in (data.chelsea, data.coffee, data.astronaut):
        whole = picture()[:296, :400]
        small = worse(bicubic_downscale(whole, 4))
        made = bicubic_upscale(small, 4), enlarged("sr-psnr-compact", small), enlarged("sr-real-compact", small)
        scores.append([luma_psnr(one, whole) for one in made])
    bicubic, faithful, poor = np.mean(scores, axis=0)
    assert poor > max(bicubic, faithful) + 0.3


@pytest.mark.parametrize("name", ["sr-psnr-compact", "sr-real-compact", "sr-gan-compact"])
def test_bfloat16_changes_a_picture_by_less_than_the_eye_sees(photo, monkeypatch, name):
    small = bicubic_downscale(photo, 4)
    pictures = []
    for there in (False, True):
        monkeypatch.setattr(device, "cpu_has_bfloat16", lambda there=there: there)
        pictures.append(enlarged(name, small).astype(int))
    difference = np.abs(pictures[0] - pictures[1])
    assert 0 < difference.max() <= 6
    assert difference.mean() < 0.15
