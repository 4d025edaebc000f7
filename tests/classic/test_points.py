import numpy as np
import pytest
import torch

from gan_models.classic import points, toy
from gan_models.classic.network import Perceptron
from gan_models.runtime import finish


@pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("grid", 25), ("spiral", 40)])
def test_samples_lie_about_their_modes(name, modes):
    source = points.TOYS[name](0)
    samples, labels = source.batch(4000)
    assert len(source.modes) == modes
    distances = (samples - source.modes[labels]).norm(dim=1)
    assert distances.square().mean().sqrt().item() == pytest.approx(source.breadth * 2**0.5, rel=0.05)
    assert source.coverage(samples) == (modes, pytest.approx(1, abs=0.02))


def test_what_lies_between_covers_nothing():
    source = points.ring()
    assert source.coverage(torch.zeros(10, 2)) == (0, 0)
    one = source.modes[:1].expand(6, 2)
    assert source.coverage(torch.cat([one, torch.zeros(2, 2)])) == (1, 0.75)


def test_one_seed_gives_the_same_points():
    first, again, other = (points.grid(seed).batch(5)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_figure_shows_the_field_and_the_samples():
    right = points.figure(lambda x: x[:, :1], torch.tensor([[-1.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
    assert right.shape == (points.SIDE, points.SIDE, 3)
    left_half, right_half = right[20:100, 20:100].mean((0, 1)), right[20:100, -100:-20].mean((0, 1))
    assert left_half[2] > left_half[0]  # blue, low
    assert right_half[0] > right_half[2]  # red, high
    place = round((1 / points.REACH + 1) / 2 * points.SIDE)
    assert (right[points.SIDE // 2, points.SIDE - place] == 255).all()
    assert (right[points.SIDE // 2, place] == 0).all()


# --- Training on points


def test_a_gan_comes_to_the_ring():
    last = list(toy.train("ring", "gan", steps=300, seed=1))[-1].result
    assert last["samples"].shape == (toy.COUNTED, 2)
    assert np.hypot(*last["samples"].T).mean() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("name", toy.OF_POINTS)
def test_each_family_shows_its_course(name):
    steps = list(toy.train("grid", name, steps=50, ahead=1))
    named = set().union(*(step.losses for step in steps))
    assert {"generator", "discriminator", "gradient of the generator", "modes"} <= named
    assert steps[-1].preview.shape == (points.SIDE, points.SIDE, 3)
    assert steps[-1].result["of"] == 25


def test_one_seed_gives_one_course():
    first, again, other = (finish(toy.train("ring", "gan", steps=20, seed=seed))["samples"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def slopes(family, **options):
    steps = toy.train("ring", family, freeze_after=1, **options)
    return [step.losses["gradient of the generator"] for step in steps if step.losses]


def test_the_gradient_of_a_frozen_generator_fades_as_the_discriminator_learns():
    fading = slopes("gan", steps=400, saturating=True, lr_d=1e-3)
    assert np.mean(fading[-5:]) < max(fading) / 5
    lasting = slopes("wgan-gp", steps=60)
    assert np.mean(lasting[-5:]) > max(lasting) / 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"toy": "x"}, "points must be one of ring, grid, spiral"),
        ({"family_name": "dcgan"}, "On points the family is one of"),
        ({"steps": 0}, "1 to 20000 steps"),
        ({"freeze_after": -1}, "can't be frozen"),
        ({"ahead": 11}, "0 to 10 steps ahead"),
        ({"lr": 1.0}, "rate must be from"),
        ({"lr_d": 1.0}, "rate must be from"),
    ],
)
def test_bad_wishes_get_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        toy.train(**{"toy": "ring", "family_name": "gan", **options})


def test_numbers_that_run_away_are_named(monkeypatch):
    monkeypatch.setattr(toy, "RATES", (0, 1e40))
    with pytest.raises(ValueError, match="diverged at step"):
        finish(toy.train("ring", "wgan-gp", steps=40, lr=1e30))


def test_kinds_are_asked_for_one_by_one():
    torch.manual_seed(0)
    network, places = Perceptron(2, 1, classes=3), torch.randn(4, 2)
    each = [network(places, torch.full((4,), kind)) for kind in range(3)]
    torch.testing.assert_close(toy.score(network, places), torch.stack(each).amax(0))


# --- Two lines


def test_one_distance_tells_how_far_lines_are_apart_and_the_other_does_not():
    for theta in (-0.7, 0.1, 0.5):
        found = toy.two_lines(theta)
        assert found["Jensen–Shannon"] == pytest.approx(np.log(2))
        assert found["earth mover"] == pytest.approx(abs(theta))
    assert toy.two_lines(0) == {"Jensen–Shannon": 0, "earth mover": 0}


def test_only_the_critic_leaves_a_gradient():
    found = toy.critics(0.5)
    assert found["discriminator"] < 1e-3
    assert found["critic"] == pytest.approx(1, abs=0.3)
