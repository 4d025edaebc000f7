import cv2
import numpy as np
import pytest
import torch

from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.inversion import trainer
from gan_models.jobs import finish
from tests.trainings import cancel, checkpoint, same, training


@pytest.fixture
def faces(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "faces").mkdir()
    for index in range(4):
        cv2.imwrite(str(tmp_path / "faces" / f"{index}.png"), rng.integers(0, 256, (20, 20, 3), np.uint8))
    return tmp_path / "faces"


def test_training_goes_on_where_it_stopped(tiny, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "MODEL", "tiny")
    monkeypatch.setattr(trainer, "SHEET", 2)
    monkeypatch.setattr(trainer, "Encoder", lambda *sizes: small_encoder(*sizes))
    monkeypatch.setattr(trainer.FaceEncoder, "report_every", 1)
    whole, parts, options = tmp_path / "whole", tmp_path / "parts", {"data": faces, "steps": 3, "batch_size": 4}
    encoder = finish(training(trainer.FaceEncoder, whole, **options))
    assert (whole / "sheet.png").exists()
    state = load_state_dict_file(whole / "encoder.safetensors", "safetensors")
    assert state.keys() == encoder.state_dict().keys()
    cancel(training(trainer.FaceEncoder, parts, **options), after=2)
    again = finish(training(trainer.FaceEncoder, parts, resume=True, **options))
    assert same(again.state_dict(), encoder.state_dict())
    assert same(checkpoint(parts)["encoder"], checkpoint(whole)["encoder"])


def small_encoder(layers, w_dim, side):
    from gan_models.inversion.network import Encoder

    return Encoder(layers, w_dim, side, channels=(4, 6, 8), hidden=12)


def test_some_faces_are_grey_and_some_have_a_hole():
    torch.manual_seed(0)
    faces = torch.rand(200, 3, 16, 16)
    changed = trainer.degraded(faces)
    grey = (changed[:, 0] - changed[:, 2]).abs().amax((1, 2)) < 1e-6
    holes = (changed == 0.5).all(1).float().mean((1, 2)) > 0.05
    whole = (changed == faces).flatten(1).all(1)
    assert 30 < grey.sum() < 70
    assert 30 < holes.sum() < 70
    assert 70 < whole.sum() < 130
    assert not (grey & holes).any()
