import numpy as np
import pytest
import torch
from PIL import Image

from gan_models.training.datasets import squares
from gan_models.translation import pairs


@pytest.fixture
def facades(tmp_path):
    """Photos beside labels: a window in each."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    for index in range(4):
        picture = np.zeros((64, 128, 3), np.uint8)
        picture[:, :64] = 40 * index
        picture[:, 64:] = (10, 60, 250)
        picture[20:40, 84:104] = (5, 120, 250)
        Image.fromarray(picture).save(folder / f"{index}.png")
    return folder


def test_labels_are_the_right_half_and_lie_on_the_photo(facades):
    source = pairs.Pairs(facades, pairs.TASKS["facades"], 64, 1)
    labels, photos = source.batch(3, np.random.default_rng(0))
    assert labels.shape == photos.shape == (3, 3, 64, 64)
    assert labels.unique().tolist() == pytest.approx(
        sorted({value / 127.5 - 1 for value in (0, 13, 61, 117, 251, 255)})
    )
    assert (photos.std((1, 2, 3)) < 0.02).all()


@pytest.mark.parametrize(("task", "channels"), [("edges", 3), ("grey", 3), ("masked", 4)])
def test_photos_are_their_own_targets(photos, task, channels):
    given, wanted = pairs.Pairs(photos, pairs.TASKS[task], 64, 1).batch(2, np.random.default_rng(0))
    assert given.shape == (2, channels, 64, 64)
    assert wanted.shape == (2, 3, 64, 64)
    assert -1 <= given.min() <= given.max() <= 1
    if task == "edges":
        assert set(given.unique().tolist()) <= {-1.0, 1.0}
    if task == "grey":
        lightness = (wanted * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1)
        assert (given - lightness[:, None]).abs().max() < 0.02
    if task == "masked":
        outside = given[:, 3] < 0
        assert outside.any()
        assert (~outside).any()
        for channel in range(3):
            assert torch.equal(given[:, channel][outside], wanted[:, channel][outside])


def test_two_sets_never_mix(two_sets):
    for name, value in (("trainA", 0), ("trainB", 255)):
        for path in (two_sets / name).iterdir():
            Image.fromarray(np.full((40, 40, 3), value, np.uint8)).save(path)
    a, b = pairs.TwoSets(two_sets, "folders", 32, 1).batch(5, np.random.default_rng(0))
    assert a.shape == b.shape == (5, 3, 32, 32)
    assert (a == -1).all()
    assert (b == 1).all()


def test_validation_goes_there_and_back(two_sets):
    source = pairs.TwoSets(two_sets, "folders", 32, 1)
    assert source.validate(lambda x: -x, lambda x: -x) == float("inf")
    assert source.validate(lambda x: -x, lambda x: x) < 30


def test_drawings_are_of_other_photos_than_those_they_are_set_against(photos):
    kept, drawn = pairs.photos_and_drawings(photos, 48)
    everything = list(squares(photos, 48))
    assert len(kept) + len(drawn) == len(everything)
    for photo, drawing, other in zip(everything[1::2], drawn, kept, strict=False):
        assert (drawing.std(2) == 0).all(), "a drawing has colours"
        grey, likeness, unlikeness = (one.mean(2).ravel() for one in (drawing, photo, other))
        assert np.corrcoef(grey, likeness)[0, 1] > np.corrcoef(grey, unlikeness)[0, 1]


@pytest.mark.parametrize(("size", "least"), [((60, 90), 20), ((20, 30), 20), ((12, 40), 12)])
def test_squares_are_cut_at_any_scale_and_have_one_size(size, least):
    height, width = size
    ramp = np.dstack([np.tile(np.arange(width), (height, 1)), *[np.zeros(size)] * 2]).astype(np.uint8)
    rng, spans = np.random.default_rng(0), []
    for _ in range(60):
        square = pairs.cut_at_any_scale(ramp, 20, rng)
        assert square.shape == (20, 20, 3)
        spans.append(int(np.ptp(square[:, :, 0].astype(int))) + 1)
    assert min(spans) >= least - 2
    assert max(spans) <= min(size)
    assert (len(set(spans)) > 5) == (min(size) > 20)  # small pictures have one scale
