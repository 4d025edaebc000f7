import math

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gan_models.attributes import NAMES, trainer
from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.images.faces import Face
from gan_models.jobs import finish
from tests.trainings import cancel, checkpoint, same, training

GENDER, POSE = NAMES.index("gender"), NAMES.index("pose")


def test_labels_that_are_not_known_do_not_count():
    torch.manual_seed(0)
    scores, labels = torch.randn(4, 6), torch.randn(4, 6)
    labels[:, GENDER] = torch.tensor([1.0, 0, 1, 0])
    labels[1:, 2] = float("nan")
    labels[:, POSE] = float("nan")
    loss = trainer.rating_loss(scores, labels)
    expected = 0.0
    for index in range(6):
        errors = []
        for score, label in zip(scores[:, index].tolist(), labels[:, index].tolist(), strict=True):
            if math.isnan(label):
                continue
            if index == GENDER:
                errors.append(math.log(1 + math.exp(score)) - label * score)
            else:
                gap = abs(score - label)
                errors.append(gap**2 / 2 if gap < 1 else gap - 0.5)
        expected += sum(errors) / len(errors) if errors else 0
    assert loss.item() == pytest.approx(expected / 6, rel=1e-5)


def test_a_mirrored_face_looks_the_other_way():
    torch.manual_seed(1)
    faces = torch.zeros(200, 3, 16, 16)
    faces[:, :, :, 8:] = 1  # bright on the right
    labels = torch.ones(200, 6)
    changed, turned = trainer.augmented(faces, labels)
    mirrored = changed[:, :, :, 10:].mean((1, 2, 3)) < changed[:, :, :, :6].mean((1, 2, 3))
    assert 60 < mirrored.sum() < 140
    assert torch.equal(turned[:, POSE] < 0, mirrored)
    assert (turned[:, :POSE] == 1).all()
    assert (labels == 1).all()


def test_the_pose_is_where_the_mouth_is():
    level = Face(np.array([10.0, 20.0]), np.array([50.0, 20.0]), np.array([34.0, 60.0]))
    assert trainer.pose(level) == pytest.approx(0.1)
    angle = math.radians(25)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turned = Face(*(turn @ point for point in (level.left_eye, level.right_eye, level.mouth)))
    assert trainer.pose(turned) == pytest.approx(0.1)
    assert math.isnan(trainer.pose(None))


@pytest.fixture
def data(tmp_path):
    """Two small sets in the layouts of the real ones."""
    from skimage import data as pictures

    portrait = pictures.astronaut()[:300, 80:380]
    utk, rated = tmp_path / "faces-utk-128", tmp_path / "faces-omi-192"
    utk.mkdir()
    rated.mkdir()
    for index in range(24):
        shade = np.full((128, 128, 3), 10 * index, np.uint8)
        cv2.imwrite(str(utk / f"{20 + index}_{index % 2}_0_2017.jpg"), shade)
    cv2.imwrite(str(utk / "31_2017.jpg"), np.zeros((128, 128, 3), np.uint8))
    rows = ["stimulus,happy,long-haired,hair-color,gender"]
    for index in range(12):
        cv2.imwrite(str(rated / f"{index}.jpg"), cv2.convertScaleAbs(portrait[:, :, ::-1], alpha=0.7 + 0.05 * index))
        rows.append(f"{index},{5 * index},{index},{index % 5},{100 * (index % 2)}")
    (rated / "attribute_means.csv").write_text("\n".join(rows))
    return tmp_path


def test_training_goes_on_where_it_stopped(data, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "POSED", 3)
    monkeypatch.setattr(trainer.Attributes, "report_every", 1)
    whole, parts, options = tmp_path / "whole", tmp_path / "parts", {"data": data, "steps": 4}
    figures = finish(training(trainer.Attributes, whole, **options))
    assert set(figures) == set(NAMES)
    cancel(training(trainer.Attributes, parts, **options), after=2)
    finish(training(trainer.Attributes, parts, resume=True, **options))
    assert same(checkpoint(parts)["network"], checkpoint(whole)["network"])
    name = "attributes.safetensors"
    assert same(*(load_state_dict_file(out / name, "safetensors") for out in (whole, parts)))
    with np.load(whole / "faces.npz") as kept:
        faces, labels, rated, ratings = (kept[name] for name in kept.files)
    assert faces.shape == (25, 3, 64, 64)
    assert rated.shape == (12, 3, 64, 64)
    assert np.isnan(ratings[:, NAMES.index("age")]).all()
    assert ratings[:, NAMES.index("smile")].std() == pytest.approx(1, abs=1e-3)
    assert np.isnan(labels[:, GENDER]).sum() == 1
    assert set(labels[~np.isnan(labels[:, GENDER]), GENDER]) == {0, 1}


def test_no_pictures(tmp_path):
    with pytest.raises(ValueError, match="No pictures"):
        finish(training(trainer.Attributes, tmp_path / "out", data=tmp_path, steps=1))


def test_the_loss_is_differentiable_where_labels_are_missing():
    scores = torch.randn(2, 6, requires_grad=True)
    labels = torch.full((2, 6), float("nan"))
    labels[:, 0] = 1
    trainer.rating_loss(scores, labels).backward()
    assert scores.grad.isfinite().all()
    assert F.relu(scores.grad[:, 1:].abs()).sum() == 0
