import numpy as np
import pytest

from gan_models.images.haze import add_haze, random_depth, random_haze

SIZES = [(16, 20), (31, 17), (8, 200), (200, 8), (121, 90)]


def colourful(height, width, seed=0):
    """Random patches of one colour each."""
    cells = np.random.default_rng(seed).integers(0, 256, (-(-height // 8), -(-width // 8), 3), dtype=np.uint8)
    return cells.repeat(8, 0).repeat(8, 1)[:height, :width]


def test_haze_mixes_the_picture_with_the_airlight():
    """I = J·t + A·(1 - t), t = e^(-βd), in float64."""
    image = np.array([[[0, 100, 255], [12, 200, 40]]], np.uint8)
    depth = np.array([[0.25, 1.0]])
    airlight = np.array([0.9, 0.8, 0.7])
    t = np.exp(-1.5 * depth)[:, :, None]
    assert t.ravel().tolist() == pytest.approx([0.68728928, 0.22313016])
    hazy = add_haze(image, depth, 1.5, airlight)
    assert (hazy.dtype, hazy.shape) == (np.uint8, image.shape)
    np.testing.assert_array_equal(hazy, np.rint(image * t + 255 * airlight * (1 - t)))


def test_without_distance_or_density_the_picture_stays():
    image = colourful(16, 20)
    np.testing.assert_array_equal(add_haze(image, np.zeros((16, 20)), 2.0, np.ones(3)), image)
    np.testing.assert_array_equal(add_haze(image, np.ones((16, 20)), 0.0, np.ones(3)), image)


def test_of_far_things_only_the_airlight_is_left():
    hazy = add_haze(colourful(16, 20), np.full((16, 20), 100.0), 1.0, np.array([1.0, 0.8, 0.6]))
    assert (hazy == [255, 204, 153]).all()


def test_more_haze_hides_more():
    image, depth = colourful(16, 20), np.linspace(0.1, 1, 320).reshape(16, 20)
    contrasts = [add_haze(image, depth, beta, np.full(3, 0.8)).std((0, 1)).min() for beta in (0.3, 1.0, 2.6)]
    assert contrasts == sorted(contrasts, reverse=True)


@pytest.mark.parametrize("shape", [(20, 16), (16, 20, 1), (16, 19)])
def test_a_depth_of_another_size_is_refused(shape):
    with pytest.raises(ValueError, match="16, 20"):
        add_haze(colourful(16, 20), np.zeros(shape), 1.0, np.ones(3))


@pytest.mark.parametrize("size", SIZES)
def test_depths_are_in_range_and_vary(size):
    spans = []
    for seed in range(20):
        depth = random_depth(colourful(*size, seed), np.random.default_rng(seed))
        assert (depth.shape, depth.dtype) == (size, np.float32)
        assert depth.min() >= np.float32(0.1)
        assert depth.max() == pytest.approx(1)
        spans.append(np.ptp(depth))
    assert min(spans) >= 0.29
    assert max(spans) > 0.6


@pytest.mark.parametrize("level", [0, 127, 255])
def test_a_picture_of_one_colour_has_a_depth_too(level):
    depth = random_depth(np.full((16, 20, 3), level, np.uint8), np.random.default_rng(0))
    assert np.isfinite(depth).all()
    assert np.ptp(depth) > 0.2


def test_depths_are_mostly_smooth():
    image = colourful(96, 128)
    steps = [np.abs(np.diff(random_depth(image, np.random.default_rng(seed)), axis=0)) for seed in range(10)]
    assert np.median(steps) < 0.02
    assert np.mean(steps) > 0.001


def test_depth_follows_regions_of_like_colour():
    """Depth changes more where they meet than elsewhere."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 32:] = 255
    edge, elsewhere = [], []
    for seed in range(30):
        change = np.abs(np.diff(random_depth(image, np.random.default_rng(seed)), axis=1)).mean(0)
        edge.append(change[28:35].max())
        elsewhere.append(np.median(change))
    assert np.mean(edge) > 3 * np.mean(elsewhere)


@pytest.mark.parametrize("make", [random_depth, random_haze])
def test_the_seed_decides(make):
    image = colourful(33, 47)
    a, b, c = (make(image, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a.astype(float) - c).mean() > 0.01


@pytest.mark.parametrize("size", SIZES)
def test_random_haze_draws_pictures_to_one_bright_colour(size):
    image = colourful(*size)
    before = image.copy()
    for seed in range(10):
        hazy = random_haze(image, np.random.default_rng(seed))
        assert (hazy.shape, hazy.dtype) == (image.shape, np.uint8)
        assert hazy.std() < image.std()
        assert hazy.min() > image.min()
    np.testing.assert_array_equal(image, before)


def test_random_haze_is_thin_and_thick():
    image = np.zeros((32, 32, 3), np.uint8)
    veils = [random_haze(image, np.random.default_rng(seed)).mean() / 255 for seed in range(60)]
    assert min(veils) < 0.25
    assert max(veils) > 0.6
