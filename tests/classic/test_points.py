import numpy as np
import pytest
import torch

from gan_models.classic import EXPERIMENTS, TrainToy, points, toy
from gan_models.classic.families import FAMILIES
from gan_models.jobs import finish
from tests.trainings import training


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


@pytest.mark.parametrize(("name", "most"), [("ring", 0), ("grid", 15)])
def test_noise_as_broad_as_the_points_does_not_cover_them(name, most):
    source = points.TOYS[name](0)
    noise = source.batch(4000)[0].std(0) * torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    covered, good = source.coverage(noise)
    assert covered <= most
    assert good > 0.05


def test_a_mode_needs_a_sensible_share_of_the_samples():
    source = points.ring()
    most, few = source.modes[:1].expand(760, 2), source.modes[1:2]
    enough = int(points.LEAST * 800 / 8)
    for count, covered in ((enough, 2), (enough - 1, 1)):
        samples = torch.cat([most, few.expand(count, 2), torch.zeros(40 - count, 2)])
        assert source.coverage(samples)[0] == covered


def test_one_seed_gives_the_same_points():
    first, again, other = (points.grid(seed).batch(5)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_figure_shows_the_field_and_the_samples():
    right = points.figure(lambda x: (x[:, :1] > 0).float(), torch.tensor([[-1.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
    assert right.shape == (points.SIDE, points.SIDE, 3)
    left_half, right_half = right[20:100, 20:100].mean((0, 1)), right[20:100, -100:-20].mean((0, 1))
    assert left_half[2] > left_half[0]  # blue, low
    assert right_half[0] > right_half[2]  # red, high
    place = round((1 / points.REACH + 1) / 2 * points.SIDE)
    assert (right[points.SIDE // 2, points.SIDE - place] == 255).all()
    assert (right[points.SIDE // 2, place] == 0).all()


def test_colours_are_stretched_between_the_lowest_score_and_the_highest():
    nothing = torch.zeros(0, 2)
    drawn = points.figure(lambda places: 100 + 7 * places[:, :1], nothing, nothing).astype(int)
    assert drawn[:, 0].argmax(1).max() == 2 == drawn[:, 0].argmax(1).min()
    assert (drawn[:, 192].argmax(1) == 1).all()
    assert (drawn[:, -1].argmax(1) == 0).all()


# --- Training on points


def test_a_gan_comes_to_the_ring():
    last = list(training(toy.Toy, points="ring", family="gan", steps=300, seed=1))[-1].result
    assert last["samples"].shape == (toy.COUNTED, 2)
    assert np.hypot(*last["samples"].T).mean() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("name", toy.OF_POINTS)
def test_each_family_shows_its_course(name):
    steps = list(training(toy.Toy, points="grid", family=name, steps=50, ahead=1))
    named = set().union(*(step.losses for step in steps))
    assert {"generator", "discriminator", "gradient of the generator", "modes", "good samples"} <= named
    assert ("distance" in named) == name.startswith("wgan")
    assert steps[-1].preview.shape == (points.SIDE, points.SIDE, 3)
    assert steps[-1].result["of"] == 25


def test_one_seed_gives_one_course():
    courses = (training(toy.Toy, points="ring", family="gan", steps=20, seed=seed) for seed in (0, 0, 1))
    first, again, other = (finish(course)["samples"] for course in courses)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_how_often_is_drawn_changes_nothing(monkeypatch):
    courses = []
    monkeypatch.setattr(toy, "FRAMES", 4)
    for seconds in (0, float("inf")):
        monkeypatch.setattr(toy, "DRAW_EVERY", seconds)
        courses.append(list(training(toy.Toy, points="ring", family="gan", steps=40)))
    often, seldom = ([step.preview is not None for step in course] for course in courses)
    assert all(often)
    assert sum(seldom) == toy.FRAMES + 1
    assert [step.losses for step in courses[0]] == [step.losses for step in courses[1]]
    np.testing.assert_array_equal(*(course[-1].result["samples"] for course in courses))


@pytest.mark.parametrize(("steps", "frames"), [(1, 1), (10, 2), (300, 60), (1000, 100), (1001, 67), (20_000, 100)])
def test_a_film_is_short_and_ends_with_the_last_step(steps, frames):
    shown = [step for step in range(1, steps + 1) if toy.in_film(step, steps)]
    assert len(shown) == frames
    assert shown[-1] == steps


def test_a_distance_is_that_of_a_critic_without_its_penalty():
    step, _ = training(toy.Toy, points="ring", family="wgan-gp", steps=5)
    assert step.losses["distance"] > 0
    assert step.losses["discriminator"] > -step.losses["distance"]


# --- What the page offers to try


def tried(name):
    return list(TrainToy.ask(**EXPERIMENTS[name]).run())


def slopes(name):
    return [step.losses["gradient of the generator"] for step in tried(name) if step.losses]


def test_a_sure_discriminator_leaves_no_gradient_and_a_critic_does():
    fading = slopes("A sure discriminator leaves no gradient")
    assert np.mean(fading[-5:]) < max(fading) / 20
    lasting = slopes("A critic leaves one")
    assert np.mean(lasting[-5:]) > max(lasting) / 3


@pytest.mark.slow
def test_a_plain_gan_collapses_and_looking_ahead_cures_it():
    assert tried("A plain GAN collapses")[-1].result["counted"]["modes"] == 1
    assert tried("Looking five steps ahead cures it")[-1].result["counted"]["modes"] == 8


@pytest.mark.slow
def test_a_critics_distance_follows_quality_and_a_plain_gans_loss_does_not():
    steps = [step.losses for step in tried("A critic's distance follows quality") if step.losses]
    distance, good = ([losses[name] for losses in steps] for name in ("distance", "good samples"))
    assert np.corrcoef(distance, good)[0, 1] < -0.6
    steps = [step.losses for step in tried("A plain GAN collapses") if step.losses]
    loss, good = ([losses[name] for losses in steps] for name in ("discriminator", "good samples"))
    assert abs(np.corrcoef(loss, good)[0, 1]) < 0.3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"points": "x"}, "points must be one of ring, grid, spiral"),
        ({"family": "dcgan"}, "On points the family is one of"),
        ({"steps": 0}, "1 to 20000 steps"),
        ({"freeze_after": -1}, "can't be frozen"),
        ({"ahead": 11}, "0 to 10 steps ahead"),
        ({"lr": 1.0}, "rate must be from"),
        ({"lr_d": 1.0}, "rate must be from"),
    ],
)
def test_bad_wishes_get_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        toy.Toy(**{"points": "ring", "family": "gan", **options})


def test_numbers_that_run_away_are_named(monkeypatch):
    monkeypatch.setattr(toy, "RATES", (0, 1e40))
    with pytest.raises(ValueError, match="diverged at step"):
        finish(training(toy.Toy, points="ring", family="wgan-gp", steps=40, lr=1e30))


def test_kinds_are_asked_for_one_by_one():
    torch.manual_seed(0)
    discriminator, places = FAMILIES["cgan"].of_points(classes=3).discriminator, torch.randn(4, 2)
    each = [discriminator(places, torch.full((4,), kind)) for kind in range(3)]
    torch.testing.assert_close(toy.score(discriminator, places), torch.stack(each).amax(0))


# --- Two lines


def test_one_distance_tells_how_far_lines_are_apart_and_the_other_does_not():
    for theta in (-0.7, -0.001, 0.001, 0.1, 0.5):
        assert toy.two_lines(theta) == {"Jensen–Shannon": pytest.approx(np.log(2)), "earth mover": abs(theta)}
    assert toy.two_lines(0) == {"Jensen–Shannon": 0, "earth mover": 0}


def test_only_the_critic_leaves_a_gradient():
    found = toy.critics(0.5)
    assert found["discriminator"] < 1e-3
    assert found["critic"] == pytest.approx(1, abs=0.3)
