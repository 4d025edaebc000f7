import tracemalloc

import numpy as np
import pytest
import torch
from torch import nn

from gan_models.images.tensors import to_image, to_tensor
from gan_models.images.tiling import smallest_tile, tiled

RADIUS = 5
SIZES = [(1, 1), (1, 200), (150, 3), (31, 17), (48, 48), (49, 47), (97, 131), (128, 64)]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(scale=1):
    """Return random convolutions that see `RADIUS` pixels far, and well as far as that."""
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(3, 8, 7, padding=3),
        nn.LeakyReLU(0.2),
        nn.Conv2d(8, 3 * scale**2, 5, padding=2),
        nn.PixelShuffle(scale),
    )

    def apply(tensor):
        with torch.no_grad():
            return (body(tensor) * 12).sigmoid()

    return apply


def random_image(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def result(apply, image, scale=1, **options):
    height, width = image.shape[:2]
    out = np.full((height * scale, width * scale, 3), 99, np.uint8)
    progress = list(tiled(apply, image, out=out, scale=scale, **options))
    total = len(progress)
    assert progress == [(done, total) for done in range(1, total + 1)]
    return out, total


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("overlap", [RADIUS, 9])
@pytest.mark.parametrize("scale", [1, 2])
def test_equals_the_whole_picture(size, overlap, scale):
    apply, image = network(scale), random_image(*size)
    whole = to_image(apply(to_tensor(image))).astype(int)
    for tile in (smallest_tile(overlap), 48, 1000):
        out, _ = result(apply, image, scale, tile=tile, overlap=overlap)
        assert np.abs(out - whole).max() <= 1
    assert size == (1, 1) or whole.std() > 15


def test_too_small_an_overlap_shows_in_the_test_above():
    apply, image = network(), random_image(97, 131)
    whole = to_image(apply(to_tensor(image))).astype(int)
    out, _ = result(apply, image, tile=48, overlap=RADIUS - 2)  # one missing pixel has next to no weight yet
    assert np.abs(out - whole).max() > 1


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("tile", "overlap"), [(48, 5), (50, 7), (33, 0), (smallest_tile(6), 6)])
def test_tiles_are_aligned_and_never_too_large(size, tile, overlap):
    height, width = size
    position = np.arange(height * width).reshape(size)
    image = np.dstack([position >> 16, position >> 8 & 255, position & 255]).astype(np.uint8)
    seen = np.zeros(size, int)

    def apply(tensor):
        positions = to_image(tensor).reshape(-1, 3).astype(int) @ (65536, 256, 1)
        (top, left), (bottom, right) = divmod(positions[0], width), divmod(positions[-1], width)
        assert top % 4 == left % 4 == 0
        assert tensor.shape == (1, 3, bottom - top + 1, right - left + 1)
        assert max(tensor.shape[2:]) <= tile
        seen[top : bottom + 1, left : right + 1] += 1
        return tensor

    out, total = result(apply, image, tile=tile, overlap=overlap)
    assert seen.min() >= 1
    assert total == 1 or max(size) > tile
    np.testing.assert_array_equal(out, image)


def test_closing_ends_the_work():
    calls = []
    steps = tiled(
        lambda tensor: calls.append(1) or tensor, random_image(200, 200), out=random_image(200, 200), tile=64
    )
    assert not calls
    _, total = next(steps)
    next(steps)
    steps.close()
    assert len(calls) == 2 < total


@pytest.mark.parametrize("overlap", [0, 7, 16])
def test_too_small_tiles_are_refused(overlap):
    smallest = smallest_tile(overlap)
    with pytest.raises(ValueError, match=f"at least {smallest} pixels, not {smallest - 1}"):
        result(lambda tensor: tensor, random_image(9, 9), tile=smallest - 1, overlap=overlap)
    result(lambda tensor: tensor, random_image(99, 99), tile=smallest, overlap=overlap)


def test_a_network_that_sees_everything_leaves_no_seam():
    """Each tile comes out in another brightness, as its mean decides: no step may stand out where tiles meet."""
    ramp = np.linspace(0, 250, 136).astype(np.uint8)
    image = np.broadcast_to(ramp[:, None, None], (136, 60, 3)).copy()
    means = []

    def apply(tensor):
        means.append(255 * tensor.mean().item())
        return tensor * 0.2 + tensor.mean() * 0.8

    for picture, axis in ((image, 0), (image.swapaxes(0, 1).copy(), 1)):
        means.clear()
        out, total = result(apply, picture, tile=88, overlap=16)
        jump = 0.8 * (means[1] - means[0])
        steps = np.abs(np.diff(out.astype(int), axis=axis))
        assert total == 2
        assert jump > 50
        assert steps.max() <= 0.25 * jump


@pytest.mark.parametrize("values", [(0, 0, 1, 0), (0, 1, 0, 0), (0, 1, 1, 0), (1, 0, 0, 1)])
def test_four_tiles_that_disagree_leave_no_seam_at_their_corner(values):
    """Weights along both axes multiply: each row of the result is a mixture of the same two fades."""
    remaining = iter(values)
    image = random_image(136, 136)
    out, total = result(lambda tensor: torch.full_like(tensor, next(remaining)), image, tile=88, overlap=16)
    fade = (1 - np.cos(np.pi * (np.arange(8) + 0.5) / 8)) / 2
    weight = np.concatenate([np.zeros(64), fade, np.ones(64)])
    upper, lower = ((1 - weight) * left + weight * right for left, right in (values[:2], values[2:]))
    expected = 255 * (np.outer(1 - weight, upper) + np.outer(weight, lower))
    assert total == 4
    assert np.abs(out - expected[:, :, None]).max() <= 1


def test_memory_beyond_picture_and_result_is_that_of_a_tile():
    image = np.zeros((1500, 2000, 3), np.uint8)
    out = np.zeros_like(image)
    tracemalloc.start()
    for _ in tiled(lambda tensor: tensor, image, out=out, tile=64):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < image.nbytes / 10
