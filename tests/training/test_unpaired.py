import numpy as np
import pytest
import torch
from torch import nn

from gan_models.jobs import finish
from gan_models.training.unpaired import CycleGAN, Unpaired
from tests.trainings import cancel, checkpoint, same, training


class Gain(nn.Module):
    """A generator that multiplies, or a discriminator whose score is a multiple."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return x * self.factor


class Sets:
    def batch(self, count, rng):
        return tuple(torch.from_numpy(rng.random((count, 3, 4, 4), np.float32)) for _ in range(2))

    def validate(self, a_to_b, b_to_a):
        return b_to_a(a_to_b(torch.ones(1))).item()


@pytest.fixture
def gan():
    """A CycleGAN of multiples: to B by 2, to A by 0.4, scoring A by 0.5 and B by 3; cycles count 10, identity 5."""
    made = CycleGAN(Gain, Gain, 10, 5)
    made.a_to_b, made.b_to_a, made.discriminator_a, made.discriminator_b = map(Gain, (2.0, 0.4, 0.5, 3.0))
    return made


def test_the_terms_are_those_of_the_paper(gan):
    a, b = Sets().batch(2, np.random.default_rng(0))
    terms, made = gan.generator_losses(a, b)
    assert torch.equal(made["b"], 2 * a)
    assert torch.equal(made["a"], 0.4 * b)
    found = {name: value.item() for name, value in terms.items()}
    assert found["cycle"] == pytest.approx(10 * 0.2 * (a.mean() + b.mean()).item(), rel=1e-5)
    assert found["identity"] == pytest.approx(5 * (0.6 * a.mean() + b.mean()).item(), rel=1e-5)
    verdicts = (6 * a - 1).square().mean() + (0.2 * b - 1).square().mean()
    assert found["adversarial"] == pytest.approx(verdicts.item(), rel=1e-5)
    scored = (6 * a).square().mean() + (3 * b - 1).square().mean()
    scored += (0.2 * b).square().mean() + (0.5 * a - 1).square().mean()
    assert gan.discriminator_loss(made, a, b).item() == pytest.approx(scored.item() / 2, rel=1e-5)


class Gains(Unpaired):
    """From and to B by gains that are given, or by 1."""

    steps: int = 4
    batch_size: int = 2
    lr: float = 1e-2
    identity_weight: float = 5
    gains: tuple[float, float] = (1.0, 1.0)
    names = ("there", "back")

    def networks(self):
        gan = CycleGAN(Gain, Gain, 10, self.identity_weight)
        gan.a_to_b, gan.b_to_a = map(Gain, self.gains)
        return gan

    def sets(self):
        return Sets()


def run(out, resume=False, **options):
    return training(Gains, out, data=out, resume=resume, **options)


def test_a_run_leaves_what_was_named_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(Gains, "report_every", 1)
    result = finish(run(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt", "there.safetensors", "back.safetensors"}
    cancel(run(tmp_path / "again"), after=2)
    assert finish(run(tmp_path / "again", resume=True)) == result
    assert same(checkpoint(tmp_path)["gan"], checkpoint(tmp_path / "again")["gan"])
    assert finish(run(tmp_path / "other", seed=3)) != result


def test_cycles_close(tmp_path):
    """What goes there and back comes back as it was, in the end."""
    finish(run(tmp_path, gains=(1.6, 0.4), identity_weight=0, steps=150))
    gan = checkpoint(tmp_path)["gan"]
    assert (gan["a_to_b.factor"] * gan["b_to_a.factor"]).item() == pytest.approx(1, abs=0.1)
