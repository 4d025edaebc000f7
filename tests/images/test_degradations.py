import numpy as np
import pytest

from gan_models.images.degradations import (
    bicubic_downscale,
    bicubic_upscale,
    crop_to_multiple,
    gaussian_noise,
    jpeg,
    poor,
)


def random_image(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def smooth_image(height, width):
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 7) + np.cos(y / 5), np.sin((x + y) / 9), np.cos(x / 11) * np.sin(y / 6)]
    return np.clip(np.dstack(waves) * 60 + 128, 0, 255).astype(np.uint8)


def keys(t, a=-0.5):
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0


def mirrored(i, length):
    while not 0 <= i < length:
        i = -1 - i if i < 0 else 2 * length - 1 - i
    return i


def imresize(image, height, width):
    """MATLAB's imresize pixel by pixel, unrounded."""
    result = np.empty((height, width, image.shape[2]))
    for y, x in np.ndindex(height, width):
        axes = []
        for position, new, old in ((y, height, image.shape[0]), (x, width, image.shape[1])):
            stretch = max(1, old / new)
            centre = (position + 0.5) * old / new - 0.5
            taps = range(int(centre - 2 * stretch) - 2, int(centre + 2 * stretch) + 3)
            axes.append([(mirrored(tap, old), keys((centre - tap) / stretch)) for tap in taps])
        weighted = [(v * h, image[i, j].astype(float)) for i, v in axes[0] for j, h in axes[1]]
        result[y, x] = sum(w * p for w, p in weighted) / sum(w for w, _ in weighted)
    return np.clip(result, 0, 255)


@pytest.mark.parametrize(("factor", "size"), [(2, (10, 14)), (3, (9, 12)), (4, (16, 12)), (4, (4, 8)), (8, (8, 8))])
def test_downscaling_is_matlabs(factor, size):
    image = random_image(*size)
    expected = imresize(image, size[0] // factor, size[1] // factor)
    reduced = bicubic_downscale(image, factor)
    assert reduced.dtype == np.uint8
    assert reduced.shape == expected.shape
    assert np.abs(reduced - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(("factor", "size"), [(2, (5, 7)), (3, (4, 3)), (4, (1, 2))])
def test_upscaling_is_matlabs(factor, size):
    image = random_image(*size)
    expected = imresize(image, size[0] * factor, size[1] * factor)
    assert np.abs(bicubic_upscale(image, factor) - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("level", [0, 1, 77, 254, 255])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_constants_are_preserved(level, factor):
    image = np.full((factor * 5, factor * 3, 3), level, np.uint8)
    assert (bicubic_downscale(image, factor) == level).all()
    assert (bicubic_upscale(image, factor) == level).all()


def test_overshoot_is_clipped_instead_of_wrapped():
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = 255
    reduced = bicubic_downscale(image, 2)[0, :, 0].astype(int)
    assert reduced[:5].max() == 0
    assert reduced[-5:].min() == 255
    assert (np.diff(reduced) >= 0).all() or reduced.min() == 0


@pytest.mark.parametrize(
    ("size", "factor", "cropped"),
    [((9, 10), 4, (8, 8)), ((8, 8), 4, (8, 8)), ((3, 9), 4, (0, 8)), ((7, 5), 1, (7, 5))],
)
def test_crop(size, factor, cropped):
    image = random_image(*size)
    result = crop_to_multiple(image, factor)
    assert result.shape[:2] == cropped
    np.testing.assert_array_equal(result, image[: cropped[0], : cropped[1]])


@pytest.mark.parametrize("sigma", [5, 15])
def test_noise_is_seeded_normal_and_centred(sigma):
    image = np.full((200, 200, 3), 128, np.uint8)
    noisy = gaussian_noise(image, sigma, np.random.default_rng(3))
    np.testing.assert_array_equal(noisy, gaussian_noise(image, sigma, np.random.default_rng(3)))
    assert (noisy != gaussian_noise(image, sigma, np.random.default_rng(4))).any()
    difference = noisy.astype(float) - 128
    assert noisy.dtype == np.uint8
    assert abs(difference.mean()) < 0.1
    assert difference.std() == pytest.approx(sigma, rel=0.02)
    assert (np.abs(difference) <= sigma).mean() == pytest.approx(0.68, abs=0.05)
    neighbours = np.corrcoef(difference[:, 1:].ravel(), difference[:, :-1].ravel())[0, 1]
    channels = np.corrcoef(difference[..., 0].ravel(), difference[..., 1].ravel())[0, 1]
    assert max(abs(neighbours), abs(channels)) < 0.02


def test_noise_is_clipped_and_may_be_none():
    image = random_image(20, 20)
    np.testing.assert_array_equal(gaussian_noise(image, 0, np.random.default_rng(0)), image)
    for level in (0, 255):
        flat = np.full((50, 50, 3), level, np.uint8)
        distance = np.abs(gaussian_noise(flat, 10, np.random.default_rng(0)).astype(int) - level)
        assert 0 < distance.max() < 60


def test_jpeg_loses_more_at_lower_quality():
    image = smooth_image(64, 48)
    errors = [np.abs(jpeg(image, quality).astype(int) - image).mean() for quality in (95, 50, 10)]
    assert 0 < errors[0] < errors[1] < errors[2] < 20


def test_jpeg_keeps_size_and_is_writable():
    image = random_image(17, 23)
    before = image.copy()
    compressed = jpeg(image, 40)
    assert (compressed.shape, compressed.dtype) == (image.shape, np.uint8)
    compressed[:] = 0
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(jpeg(image, 40), jpeg(image, 40))


def test_poor_photos_are_reduced_and_in_their_places_and_no_two_alike():
    image = smooth_image(160, 96)
    before, good = image.copy(), bicubic_downscale(image, 4)
    photos = [poor(image, 4, np.random.default_rng(seed)) for seed in range(40)]
    assert all((photo.shape, photo.dtype) == (good.shape, np.uint8) for photo in photos)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(photos[3], poor(image, 4, np.random.default_rng(3)))
    errors = [np.abs(photo.astype(int) - good).mean() for photo in photos]
    assert len(set(errors)) > 30
    assert min(errors) < 1 < np.median(errors) < max(errors) < 30
    mean = np.mean(photos, axis=0)  # blurred, but nothing has moved
    shifted = [np.abs(np.roll(mean, by, 1) - good)[:, 1:-1].mean() for by in (-1, 0, 1)]
    assert shifted[1] < 0.75 * min(shifted[0], shifted[2])
