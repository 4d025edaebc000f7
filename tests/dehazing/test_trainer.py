import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gan_models.checkpoints import registry
from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.dehazing import trainer
from gan_models.dehazing.trainer import Candy, CycleDehaze, Halves, OwnHaze
from gan_models.images.haze import add_haze
from gan_models.jobs import finish
from gan_models.nn.features.network import VGG
from gan_models.training import degraded
from gan_models.training.degraded import DegradedPairs
from tests.tiny_models import embed
from tests.trainings import built, cancel, checkpoint, same, training

SMALL = {"batch_size": 1, "patch": 48}


def hold_out(monkeypatch, count):
    for kind in (Candy, CycleDehaze, OwnHaze):
        monkeypatch.setattr(kind, "held_out", count)


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """Keep one picture for validation, and put a tiny network in place of the registered features."""
    hold_out(monkeypatch, 1)
    network = "gan_models.nn.features.network:VGG"
    embed(tmp_path, "features-compact", network, channels=[4, 4, 6], depths=[2, 2, 3], pool="average")
    monkeypatch.setattr(registry, "REGISTRY", tmp_path / "registry.toml")


@pytest.fixture
def data(tmp_path):
    """A folder of five smooth pictures; red tells which one."""
    folder = tmp_path / "data"
    folder.mkdir()
    for index, (height, width) in enumerate([(60, 61), (58, 64), (70, 50), (48, 49), (66, 66)]):
        y, x = np.mgrid[:height, :width]
        picture = np.stack([np.full((height, width), 60 * index), 3 * x, 120 + 60 * np.sin(y / 9)], axis=2)
        Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(folder / f"{index}.png")
    return folder


@pytest.fixture(params=[Candy, CycleDehaze])
def train(request, data):
    """Either trainer, bound to its data, and the name of the weights it leaves."""
    kind = request.param
    name = f"{kind.name if kind is Candy else kind.names[0]}.safetensors"
    return lambda out, **options: training(kind, out, data=data, **SMALL | options), name


@pytest.fixture
def batches(monkeypatch):
    """The list to which every batch that a trainer takes is added."""
    taken = []
    for source in (Halves, DegradedPairs):

        def counted(self, count, rng, batch=source.batch):
            taken.append(batch(self, count, rng))
            return taken[-1]

        monkeypatch.setattr(source, "batch", counted)
    return taken


def weights(path):
    return load_state_dict_file(path, "safetensors")


# --- Runs


def test_a_run_leaves_weights_that_load_strictly(train, tmp_path):
    run, name = train
    steps = list(run(tmp_path / "out", steps=2))
    assert (steps[-1].index, steps[-1].total) == (2, 2)
    assert 5 < steps[-1].result < 60
    left = {path.name for path in (tmp_path / "out").iterdir()} - {"haze.safetensors"}
    assert left == {"checkpoint.pt", name}
    state = weights(tmp_path / "out" / name)
    assert all(value.dtype == torch.float16 for value in state.values())
    network = trainer.compact_network()
    network.load_state_dict(state, strict=True)
    assert network(torch.rand(1, 3, 8, 8)).isfinite().all()


def test_losses_are_told_every_twenty_steps(train, tmp_path):
    run, name = train
    steps = [step for step in run(tmp_path / "out", steps=20) if step.losses]
    assert [step.index for step in steps] == [20]
    expected = {
        "candy": {"squared", "smooth", "content", "adversarial", "discriminator"},
        "cycle": {"adversarial", "cycle", "identity", "density", "perceptual", "discriminators"},
    }
    assert set(steps[0].losses) == expected[name.split("-")[1]]
    assert np.isfinite(list(steps[0].losses.values())).all()


def test_one_seed_gives_one_result(train, tmp_path):
    run, name = train
    for out, seed in (("a", 5), ("b", 5), ("c", 6)):
        finish(run(tmp_path / out, steps=2, seed=seed))
    a, b, c = (weights(tmp_path / out / name) for out in "abc")
    assert same(a, b)
    assert not same(a, c)


def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(train, tmp_path, batches, monkeypatch):
    for kind in (Candy, CycleDehaze):
        monkeypatch.setattr(kind, "report_every", 1)
    run, name = train
    finish(run(tmp_path / "whole", steps=3))
    cancel(run(tmp_path / "parts", steps=3), after=2)
    batches.clear()
    finish(run(tmp_path / "parts", steps=3, resume=True))
    assert len(batches) == 1
    assert same(*(weights(tmp_path / out / name) for out in ("whole", "parts")))
    whole, parts = (checkpoint(tmp_path / out) for out in ("whole", "parts"))
    part = "generator" if "generator" in whole else "gan"
    assert same(whole[part], parts[part])


