import pytest
import torch
from torch import nn

from gan_models.jobs import finish
from gan_models.training.unpaired import CycleGAN, train_unpaired


class Gain(nn.Module):
    """A generator that multiplies, or a discriminator whose score is a multiple."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return x * self.factor


class Sets:
    def __init__(self, seed):
        self.rng = torch.Generator().manual_seed(seed)

    def batch(self, count):
        return tuple(torch.rand(count, 3, 4, 4, generator=self.rng) for _ in range(2))

    def validate(self, a_to_b, b_to_a):
        return (a_to_b.factor * b_to_a.factor).item()


@pytest.fixture
def gan():
    """A CycleGAN of multiples: to B by 2, to A by 0.4, scoring A by 0.5 and B by 3; cycles count 10, identity 5."""
    made = CycleGAN(Gain, Gain, 10, 5)
    made.a_to_b, made.b_to_a, made.discriminator_a, made.discriminator_b = map(Gain, (2.0, 0.4, 0.5, 3.0))
    return made


def test_the_terms_are_those_of_the_paper(gan):
    a, b = Sets(0).batch(2)
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


def run(out, gan=None, steps=4, seed=0, resume=False):
    torch.manual_seed(seed)
    options = {"steps": steps, "batch_size": 2, "lr": 1e-2, "seed": seed, "resume": resume}
    return train_unpaired(gan or CycleGAN(Gain, Gain, 10, 5), Sets, out, ("there", None), **options)


def test_a_run_leaves_what_was_named_and_goes_on(tmp_path):
    result = finish(run(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt", "there.safetensors"}
    assert next(step.index for step in run(tmp_path, steps=5, resume=True)) == 5
    assert finish(run(tmp_path / "again")) == result
    assert finish(run(tmp_path / "other", seed=3)) != result


def test_cycles_close(tmp_path):
    """What goes there and back comes back as it was, in the end."""
    gan = CycleGAN(Gain, Gain, 10, 0)
    gan.a_to_b, gan.b_to_a = Gain(1.6), Gain(0.4)
    finish(run(tmp_path, gan, steps=150))
    assert (gan.a_to_b.factor * gan.b_to_a.factor).item() == pytest.approx(1, abs=0.1)
