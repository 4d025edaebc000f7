import pytest
import torch
from torch import nn

from gan_models.training.ema import EMA


class Number(nn.Module):
    """One parameter and one buffer."""

    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(float(value)))
        self.register_buffer("seen", torch.tensor(0))


def test_the_average_follows_the_formula():
    network = Number(0)
    ema = EMA(network, decay=0.25)
    expected = 0.0
    for step, value in enumerate([1.0, 5.0, -2.0, 7.0], start=1):
        network.value.data.fill_(value)
        network.seen.fill_(step)
        ema.update(network)
        decay = min(0.25, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
        assert ema.network.value.item() == pytest.approx(expected, rel=1e-6)
        assert ema.network.seen.item() == step
        assert network.value.item() == value


def test_the_first_update_forgets_most_of_the_start():
    network = Number(100)
    ema = EMA(network, decay=0.999)
    network.value.data.zero_()
    ema.update(network)
    assert ema.network.value.item() == pytest.approx(100 * 2 / 11)


def test_a_steady_network_is_its_own_average():
    network = Number(3)
    ema = EMA(network)
    for _ in range(50):
        ema.update(network)
    assert ema.network.value.item() == pytest.approx(3)


def test_the_average_is_a_frozen_copy_in_eval_mode():
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout()).train()
    ema = EMA(network)
    assert network.training
    assert not ema.network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not any(parameter.requires_grad for parameter in ema.network.parameters())


def test_a_restored_average_goes_on_alike():
    network = Number(1)
    first = EMA(network, decay=0.9)
    for value in (2.0, 3.0):
        network.value.data.fill_(value)
        first.update(network)
    second = EMA(Number(8), decay=0.9)
    second.load_state_dict(first.state_dict())
    network.value.data.fill_(4.0)
    first.update(network)
    second.update(network)
    assert second.network.value.item() == first.network.value.item()
