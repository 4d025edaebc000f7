import numpy as np
import pytest

from gan_models.images.blur import (
    STEPS,
    blurred,
    defocus_kernel,
    kernel_of,
    linear_kernel,
    partly_blurred,
    random_blur,
    random_kernel,
    random_thing,
    random_trajectory,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def moments(kernel):
    """The mean place from the middle and the covariance, (row, column), in float64."""
    kernel = kernel.astype(float)
    reach = kernel.shape[0] // 2
    places = np.stack(np.mgrid[-reach : reach + 1, -reach : reach + 1], 2).reshape(-1, 2)
    mean = kernel.ravel() @ places
    return mean, (places - mean).T * kernel.ravel() @ (places - mean)


def kernels():
    for seed in range(12):
        for size in (3, 9, 31):
            yield kernel_of(random_trajectory(rng(seed)), size)
            yield linear_kernel(rng(seed).uniform(2, size), rng(seed + 99).uniform(0, np.pi), size)
        yield defocus_kernel(rng(seed).uniform(0.7, 6))


def test_kernels_are_centred_shares():
    for kernel in kernels():
        assert kernel.dtype == np.float32
        assert kernel.shape[0] == kernel.shape[1]
        assert kernel.shape[0] % 2 == 1
        assert kernel.min() >= 0
        assert kernel.sum(dtype=float) == pytest.approx(1, abs=1e-6)
        assert np.abs(moments(kernel)[0]).max() < 0.5


# --- Rasterising


def test_points_between_pixels_are_shared_out():
    """In 5×5 the path reaches 1.5 pixels from the middle (2, 2): to (3.5, 2) and (2, 2.75)."""
    expected = np.zeros((5, 5))
    expected[3:, 2] = 0.25
    expected[2, 2:4] = 0.125, 0.375
    np.testing.assert_allclose(kernel_of(np.array([[1, 0], [0, 0.5]]), 5), expected, atol=1e-7)


@pytest.mark.parametrize("size", [3, 9, 31])
def test_no_mass_of_a_path_is_lost(size):
    """Else the mean of the kernel would not be that of the path."""
    for seed in range(10):
        path = rng(seed).normal(size=(50, 2))
        expected = path.mean(0) / np.abs(path).max() * (size // 2 - 0.5)
        np.testing.assert_allclose(moments(kernel_of(path, size))[0], expected, atol=1e-5)


def test_a_path_fills_the_kernel_whatever_its_scale():
    path = random_trajectory(rng())
    kernel = kernel_of(path, 15)
    np.testing.assert_allclose(kernel_of(path * 1000, 15), kernel, atol=1e-6)
    rows, columns = np.nonzero(kernel)
    assert {0, 14} & {rows.min(), rows.max(), columns.min(), columns.max()}


def test_a_path_that_stands_still_is_a_point():
    kernel = kernel_of(np.zeros((10, 2)), 7)
    assert kernel[3, 3] == 1
    assert kernel.sum() == 1


# --- Straight motion and defocus


@pytest.mark.parametrize("length", [4.0, 9.3, 20.0])
@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 120])
def test_the_linear_kernel_has_its_length_and_angle(length, degrees):
    """Points spread evenly over a length have the variance length² / 12, those shared out up to 1/4 more."""
    mean, covariance = moments(linear_kernel(length, np.deg2rad(degrees), 31))
    np.testing.assert_allclose(mean, 0, atol=1e-6)
    variances, axes = np.linalg.eigh(covariance)
    assert length**2 / 12 - 1e-6 <= variances[1] <= (length**2 / 12) * (STEPS + 1) / (STEPS - 1) + 0.25
    assert variances[0] <= 0.25
    down, right = axes[:, 1]
    turned = np.rad2deg(np.arctan2(down, right)) - degrees
    assert abs((turned + 90) % 180 - 90) < 2


def test_motion_along_the_rows_stays_in_its_row():
    kernel = linear_kernel(6, 0, 9)
    assert kernel[4].sum() == pytest.approx(1)
    np.testing.assert_allclose(kernel[4, 2:7], 1 / 6, atol=0.01)


