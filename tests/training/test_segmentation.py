import numpy as np
import pytest
import torch
from PIL import Image

from gan_models.checkpoints.loading import load_state_dict_file, read_metadata
from gan_models.images.facades import FACADE_LABELS, label_map, nearest_labels
from gan_models.jobs import finish
from gan_models.nn.segmentation.network import SegmentationUNet
from gan_models.training import segmentation
from gan_models.training.segmentation import Pairs, Segmentation
from tests.trainings import cancel, training

COLOURS = list(FACADE_LABELS.values())


def test_labels_are_the_places_of_the_nearest_colours():
    picture = np.array([COLOURS], np.int16)
    picture[0, :, 0] = (picture[0, :, 0] + 4).clip(0, 255)
    assert label_map(picture.astype(np.uint8)).tolist() == [list(range(12))]
    assert nearest_labels(picture.astype(np.uint8)).tolist() == [[list(colour) for colour in COLOURS]]


@pytest.fixture
def data(tmp_path):
    """Facades whose photos are their labels, as files that show both side by side."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 5), ("val", 2), ("test", 3)):
        (tmp_path / part).mkdir()
        for index in range(count):
            labels = rng.integers(0, 12, (4, 4)).repeat(32, 0).repeat(32, 1)
            painted = np.array(COLOURS, np.uint8)[labels]
            Image.fromarray(np.hstack([painted, painted])).save(tmp_path / part / f"{index}.png")
    return tmp_path


def test_pairs_are_loaded_small(data):
    photos, labels = Pairs(data, ("test",), 64).batch(torch.arange(3))
    assert photos.shape == (3, 3, 64, 64)
    assert labels.shape == (3, 64, 64)
    painted = torch.tensor(COLOURS, dtype=torch.uint8)[labels].permute(0, 3, 1, 2)
    torch.testing.assert_close(photos, painted)


def test_photos_and_labels_move_alike():
    """A picture whose brightness is its label, before and after."""
    torch.manual_seed(0)
    labels = torch.arange(8).repeat_interleave(8)[None, :, None].expand(20, 64, 64)
    photos = (labels / 16 + 0.25)[:, None].expand(20, 3, 64, 64)
    seen, wanted = segmentation.augmented(photos, labels)
    assert seen.shape == photos.shape
    assert {-1, 0, 7} < set(wanted.unique().tolist()) <= set(range(-1, 8))
    assert (wanted == -1).float().mean() < 0.2
    for photo, label in zip(seen, wanted, strict=True):
        means = torch.stack([photo[0][label == value].mean() for value in label.unique() if value >= 0])
        assert (means.diff() > 0).all()


def test_training_goes_on_where_it_stopped(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Segmentation, "validate_every", 1)
    whole, parts, options = tmp_path / "whole", tmp_path / "parts", {"data": data, "steps": 2, "batch_size": 2}
    score = finish(training(Segmentation, whole, **options))
    assert 0 <= score.class_iou <= score.class_accuracy <= 1
    cancel(training(Segmentation, parts, **options), after=1)
    *_, last = training(Segmentation, parts, resume=True, **options)
    assert "pixel accuracy" in last.message
    assert last.result == score
    name = "facades-segmentation-compact.safetensors"
    state = load_state_dict_file(parts / name, "safetensors")
    torch.testing.assert_close(state, load_state_dict_file(whole / name, "safetensors"))
    SegmentationUNet().load_state_dict(state, strict=True)
    assert read_metadata(whole / name)["pixel_accuracy"] == f"{score.pixel_accuracy:.4f}"


def test_no_pictures(tmp_path):
    with pytest.raises(ValueError, match="No pictures"):
        finish(training(Segmentation, tmp_path / "out", data=tmp_path, steps=1))
