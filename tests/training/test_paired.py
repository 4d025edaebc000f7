import math

import numpy as np
import pytest
import torch
from torch import nn

from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.jobs import finish
from gan_models.training.paired import Conditional, CrossEntropy, Paired, Wasserstein, mean_errors
from tests.trainings import cancel, checkpoint, same, training


def linear(*weights, bias=0.0):
    """A discriminator that scores each pixel by its weighted channels."""
    layer = nn.Conv2d(len(weights), 1, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weights).view(1, -1, 1, 1))
        layer.bias.fill_(bias)
    return layer


def flat(*values):
    """One picture of one colour for each value, which is its red; green and blue are none."""
    picture = torch.zeros(len(values), 3, 2, 2)
    picture[:, 0] = torch.tensor(values).view(-1, 1, 1)
    return picture


# --- Games


def test_the_conditional_game_counts_squares_of_what_pairs_lack():
    """Scores are degraded + 2·picture: 0.5 + 0.4 = 0.9 and 0.1 + 1 = 1.1 for what was made."""
    adversary = Conditional(linear(1.0, 0, 0, 2.0, 0, 0))
    degraded, made, original = flat(0.5, 0.1), flat(0.2, 0.5), flat(0.3, 0.9)
    assert adversary.generator_loss(degraded, made).item() == pytest.approx((0.1**2 + 0.1**2) / 2)
    fake, real = (0.9**2 + 1.1**2) / 2, (0.1**2 + 0.9**2) / 2  # originals score 1.1 and 1.9
    found = adversary.discriminator_loss(degraded, made, original)
    assert found.item() == pytest.approx((fake + real) / 2)


def test_the_conditional_game_is_over_where_ones_and_noughts_are_told():
    degraded, made, original = flat(0.0), flat(0.0), flat(1.0)
    adversary = Conditional(linear(0, 0, 0, 1.0, 0, 0))
    assert adversary.discriminator_loss(degraded, made, original).item() == 0
    assert adversary.generator_loss(degraded, made).item() == 1
    assert adversary.generator_loss(degraded, original).item() == 0


def test_the_cross_entropy_game_counts_logarithms_of_probabilities():
    """Scores are degraded + 2·picture: 0.9 for what was made, 1.1 for the original."""
    adversary = CrossEntropy(linear(1.0, 0, 0, 2.0, 0, 0))
    degraded, made, original = flat(0.5), flat(0.2), flat(0.3)
    fake, real = (1 / (1 + math.exp(-score)) for score in (0.9, 1.1))
    assert adversary.generator_loss(degraded, made).item() == pytest.approx(-math.log(fake))
    expected = (-math.log(real) - math.log(1 - fake)) / 2
    assert adversary.discriminator_loss(degraded, made, original).item() == pytest.approx(expected, rel=1e-5)


def test_the_wasserstein_game_counts_the_distance_and_the_penalty():
    """The critic's mean score has the gradient 6 / 4 at each of 4 pixels: a norm of 3; it pays 10·(3 - 1)²."""
    adversary = Wasserstein(linear(6.0, 0, 0, bias=5))
    degraded, made, original = flat(0.9, 0.9), flat(0.1, 0.3), flat(0.5, 0.4)
    assert adversary.generator_loss(degraded, made).item() == pytest.approx(-(6 * 0.2 + 5))
    distance = 6 * (0.45 - 0.2)
    found = adversary.discriminator_loss(degraded, made, original)
    assert found.item() == pytest.approx(10 * (3 - 1) ** 2 - distance, rel=1e-5)


def test_a_critic_of_slope_one_pays_no_penalty():
    adversary = Wasserstein(linear(2.0, 0, 0))
    found = adversary.discriminator_loss(flat(0.0), flat(0.2), flat(0.7))
    assert found.item() == pytest.approx(-2 * 0.5)


@pytest.mark.parametrize("adversary", [Conditional(linear(0, 0, 0, 1.0, 0, 0)), Wasserstein(linear(1.0, 0, 0))])
def test_both_sides_pull_against_each_other(adversary):
    made = flat(0.2).requires_grad_()
    adversary.generator_loss(flat(0.5), made).backward()
    assert (made.grad[:, 0] < 0).all()  # a higher score would be better
    made.grad = None
    adversary.discriminator_loss(flat(0.5), made, flat(0.9)).backward()
    assert (made.grad[:, 0] > 0).all()