def test_a_motion_as_long_as_its_kernel_fits():
    for size in (3, 5, 31):
        for angle in (0, np.pi / 4, np.pi / 2):
            kernel = linear_kernel(size, angle, size)
            np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-6)
            assert kernel[size // 2, size // 2] > 0


@pytest.mark.parametrize("radius", [0.7, 1.0, 2.5, 6.2])
def test_the_defocused_point_is_a_disc(radius):
    """Even discs have the area πr² and the variance r² / 4 along each axis."""
    kernel = defocus_kernel(radius)
    rows, columns = (np.indices(kernel.shape) - kernel.shape[0] // 2).astype(float)
    distance = np.hypot(rows, columns)
    assert (kernel[distance >= radius + 0.5] == 0).all()
    inside = kernel[distance <= radius - 0.5]
    assert np.ptp(inside) == 0
    np.testing.assert_array_equal(kernel, kernel.T)
    np.testing.assert_array_equal(kernel, kernel[::-1])
    if radius > 2:
        assert 1 / inside[0] == pytest.approx(np.pi * radius**2, rel=0.05)
        np.testing.assert_allclose(moments(kernel)[1].diagonal(), radius**2 / 4, rtol=0.08)


# --- Trajectories


def test_trajectories_are_continuous_and_centred():
    for seed in range(10):
        path = random_trajectory(rng(seed))
        assert path.shape == (STEPS, 2)
        np.testing.assert_allclose(np.linalg.norm(np.diff(path, axis=0), axis=1), 1 / STEPS)
        np.testing.assert_allclose(path.mean(0), 0, atol=1e-12)


def test_trajectories_vary_in_direction_and_straightness():
    directions, spans = [], []
    for seed in range(40):
        path = random_trajectory(rng(seed))
        across = path[-1] - path[0]
        directions.append(tuple(across > 0))
        spans.append(np.linalg.norm(across))
    assert len(set(directions)) == 4
    assert min(spans) < 0.5
    assert max(spans) > 0.8


# --- Pictures


@pytest.mark.parametrize("level", [0, 1, 77, 254, 255])
def test_a_constant_stays(level):
    image = np.full((20, 24, 3), level, np.uint8)
    for kernel in (kernel_of(random_trajectory(rng()), 31), linear_kernel(4, 1, 5), defocus_kernel(2)):
        np.testing.assert_array_equal(blurred(image, kernel), image)


@pytest.mark.parametrize("size", [5, 15])
def test_a_point_of_light_draws_the_kernel_the_right_way_round(size):
    kernel = rng().uniform(size=(size, size)).astype(np.float32)
    kernel[:2, -1] = 3
    kernel /= kernel.max()
    image = np.zeros((41, 43, 1), np.uint8)
    image[20, 21] = 255
    spread = blurred(image.repeat(3, 2), kernel, gamma=1)
    reach = size // 2
    drawn = spread[20 - reach : 21 + reach, 21 - reach : 22 + reach, 1]
    assert np.abs(drawn - 255.0 * kernel).max() <= 0.51
    assert spread.sum(dtype=int) == 3 * drawn.sum(dtype=int)


def test_light_adds_up_and_not_codes():
    """Half of the light of white is code 255 · 0.5^(1/2.2) = 186."""
    image = np.zeros((9, 9, 3), np.uint8)
    image[:, ::2] = 255
    kernel = np.array([[0, 0, 0], [0.25, 0.5, 0.25], [0, 0, 0]], np.float32)
    assert (blurred(image, kernel) == 186).all()
    assert (blurred(image, kernel, gamma=1) == 128).all()


def test_edges_are_mirrored():
    ramp = np.arange(0, 250, 10, dtype=np.uint8)
    image = np.broadcast_to(ramp[None, :, None], (25, 25, 3))
    kernel = linear_kernel(4, 0, 9)
    found = blurred(image, kernel, gamma=1)[12, :, 0]
    mirrored = np.pad(ramp.astype(float), 4, mode="reflect")
    assert np.abs(found - np.convolve(mirrored, kernel[4], "valid")).max() <= 0.51


def test_the_seed_decides_what_blur_there_is():
    image = rng(1).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    a, b, c = (random_blur(image, rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


@pytest.mark.parametrize("size", [(16, 20), (33, 47)])
def test_random_blur_takes_detail_and_keeps_light(size):
    image = rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    before, left = image.copy(), []
    for seed in range(40):
        soft = random_blur(image, rng(seed))
        assert (soft.shape, soft.dtype) == (image.shape, np.uint8)
        assert soft.mean() == pytest.approx(image.mean() + 20, abs=25)
        left.append(soft.std() / image.std())
    np.testing.assert_array_equal(image, before)
    assert np.median(left) < 0.5
    assert max(left) < 1.03  # noise adds a little where only a small thing has moved


def test_no_kernel_is_larger_than_asked_for():
    kernels = [random_kernel(rng(seed), longest=11) for seed in range(60)]
    assert all(kernel.sum() == pytest.approx(1) and kernel.min() >= 0 for kernel in kernels)
    assert {len(kernel) for kernel in kernels} >= {3, 5, 7, 9, 11}
    assert max(len(kernel) for kernel in kernels) == 11


def test_what_moves_is_blurred_and_the_ground_before_which_it_moves_is_not():
    image = rng(2).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    thing = np.zeros((60, 80), bool)
    thing[15:45, 20:60] = True
    soft = partly_blurred(image, linear_kernel(9, 0, 9), thing)
    away, inside = np.ones_like(thing), np.zeros_like(thing)
    away[:, 10:70] = False
    inside[20:40, 26:54] = True
    assert np.abs(soft[away].astype(int) - image[away]).max() <= 1
    np.testing.assert_array_equal(soft[inside], blurred(image, linear_kernel(9, 0, 9))[inside])


def test_things_lie_in_the_picture():
    shares = [random_thing((50, 70), rng(seed)).mean() for seed in range(30)]
    assert 0 < min(shares) < 0.2 < max(shares) < 0.9