def test_a_run_that_is_not_resumed_begins_anew(train, tmp_path, batches):
    run, _ = train
    finish(run(tmp_path / "out", steps=1))
    finish(run(tmp_path / "out", steps=1))
    assert len(batches) == 2
    assert torch.equal(batches[0][0], batches[1][0])


def test_a_finished_run_can_be_resumed(train, tmp_path, batches):
    run, name = train
    result = finish(run(tmp_path / "out", steps=1))
    (tmp_path / "out" / name).unlink()
    batches.clear()
    assert finish(run(tmp_path / "out", steps=1, resume=True)) == pytest.approx(result)
    assert (tmp_path / "out" / name).exists()
    assert not batches


def test_resuming_needs_a_checkpoint(train, tmp_path):
    run, _ = train
    with pytest.raises(FileNotFoundError):
        finish(run(tmp_path / "nothing", steps=1, resume=True))


def test_too_few_and_too_small_pictures_are_refused_in_words(train, tmp_path, monkeypatch):
    run, _ = train
    with pytest.raises(ValueError, match="at least 49 pixels"):
        finish(run(tmp_path / "out", steps=1, patch=49))
    hold_out(monkeypatch, 5)
    with pytest.raises(ValueError, match="more than 5 pictures"):
        finish(run(tmp_path / "out", steps=1))


def test_training_on_pairs_takes_haze_away(data, tmp_path, monkeypatch):
    """Of one thickness, so that a few steps are enough."""

    def even(image, rng):
        return add_haze(image, np.ones(image.shape[:2]), 1.0, np.full(3, 0.9))

    monkeypatch.setattr(trainer, "random_haze", even)
    hazy = DegradedPairs(data, 48, even, held_out=1).validate(nn.Identity())
    options = {"steps": 50, "batch_size": 4, "patch": 32, "lr": 4e-3, "adversarial_from": 50}
    steps = training(Candy, tmp_path / "out", data=data, **options)
    assert finish(steps) > hazy + 3


def test_validation_restores_hazy_pictures(data):
    """By what it says of a network that knows the haze of the one picture that is held out."""
    pairs = DegradedPairs(data, 48, trainer.random_haze, held_out=1)
    ((hazy, clear),) = pairs.held_out
    assert pairs.validate(nn.Identity()) == pytest.approx(degraded.psnr(hazy, clear))
    assert (hazy != clear).any()
    assert pairs.validate(lambda _: degraded.to_tensor(clear)) == float("inf")


def test_the_discriminator_comes_in_for_the_last_third(data):
    for asked, begun in ((None, 8), (0, 0), (5, 5)):
        assert Candy(data=data, steps=12, adversarial_from=asked).adversarial_from == begun


# --- Pictures without pairs


def reds(batch):
    """Which pictures patches without haze are of."""
    return {round(255 * picture[0].mean().item() / 60) for picture in batch}


