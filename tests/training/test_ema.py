import pytest
import torch
from torch import nn

from gan_models.training.ema import EMA, renew_statistics


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


def test_renewed_statistics_are_those_of_all_batches_alike():
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(2)
    network = nn.Sequential(nn.Conv2d(3, 2, 1), norm).eval()
    batches = [torch.randn(4, 3, 5, 5) + shift for shift in range(3)]
    for _ in range(2):  # what was there before leaves no trace
        renew_statistics(network, [lambda batch=batch: network(batch) for batch in batches])
        seen = [network[0](batch).transpose(0, 1).flatten(1) for batch in batches]
        mean = torch.stack([values.mean(1) for values in seen]).mean(0)
        variance = torch.stack([values.var(1) for values in seen]).mean(0)
        torch.testing.assert_close(norm.running_mean, mean.detach())
        torch.testing.assert_close(norm.running_var, variance.detach())
        norm.running_mean.fill_(50)
    assert not network.training


def test_what_has_no_batch_normalisation_is_left_alone():
    network, passed = nn.Linear(2, 2).train(), []
    renew_statistics(network, [lambda: passed.append(1)])
    assert passed == []
    assert network.training
