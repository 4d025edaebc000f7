"""Measures against what people see: growing disturbances, and distortions that differ though their errors don't."""

import cv2
import numpy as np
import pytest
import torch
from skimage import data
from skimage.transform import swirl

from gan_models import checkpoints
from gan_models.images.tensors import to_tensor
from gan_models.metrics import fid, mse, psnr, sliced_wasserstein, ssim

LEVELS = (0.0, 0.25, 0.5, 1.0)
ERROR = 196  # squared levels: that of a shift by 14


def noise(picture, level):
    disturbed = picture + 80 * level * np.random.default_rng(0).normal(size=picture.shape)
    return disturbed.clip(0, 255).astype(np.uint8)


def blur(picture, level):
    return cv2.GaussianBlur(picture, (0, 0), 3 * level) if level else picture


def swirled(picture, level):
    turned = swirl(picture, strength=4 * level, radius=0.7 * len(picture), mode="reflect", preserve_range=True)
    return turned.round().astype(np.uint8)


disturbances = pytest.mark.parametrize("disturb", [noise, blur, swirled])


@pytest.fixture(scope="module")
def tiles():
    """Squares of 32 pixels, the size that the feature network was trained on."""
    photos = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    photos = [cv2.resize(photo, (128, 128), interpolation=cv2.INTER_AREA) for photo in photos]
    starts = range(0, 128, 32)
    return np.stack([photo[y : y + 32, x : x + 32] for photo in photos for y in starts for x in starts])


@disturbances
def test_distances_of_sets_grow_with_what_disturbs(tiles, disturb):
    """As in figure 3 of Heusel et al. 2017."""
    network = checkpoints.load("features-compact", "cpu")

    def features(pictures):
        return network.pooled(torch.cat([to_tensor(picture) for picture in pictures])).numpy()

    sets = [np.stack([disturb(tile, level) for tile in tiles]) for level in LEVELS]
    original = features(tiles)
    distances = [fid(features(pictures), original) for pictures in sets]
    assert distances[0] == pytest.approx(0, abs=1e-4)
    assert np.diff(distances).min() > 0.1
    slices = [sliced_wasserstein(pictures[::4], tiles[::4]).average for pictures in sets]
    assert slices[0] == 0
    assert slices == sorted(set(slices))


@disturbances
def test_likeness_falls_with_what_disturbs(disturb):
    picture = data.astronaut()[::4, ::4]
    for measure in (psnr, ssim):
        scores = [measure(disturb(picture, level), picture) for level in LEVELS]
        assert scores == sorted(scores, reverse=True)
        assert len(set(scores)) == len(LEVELS)


def until(target, picture, disturb, strongest):
    """Return what `disturb` makes of a picture at the strength that gives the error `target`."""
    low, high = 0.0, strongest
    for _ in range(30):
        middle = (low + high) / 2
        disturbed = disturb(middle).round().clip(0, 255).astype(np.uint8)
        low, high = (middle, high) if mse(disturbed, picture) < target else (low, middle)
    return disturbed


def compressed(target, picture):
    """Return `picture` after JPEG of the lowest quality whose error is no larger than `target`."""
    for quality in range(1, 101):
        file = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        decoded = cv2.imdecode(file, cv2.IMREAD_GRAYSCALE)
        if mse(decoded, picture) <= target:
            return decoded
    raise AssertionError(target)


@pytest.mark.parametrize("name", ["coins", "chelsea"])
def test_ssim_orders_equal_errors_as_its_paper_does(name):
    """Figure 2 of Wang et al. 2004, by SSIM: shifted, stretched, impulsive noise, blurred, compressed by JPEG."""
    picture = getattr(data, name)()
    picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
    exact, mean = picture.astype(float), picture.mean()
    rng = np.random.default_rng(0)
    place, grain = rng.random(picture.shape), rng.choice([0, 255], picture.shape)
    disturbed = [
        until(ERROR, picture, lambda by: exact + by, 60),
        until(ERROR, picture, lambda by: mean + (exact - mean) * (1 + by), 3),
        until(ERROR, picture, lambda by: np.where(place < by, grain, exact), 0.5),
        until(ERROR, picture, lambda by: cv2.GaussianBlur(exact, (0, 0), 0.2 + by), 12),
        compressed(ERROR, picture),
    ]
    errors = [mse(each, picture) for each in disturbed]
    assert errors[:4] == pytest.approx([ERROR] * 4, rel=0.01)
    assert 0.75 * ERROR < errors[4] <= ERROR
    likeness = [ssim(each, picture) for each in disturbed]
    assert np.diff(likeness).max() < -0.01
