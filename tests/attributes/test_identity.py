"""Training of the network that tells faces apart."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gan_models.attributes import NAMES, identity
from gan_models.attributes.network import FaceIdentity
from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.jobs import finish
from tests.trainings import cancel, checkpoint, same, training


@pytest.fixture
def data(tmp_path):
    """Twelve faces with what UTKFace's names say, and one whose name lacks a field."""
    folder, rng = tmp_path / "data", np.random.default_rng(0)
    folder.mkdir()
    for index in range(12):
        name = "20_1_20170109.jpg" if index == 5 else f"{10 + index}_{index % 2}_{index % 5}_2017{index:02}.jpg"
        Image.fromarray(rng.integers(0, 255, (20, 20, 3), np.uint8)).save(folder / name)
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    torch.manual_seed(0)
    rater = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, len(NAMES)))
    monkeypatch.setattr(identity.checkpoints, "load", lambda name, device: rater)
    for name, value in {"BATCH": 4, "HELD_OUT": 6}.items():
        monkeypatch.setattr(identity, name, value)


def test_the_contrast_is_the_cross_entropy_of_finding_the_partner():
    first, second = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    # Each row against the three others, at cosines over 0.1: of rows 0 and 2 (partners, 1; 0; 0.6), of 1 and 3.
    rows = [(10, 0, 6), (8, 0, 0), (10, 0, 6), (8, 6, 6)]
    expected = [-partner + math.log(sum(map(math.exp, (partner, *others)))) for partner, *others in rows]
    assert identity.contrastive(first, second).item() == pytest.approx(sum(expected) / 4, abs=1e-4)


def test_correlation_is_one_for_copies_and_none_for_what_is_apart():
    column = torch.tensor([[1.0], [2.0], [4.0], [-1.0]])
    assert identity.correlation(3 * column + 1, -column).item() == pytest.approx(1, abs=1e-4)
    apart = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]]), torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])
    assert identity.correlation(*apart).item() == pytest.approx(0, abs=1e-6)


def test_names_tell_sex_and_ethnicity_or_nothing(data):
    labels = identity._labels(data)
    assert labels.shape == (12, 2)
    assert sorted(map(tuple, labels.tolist()))[0] == (identity.UNKNOWN, identity.UNKNOWN)
    assert (1, 3) in map(tuple, labels.tolist())


def test_embeddings_are_unit_vectors_at_any_size():
    found = FaceIdentity().eval()(torch.rand(2, 3, 80, 70))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))


def test_training_leaves_what_a_checkpoint_gives_again(data, tmp_path, monkeypatch):
    """Though what is held out is changed at random for each validation."""
    monkeypatch.setattr(identity.Identity, "validate_every", 1)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    figures = finish(training(identity.Identity, whole, data=data, steps=3))
    FaceIdentity().load_state_dict(load_state_dict_file(whole / "identity.safetensors", "safetensors"))
    cancel(training(identity.Identity, parts, data=data, steps=3), after=2)
    assert finish(training(identity.Identity, parts, data=data, steps=3, resume=True)) == figures
    assert same(checkpoint(parts)["network"], checkpoint(whole)["network"])
    assert figures.keys() >= {"found again", "sex", "ethnicity", "age"}
    assert 0 <= figures["found again"] <= 1