def test_errors_are_counted_squared_and_absolutely():
    """Smooth ones are e²/0.2 below 0.1 and e - 0.05 above (Girshick 2015, with β = 0.1)."""
    made, original = flat(0.54, 0.1), flat(0.5, 0.5)
    errors = mean_errors(made.bfloat16().float(), original)
    small = float(torch.tensor(0.54).bfloat16()) - 0.5
    large = 0.5 - float(torch.tensor(0.1).bfloat16())
    assert errors["squared"].item() == pytest.approx((small**2 + large**2) / 6, rel=1e-5)
    assert errors["smooth"].item() == pytest.approx((small**2 / 0.2 + large - 0.05) / 6, rel=1e-5)
    assert mean_errors(made.bfloat16(), original)["squared"].dtype == torch.float32


# --- Training


class Noise:
    """Pairs of noise and half of it."""

    taken: list

    def batch(self, count, rng):
        self.taken.append(count)
        original = torch.from_numpy(rng.random((count, 3, 8, 8), np.float32))
        return original / 2, original

    def validate(self, network):
        with torch.no_grad():
            return 10 - (network(torch.full((1, 3, 8, 8), 0.25)) - 0.5).abs().mean().item()


class Unchanged(nn.Conv2d):
    """A network that begins as the identity."""

    def __init__(self):
        super().__init__(3, 3, 1)
        with torch.no_grad():
            self.weight.copy_(torch.eye(3).view(3, 3, 1, 1))
            self.bias.zero_()


ADVERSARIES = {
    "conditional": lambda: Conditional(nn.Sequential(nn.Conv2d(6, 4, 4, 2), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 2))),
    "wasserstein": lambda: Wasserstein(nn.Sequential(nn.Conv2d(3, 4, 4, 2), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 2))),
    "none": lambda: None,
}


@pytest.fixture(params=ADVERSARIES)
def kind(request):
    return request.param


@pytest.fixture(autouse=True)
def taken(monkeypatch):
    """The list to which each batch that is taken adds its size."""
    batches = []
    monkeypatch.setattr(Noise, "taken", batches, raising=False)
    return batches


class Tiny(Paired):
    kind: str = "none"
    steps: int = 4
    batch_size: int = 2
    lr: float = 0.01
    adversarial_weight: float = 0.1
    adversarial_from: int = 2
    name = "tiny"

    def networks(self):
        return Unchanged(), ADVERSARIES[self.kind]()

    def pairs(self):
        return Noise()

    def content(self, made, original):
        return mean_errors(made, original)


def run(out, kind="none", **options):
    return training(Tiny, out, **{"data": out, "kind": kind, "seed": 3} | options)


def weights(out):
    return load_state_dict_file(out / "tiny.safetensors", "safetensors")


def test_a_run_leaves_weights_that_load_strictly(kind, tmp_path, taken):
    steps = list(run(tmp_path / "out", kind))
    assert taken == [2] * 4
    assert (steps[-1].index, steps[-1].total) == (4, 4)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"checkpoint.pt", "tiny.safetensors"}
    state = weights(tmp_path / "out")
    assert all(value.dtype == torch.float16 for value in state.values())
    network = Unchanged()
    network.load_state_dict(state, strict=True)
    assert steps[-1].result == pytest.approx(Noise().validate(network), abs=1e-3)


def test_training_brings_the_result_nearer(tmp_path):
    """Brightness has to double."""
    losses = [step.losses["squared"] for step in run(tmp_path / "out", steps=100, lr=0.05) if step.losses]
    assert len(losses) == 5
    assert losses[-1] < 0.2 * losses[0]


