import cv2
import numpy as np
import pytest
import torch

from gan_models.jobs import finish
from gan_models.style_transfer import trainer
from gan_models.style_transfer.trainer import FastStyle
from tests.trainings import cancel, checkpoint, same, training


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "CHANNELS", (4, 4, 4))
    monkeypatch.setattr(trainer, "BLOCKS", 1)
    monkeypatch.setattr(trainer, "STYLE_SIDE", 48)
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for index in range(3):
        cv2.imwrite(str(tmp_path / "photos" / f"{index}.png"), rng.integers(0, 256, (40, 50, 3), np.uint8))
    (tmp_path / "style").mkdir()
    cv2.imwrite(str(tmp_path / "style" / "a.png"), rng.integers(0, 256, (60, 50, 3), np.uint8))
    return tmp_path


def train(data, out, **options):
    options = {"data": data / "photos", "style": data / "style" / "a.png", "steps": 1} | options
    return training(FastStyle, out, **options)


def test_training_goes_on_where_it_stopped(data, monkeypatch):
    monkeypatch.setattr(FastStyle, "report_every", 1)
    whole, parts = data / "whole", data / "parts"
    network = finish(train(data, whole, steps=3))
    assert (whole / "sheet.png").exists()
    cancel(train(data, parts, steps=3), after=2)
    again = finish(train(data, parts, steps=3, resume=True))
    assert same(network.state_dict(), again.state_dict())
    assert same(checkpoint(parts)["network"], checkpoint(whole)["network"])


def test_another_style_starts_from_a_trained_one(data):
    out = data / "out"
    finish(train(data, out))
    started = finish(train(data, data / "next", start=out, seed=5))
    trained = checkpoint(out)["network"]
    for name, value in started.state_dict().items():
        assert (value - trained[name]).abs().max() < 0.1, name


def test_an_untrained_network_draws_a_middle_grey(data):
    torch.manual_seed(0)
    drawn = trainer.untrained()(torch.rand(1, 3, 32, 32))
    assert 0.2 < drawn.mean() < 0.8
    assert drawn.std() < 1


def test_the_last_layer_learns_in_levels(data):
    """Adam's first step is as long as the rate, whatever the gradient."""
    out = data / "out"
    finish(train(data, out))
    before = checkpoint(out)
    rates = [group["lr"] for group in before["optimizer"]["param_groups"]]
    assert rates[1] == pytest.approx(255 * rates[0])
    finish(train(data, data / "again", start=out, seed=1))
    after = checkpoint(data / "again")["network"]
    steps = {name: (after[name] - value).abs().max().item() for name, value in before["network"].items()}
    assert steps["deconv3.conv2d.weight"] == pytest.approx(255 * steps["conv1.conv2d.weight"], rel=0.05)


def test_no_style(data):
    with pytest.raises(ValueError, match="There is no such file"):
        finish(train(data, data / "out", style=data / "nothing.png"))
