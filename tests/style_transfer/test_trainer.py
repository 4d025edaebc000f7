import cv2
import numpy as np
import pytest
import torch

from gan_models.jobs import finish
from gan_models.style_transfer import trainer


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "CHANNELS", (4, 4, 4))
    monkeypatch.setattr(trainer, "BLOCKS", 1)
    monkeypatch.setattr(trainer, "STYLE_SIDE", 48)
    rng = np.random.default_rng(0)
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), rng.integers(0, 256, (40, 50, 3), np.uint8))
    (tmp_path / "style").mkdir()
    cv2.imwrite(str(tmp_path / "style" / "a.png"), rng.integers(0, 256, (60, 50, 3), np.uint8))
    return tmp_path


def test_training_goes_on_where_it_stopped(data):
    style, out = data / "style" / "a.png", data / "out"
    network = finish(trainer.train(data, out, style, steps=2, batch_size=2))
    assert (out / "sheet.png").exists()
    again = finish(trainer.train(data, out, style, steps=2, batch_size=2, resume=True))
    for name, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_another_style_starts_from_a_trained_one(data):
    style, out = data / "style" / "a.png", data / "out"
    finish(trainer.train(data, out, style, steps=1, batch_size=2))
    started = finish(trainer.train(data, data / "next", style, start=out, steps=1, batch_size=2, seed=5))
    trained = torch.load(out / "checkpoint.pt", weights_only=True)["network"]
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
    finish(trainer.train(data, out, data / "style" / "a.png", steps=1))
    before = torch.load(out / "checkpoint.pt", weights_only=True)
    rates = [group["lr"] for group in before["optimizer"]["param_groups"]]
    assert rates[1] == pytest.approx(255 * rates[0])
    finish(trainer.train(data, data / "again", data / "style" / "a.png", start=out, steps=1, seed=1))
    after = torch.load(data / "again" / "checkpoint.pt", weights_only=True)["network"]
    steps = {name: (after[name] - value).abs().max().item() for name, value in before["network"].items()}
    assert steps["deconv3.conv2d.weight"] == pytest.approx(255 * steps["conv1.conv2d.weight"], rel=0.05)


def test_no_style(data):
    with pytest.raises(ValueError, match="There is no such file"):
        finish(trainer.train(data, data / "out", data / "nothing.png", steps=1))