def test_the_discriminators_verdict_counts_from_its_step_on(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(Tiny, "report_every", 1)
    told = [step.losses for step in run(tmp_path / "out", kind, adversarial_from=2) if step.losses]
    assert [set(losses) for losses in told[:2]] == [{"squared", "smooth"}] * 2
    more = set() if kind == "none" else {"adversarial", "discriminator"}
    assert [set(losses) for losses in told[2:]] == [{"squared", "smooth"} | more] * 2
    assert all(math.isfinite(value) for losses in told for value in losses.values())


def untaught(kind):
    """The discriminator as it begins."""
    torch.manual_seed(3)
    Unchanged()
    return ADVERSARIES[kind]().discriminator.state_dict()


def test_before_its_step_the_discriminator_changes_nothing_and_learns_nothing(kind, tmp_path):
    out, plain = tmp_path / "out", tmp_path / "plain"
    finish(run(out, kind, adversarial_from=4))
    finish(run(plain))
    if kind != "none":
        assert same(checkpoint(out)["discriminator"], untaught(kind))
    assert same(checkpoint(out)["generator"], checkpoint(plain)["generator"])


@pytest.mark.parametrize("adversary", ["conditional", "wasserstein"])
def test_from_its_step_on_the_discriminator_learns_and_is_heeded(adversary, tmp_path):
    states = []
    for weight in (0.0, 0.1, 1.0):
        finish(run(tmp_path / "out", adversary, adversarial_from=3, adversarial_weight=weight))
        states.append(checkpoint(tmp_path / "out"))
    begun = [state["discriminator"] for state in states]
    assert not same(begun[0], untaught(adversary))
    assert same(begun[0], begun[2])  # its one step was on what was made before the verdict changed anything
    assert not same(states[0]["generator"], states[1]["generator"])


@pytest.mark.parametrize("adversary", ["conditional", "wasserstein"])
def test_the_verdicts_gradient_does_not_reach_the_discriminator(adversary, tmp_path, monkeypatch):
    """A huge weight of the verdict leaves the discriminator's one step as it is."""
    states = []
    for weight in (0.0, 1e6):
        finish(run(tmp_path / "out", adversary, adversarial_from=0, steps=1, adversarial_weight=weight))
        states.append(checkpoint(tmp_path / "out")["discriminator"])
    assert same(*states)


def test_the_rate_falls_along_a_cosine(tmp_path, monkeypatch):
    rates, step = [], torch.optim.Adam.step

    def noted(self, *arguments):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    finish(run(tmp_path / "out", steps=5, lr=0.5))
    assert rates == pytest.approx([0.25 * (1 + math.cos(math.pi * index / 5)) for index in range(5)])
    rates.clear()
    finish(run(tmp_path / "out", steps=8, lr=0.5, resume=True))
    assert rates == pytest.approx([0.25 * (1 + math.cos(math.pi * index / 8)) for index in range(5, 8)])


def test_losses_are_told_every_twenty_steps(kind, tmp_path):
    steps = [step for step in run(tmp_path / "out", kind, steps=45) if step.losses]
    assert [step.index for step in steps] == [20, 40, 45]


def test_one_seed_gives_one_result(kind, tmp_path):
    for out, seed in (("a", 5), ("b", 5), ("c", 6)):
        finish(run(tmp_path / out, kind, seed=seed))
    a, b, c = (checkpoint(tmp_path / out)["generator"] for out in "abc")
    assert same(a, b)
    assert not same(a, c)


def test_a_resumed_run_ends_as_an_unbroken_one(kind, tmp_path, monkeypatch, taken):
    monkeypatch.setattr(Tiny, "report_every", 1)
    finish(run(tmp_path / "unbroken", kind, steps=5))
    cancel(run(tmp_path / "broken", kind, steps=5), after=3)
    taken.clear()
    assert not (tmp_path / "broken" / "tiny.safetensors").exists()
    finish(run(tmp_path / "broken", kind, steps=5, resume=True))
    assert len(taken) == 2
    assert same(weights(tmp_path / "broken"), weights(tmp_path / "unbroken"))
    broken, unbroken = checkpoint(tmp_path / "broken"), checkpoint(tmp_path / "unbroken")
    for part in ("generator", *(["discriminator"] if kind != "none" else [])):
        assert same(broken[part], unbroken[part])


def test_a_finished_run_can_be_resumed(kind, tmp_path, taken):
    result = finish(run(tmp_path / "out", kind))
    (tmp_path / "out" / "tiny.safetensors").unlink()
    taken.clear()
    assert finish(run(tmp_path / "out", kind, resume=True)) == pytest.approx(result)
    assert (tmp_path / "out" / "tiny.safetensors").exists()
    assert not taken


def test_a_run_that_is_not_resumed_begins_anew(tmp_path, taken):
    finish(run(tmp_path / "out"))
    finish(run(tmp_path / "out"))
    assert taken == [2] * 8


def test_resuming_needs_a_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError):
        finish(run(tmp_path / "nothing", resume=True))


def test_a_step_is_one_of_adam_on_the_sum_of_the_terms(tmp_path):
    """Adam's first step has the length of the rate whatever the gradient; here weights and biases have to grow."""
    finish(run(tmp_path / "out", steps=1, lr=0.01))
    state, start = checkpoint(tmp_path / "out")["generator"], Unchanged().state_dict()
    np.testing.assert_allclose(state["bias"] - start["bias"], 0.01, rtol=1e-3)
    np.testing.assert_allclose(state["weight"] - start["weight"], 0.01, rtol=1e-3)
