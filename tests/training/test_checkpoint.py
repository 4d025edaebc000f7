import pytest
import torch
from torch import nn

from gan_models.training import checkpoint
from gan_models.training.ema import EMA


def new_run():
    """A tiny network with everything that a trainer keeps, and randomness in every step."""
    network = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    return {"network": network, "ema": EMA(network), "optimizer": optimizer, "schedule": schedule}


def train(parts, steps):
    """Return the losses of `steps` steps on random data."""
    losses = []
    for _ in range(steps):
        x = torch.randn(16, 3)
        loss = (parts["network"](x) - x.sum(1, keepdim=True)).square().mean()
        parts["optimizer"].zero_grad()
        loss.backward()
        parts["optimizer"].step()
        parts["schedule"].step()
        parts["ema"].update(parts["network"])
        losses.append(loss.item())
    return losses


def weights(parts):
    return {**parts["network"].state_dict(prefix="network."), **parts["ema"].network.state_dict(prefix="ema.")}


def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(tmp_path):
    torch.manual_seed(1)
    unbroken = new_run()
    train(unbroken, 4)
    checkpoint.save(tmp_path / "run" / "checkpoint.pt", 4, unbroken)
    expected = train(unbroken, 5)

    torch.manual_seed(99)
    resumed = new_run()
    assert checkpoint.load(tmp_path / "run" / "checkpoint.pt", resumed) == 4
    assert train(resumed, 5) == expected
    for name, value in weights(unbroken).items():
        assert torch.equal(value, weights(resumed)[name]), name


def test_part_of_a_checkpoint_can_be_loaded(tmp_path):
    parts = new_run()
    checkpoint.save(tmp_path / "checkpoint.pt", 7, parts)
    ema = new_run()["ema"]
    assert checkpoint.load(tmp_path / "checkpoint.pt", {"ema": ema}) == 7
    assert torch.equal(ema.network[0].weight, parts["ema"].network[0].weight)


def test_an_interrupted_save_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, 1, new_run())
    before = path.read_bytes()

    def power_cut(state, unfinished):
        unfinished.write_bytes(b"half")
        raise OSError("no power")

    monkeypatch.setattr(torch, "save", power_cut)
    with pytest.raises(OSError, match="no power"):
        checkpoint.save(path, 2, new_run())
    assert path.read_bytes() == before


def test_nothing_else_is_left_behind(tmp_path):
    checkpoint.save(tmp_path / "checkpoint.pt", 1, {})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_missing_checkpoint_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        checkpoint.load(tmp_path / "checkpoint.pt", {})