def test_the_halves_never_share_a_picture(data, monkeypatch):
    monkeypatch.setattr(trainer, "random_haze", lambda image, rng: image)
    for seed in range(3):
        source, rng = Halves(data, 32, 1), np.random.default_rng(seed)
        batches = [source.batch(4, rng) for _ in range(20)]
        hazy, clear = (set().union(*(reds(batch[side]) for batch in batches)) for side in (0, 1))
        held_out = {good[0, 0, 0] // 60 for _, good in source.pairs.held_out}
        assert (len(hazy), len(clear), len(held_out)) == (2, 2, 1)
        assert hazy | clear | held_out == set(range(5))


def test_one_half_is_hazy_and_the_other_clear(data):
    hazy, clear = Halves(data, 32, 1).batch(8, np.random.default_rng(0))
    assert hazy.shape == clear.shape == (8, 3, 32, 32)
    assert (hazy[:, 0].std((1, 2)) > 1e-4).all()  # red is even where it is clear
    assert (clear[:, 0].std((1, 2)) < 1e-6).all()


def test_a_single_picture_makes_no_two_halves(data, tmp_path, monkeypatch):
    hold_out(monkeypatch, 4)
    with pytest.raises(ValueError, match="more than 5 pictures"):
        finish(training(CycleDehaze, tmp_path / "out", data=data, steps=1, **SMALL))


# --- Cycle-Dehaze's terms


class Gain(nn.Module):
    """A generator that multiplies, or a discriminator whose score is a multiple."""

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return x * self.factor


@pytest.fixture
def gan():
    """A HazeCycle of multiples in place of networks: dehazing by 2, hazing by 0.4, scoring by 3 and 0.5."""
    torch.manual_seed(0)
    made = trainer.HazeCycle(VGG((4, 4, 6), (2, 2, 3)))
    made.a_to_b, made.b_to_a, made.discriminator_b, made.discriminator_a = map(Gain, (2.0, 0.4, 3.0, 0.5))
    return made


@pytest.fixture
def sides():
    """One hazy and one clear picture."""
    rng = torch.Generator().manual_seed(0)
    return [torch.rand(1, 3, 16, 16, generator=rng) for _ in range(2)]


def test_the_generators_terms_are_those_of_the_paper(gan, sides):
    hazy, clear = sides
    terms, made = gan.generator_losses(hazy, clear)
    assert torch.equal(made["b"], 2 * hazy)
    assert torch.equal(made["a"], 0.4 * clear)
    found = {name: value.item() for name, value in terms.items()}
    hazy_mean, clear_mean = hazy.mean().item(), clear.mean().item()
    assert found["cycle"] == pytest.approx(
        trainer.CYCLE_WEIGHT * 0.2 * (hazy_mean + clear_mean), rel=1e-5
    )  # 0.4·2 = 0.8
    assert found["identity"] == pytest.approx(trainer.IDENTITY_WEIGHT * (clear_mean + 0.6 * hazy_mean), rel=1e-5)
    verdicts = (3 * 2 * hazy - 1).square().mean() + (0.5 * 0.4 * clear - 1).square().mean()
    assert found["adversarial"] == pytest.approx(verdicts.item(), rel=1e-5)
    features = gan.perceptual.features
    expected = 0.0
    for layer, weight in trainer.CONTENT_LAYERS.items():
        for picture in sides:
            again, wanted = features(0.8 * picture, [layer])[layer], features(picture, [layer])[layer]
            expected += weight * ((again - wanted).abs().sum() / wanted.abs().sum()).item()
    assert found["perceptual"] == pytest.approx(trainer.PERCEPTUAL_WEIGHT * expected, rel=1e-4)


def test_generators_that_do_nothing_lose_to_the_discriminators_alone(gan, sides):
    gan.a_to_b = gan.b_to_a = nn.Identity()
    terms, _ = gan.generator_losses(*sides)
    assert [terms[name].item() for name in ("cycle", "identity", "perceptual")] == [0, 0, 0]
    assert terms["adversarial"] > 0


def test_density_is_none_or_varies_with_a_tint(monkeypatch):
    monkeypatch.setattr(trainer, "ROUNDING", 0)
    torch.manual_seed(0)
    clear = torch.full((2000, 3, 2, 2), 0.4)
    hazed = clear + torch.tensor([0.05, 0.1, 0.2]).view(3, 1, 1)
    shares = (trainer.other_density(clear, hazed) - clear) / (hazed - clear)
    assert torch.allclose(shares, shares[:, :, :1, :1].expand_as(shares), atol=1e-4)  # one for a channel
    shares = shares[:, :, 0, 0]
    none = shares.abs().amax(1) < 1e-6
    assert none.float().mean().item() == pytest.approx(0.5, abs=0.05)
    hazy, (least, most) = shares[~none], trainer.DENSITIES
    assert hazy.mean().item() == pytest.approx((least + most) / 2, abs=0.05)
    tints = hazy / hazy.mean(1, keepdim=True)
    assert 0.05 < tints.std(1).mean() < 0.15
    assert hazy.min() >= least * (1 - trainer.TINT) - 1e-4
    assert hazy.max() <= most * (1 + trainer.TINT) + 1e-4


def test_a_picture_without_haze_gets_no_noise_either():
    torch.manual_seed(0)
    clear = torch.rand(900, 3, 2, 2)
    changed = (trainer.other_density(clear, clear) - clear).abs().flatten(1).amax(1)
    assert (changed == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert 0 < changed.max() < 5 * trainer.ROUNDING


def test_other_densities_are_a_lesson_for_the_dehazer_alone(gan, sides, monkeypatch):
    monkeypatch.setattr(trainer, "other_density", lambda clear, hazed: (clear + hazed) / 2)
    terms, _ = gan.generator_losses(*sides)
    expected = trainer.DENSITY_WEIGHT * 0.4 * sides[1].mean()  # 2·(1 + 0.4)/2 = 1.4
    assert terms["density"].item() == pytest.approx(expected.item(), rel=1e-5)
    terms["density"].backward()
    assert gan.a_to_b.factor.grad != 0
    assert gan.b_to_a.factor.grad is None


def test_a_network_goes_on_alone_on_its_partners_haze(data, tmp_path):
    finish(training(CycleDehaze, tmp_path / "gan", data=data, steps=1, **SMALL))
    alone = tmp_path / "alone"
    steps = list(training(OwnHaze, alone, data=data, start=tmp_path / "gan", steps=20, **SMALL))
    assert set(next(step.losses for step in steps if step.losses)) == {"density"}
    name = "dehaze-cycle-compact.safetensors"
    assert {path.name for path in alone.iterdir()} == {"checkpoint.pt", name}
    assert not same(weights(alone / name), weights(tmp_path / "gan" / name))
    with pytest.raises(ValueError, match="There is no file"):
        finish(training(OwnHaze, tmp_path / "other", data=data, start=tmp_path / "nothing", steps=1, **SMALL))


def test_what_it_goes_on_with_is_clear_or_in_its_partners_haze(data, tmp_path):
    finish(training(CycleDehaze, tmp_path, data=data, steps=1, **SMALL))
    alone = built(OwnHaze, data=data, start=tmp_path, batch_size=40, patch=32)
    alone.haze = lambda clear: torch.full_like(clear, 0.5)
    given, clear = alone.next_pair()
    left_alone = (given == clear).flatten(1).all(1)
    assert 8 < left_alone.sum() < 32
    hazy = given[~left_alone] - clear[~left_alone]
    assert ((0.5 - clear[~left_alone]) * hazy).mean() > 0  # towards the haze


def test_the_discriminators_loss_is_least_squares_of_either_kind(gan, sides):
    hazy, clear = sides
    made = {"b": 2 * hazy, "a": 0.4 * clear}
    scored = (6 * hazy).square().mean() + (3 * clear - 1).square().mean()
    scored += (0.2 * clear).square().mean() + (0.5 * hazy - 1).square().mean()
    assert gan.discriminator_loss(made, hazy, clear).item() == pytest.approx(scored.item() / 2, rel=1e-5)


def test_discriminators_are_shown_older_pictures_too(gan, sides):
    hazy, clear = sides
    old = {"b": torch.zeros_like(clear), "a": torch.zeros_like(hazy)}
    for _ in range(50):
        gan.discriminator_loss(old, hazy, clear)
    made = {"b": 2 * hazy, "a": 0.4 * clear}
    real = ((3 * clear - 1).square().mean() + (0.5 * hazy - 1).square().mean()).item() / 2
    fakes = [(6 * hazy).square().mean().item() / 2, (0.2 * clear).square().mean().item() / 2]
    found = {round(gan.discriminator_loss(made, hazy, clear).item(), 3) for _ in range(12)}
    possible = {round(real + a + b, 3) for a in (0, fakes[0]) for b in (0, fakes[1])}
    assert len(found) > 1
    assert found <= possible


def test_the_discriminators_loss_leaves_the_generators_alone(gan, sides):
    hazy, clear = sides
    _, made = gan.generator_losses(hazy, clear)
    gan.discriminator_loss(made, hazy, clear).backward()
    assert gan.a_to_b.factor.grad is None
    assert gan.b_to_a.factor.grad is None
    assert gan.discriminator_b.factor.grad.abs() > 0
    assert gan.discriminator_a.factor.grad.abs() > 0


def test_each_optimiser_moves_its_own_side(data, tmp_path):
    """With a rate of nothing all stays, with one all four networks move."""
    begun, moved = tmp_path / "begun", tmp_path / "moved"
    finish(training(CycleDehaze, begun, data=data, steps=1, lr=0.0, **SMALL))
    finish(training(CycleDehaze, moved, data=data, steps=1, lr=1e-3, **SMALL))
    before, after = checkpoint(begun)["gan"], checkpoint(moved)["gan"]
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"a_to_b", "b_to_a", "discriminator_a", "discriminator_b"}


def test_the_rate_stays_for_half_of_the_steps_and_then_falls(data, tmp_path, monkeypatch):
    rates, step = [], torch.optim.Adam.step

    def noted(self, *arguments, **options):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    finish(training(CycleDehaze, tmp_path / "out", data=data, steps=6, lr=1e-3, **SMALL))
    assert rates[::2] == pytest.approx([1e-3, 1e-3, 1e-3, 1e-3, 1e-3 * 2 / 3, 1e-3 / 3])
    assert rates[1::2] == rates[::2]
