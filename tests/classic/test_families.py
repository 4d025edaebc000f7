"""What each family makes its networks learn, by numbers worked out by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gan_models.classic import aegan, dcgan, wgan
from gan_models.classic.families import FAMILIES, OF_POINTS, family
from gan_models.classic.gan import GAN, descend, gradient_norm
from gan_models.classic.points import ring
from gan_models.classic.progressive import Progressive
from gan_models.classic.unrolled import Unrolled
from gan_models.classic.wgan import WGAN
from gan_models.classic.wgan_gp import WGANGP

LABELS = torch.zeros(4, dtype=torch.long)


class Linear(nn.Module):
    """x·a + b, as a generator from one number to one, or a discriminator."""

    def __init__(self, a, b):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))

    def forward(self, x, labels=None):
        return x * self.a + self.b


def values(seed):
    return torch.randn(4, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize(
    ("saturating", "expected"), [(False, -math.log(sigmoid(1.0))), (True, math.log(sigmoid(-1.0)))]
)
def test_the_generators_loss_of_both_games(saturating, expected):
    game = GAN(Linear(1.0, 0.0), Linear(2.0, -1.0), 1, saturating=saturating)
    fake = torch.ones(4, 1, dtype=torch.float64)  # of which the discriminator says 2·1 - 1 = 1
    assert game.generator_loss(fake, LABELS).item() == pytest.approx(expected)


def test_a_sure_discriminator_leaves_the_minimax_game_no_gradient():
    slopes = {}
    for saturating in (True, False):
        generator = Linear(1.0, 0.0)
        game = GAN(generator, Linear(2.0, -30.0), 1, saturating=saturating)
        descend(game.optimizers["g"], game.generator_loss(generator(values(0)), LABELS), frozen=True)
        slopes[saturating] = gradient_norm(generator)
    assert slopes[True] < 1e-9 < 0.1 < slopes[False]


def test_frozen_generators_stay_but_their_gradient_is_taken():
    torch.manual_seed(0)
    game = GAN.of_points(4)
    before = [parameter.clone() for parameter in game.generator.parameters()]
    game.frozen = True
    game.step(ring(), 16)
    assert all(torch.equal(*pair) for pair in zip(before, game.generator.parameters(), strict=True))
    assert gradient_norm(game.generator) > 0


def test_a_step_moves_only_its_own_network():
    torch.manual_seed(0)
    game = GAN.of_points(4)
    for side, other in (("discriminator", game.generator), ("generator", game.discriminator)):
        before = [parameter.clone() for parameter in other.parameters()]
        getattr(game, f"train_{side}")(*ring().batch(8))
        assert all(torch.equal(*pair) for pair in zip(before, other.parameters(), strict=True))


# --- Unrolled


def unrolled_loss(a, steps, pace, real, z):
    """The same by hand: logits d·x + e, whose gradients are known, followed for so many steps."""
    d, e = 0.7, -0.2
    fake = [a * float(value) + 0.1 for value in z]
    for _ in range(steps):
        by_d = sum(-(1 - sigmoid(d * x + e)) * x for x in real) / 4 + sum(sigmoid(d * x + e) * x for x in fake) / 4
        by_e = sum(-(1 - sigmoid(d * x + e)) for x in real) / 4 + sum(sigmoid(d * x + e) for x in fake) / 4
        d, e = d - pace * by_d, e - pace * by_e
    return sum(math.log(1 + math.exp(-(d * x + e))) for x in fake) / 4


@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_unrolled_gradients_are_those_of_finite_differences(ahead):
    generator = Linear(1.3, 0.1)
    game = Unrolled(generator, Linear(0.7, -0.2), 1, ahead=ahead, pace=0.4)
    z, real = values(1), values(2)
    game.seen = real, LABELS
    loss = game.generator_loss(generator(z), LABELS)
    (slope, _) = torch.autograd.grad(loss, [generator.a, generator.b])
    points = [float(x) for x in real]
    assert loss.item() == pytest.approx(unrolled_loss(1.3, ahead, 0.4, points, z), rel=1e-9)
    up, down = (unrolled_loss(1.3 + shift, ahead, 0.4, points, z) for shift in (1e-5, -1e-5))
    assert slope.item() == pytest.approx((up - down) / 2e-5, rel=1e-6)


def test_looking_ahead_leaves_the_discriminator_as_it_is():
    torch.manual_seed(0)
    game = Unrolled.of_points(4, ahead=3)
    before = [parameter.clone() for parameter in game.discriminator.parameters()]
    game.train_generator(*ring().batch(8))
    assert all(torch.equal(*pair) for pair in zip(before, game.discriminator.parameters(), strict=True))


# --- Wasserstein


def test_the_critics_loss_is_the_distance_negated():
    game = WGAN(Linear(1.0, 0.0), Linear(2.0, 5.0), 1)
    real, fake = torch.full((4, 1), 3.0), torch.full((4, 1), 1.0)
    assert game.discriminator_loss(real, fake, LABELS).item() == pytest.approx(2 * (1 - 3))
    assert game.generator_loss(fake, LABELS).item() == pytest.approx(-7)


def test_the_critics_weights_are_clipped_and_it_learns_five_times():
    torch.manual_seed(0)
    game, source, batches = WGAN.of_points(4, clip=wgan.CLIP), ring(), []
    original = source.batch
    source.batch = lambda count: batches.append(count) or original(count)
    game.step(source, 8)
    assert len(batches) == 6
    assert max(parameter.abs().max().item() for parameter in game.discriminator.parameters()) <= wgan.CLIP
    assert isinstance(game.optimizers["d"], torch.optim.RMSprop)


def test_the_penalty_replaces_clipping():
    game = WGANGP(Linear(1.0, 0.0), Linear(3.0, 0.0), 1)
    real, fake = torch.full((4, 1), 3.0).double(), torch.full((4, 1), 1.0).double()
    assert game.discriminator_loss(real, fake, LABELS).item() == pytest.approx(3 * (1 - 3) + 10 * (3 - 1) ** 2)
    game.train_discriminator(real.double(), LABELS)
    assert game.discriminator.a.item() > 1  # not clipped


# --- DCGAN, CGAN


def test_labels_are_noisy_and_one_in_twenty_is_flipped(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        dcgan.F, "binary_cross_entropy_with_logits", lambda logits, labels: seen.setdefault("labels", labels).mean()
    )
    torch.manual_seed(0)
    dcgan.smoothed_loss(torch.zeros(40_000, 1), 1)
    labels = seen["labels"]
    assert labels.mean().item() == pytest.approx(0.95 * 0.85 + 0.05 * 0.15, abs=0.005)
    right = labels[labels > 0.5]
    assert right.mean().item() == pytest.approx(0.85, abs=0.01)
    assert right.std().item() == pytest.approx(0.15, abs=0.01)


def test_only_the_conditional_gan_is_told_kinds():
    for name in OF_POINTS:
        game = family(name).of_points(classes=8)
        assert getattr(game.discriminator, "classes", 0) == (8 if name == "cgan" else 0)


@pytest.mark.parametrize(("options", "lr"), [({}, 5e-4), ({"lr": 1e-3}, 1e-3)])
def test_the_conditional_gans_discriminator_of_pictures_learns_more_slowly(options, lr):
    optimizers = family("cgan").of_pictures(16, width=2, classes=2, **options).optimizers
    assert (optimizers["g"].defaults["lr"], optimizers["d"].defaults["lr"]) == (lr, 2e-4)


# --- AEGAN


def test_the_terms_of_an_autoencoding_gan(monkeypatch):
    torch.manual_seed(0)
    game = aegan.AEGAN.of_points(3, weights={"judged samples": 0.3})
    drawn = torch.randn(4, 3)
    monkeypatch.setattr(game, "latents", lambda count: drawn)
    real, labels = ring().batch(4)
    found, made = game.generator.encode(real), game.generator(drawn)
    again, back = game.generator(found), game.generator.encode(made)
    expected = (again - real).abs().mean() + 0.02 * (back - drawn).square().mean()
    for weight, judge, fakes in ((0.3, game.discriminator, (made, again)), (0.1, game.judge, (found, back))):
        expected = expected + weight * sum(F.softplus(-judge(fake)).mean() for fake in fakes) / 2
    assert game.train_generator(real, labels)["generator"] == pytest.approx(expected.item(), rel=1e-5)


# --- Progressive growing


@pytest.mark.parametrize(
    ("share", "left"), [(0, 1), (0.7, 1), (0.75, 1), (0.875, 0.5), (0.95, 0.2), (1, 0), (0.1, 1)]
)
def test_rates_fall_over_the_last_quarter_of_a_training(share, left):
    for game in (
        aegan.AEGAN.of_points(lr=0.01, lr_d=0.02),
        Progressive.of_pictures(32, z_dim=4, width=2, lr=0.01, lr_d=0.02),
    ):
        for now in (0.9, share):
            game.advance(now)
        found = {name: optimizer.param_groups[0]["lr"] for name, optimizer in game.optimizers.items()}
        assert found == {name: pytest.approx(left * (0.01 if name == "g" else 0.02)) for name in found}


def test_the_training_grows_and_fades():
    game = Progressive.of_pictures(32, z_dim=4, width=2)
    seen = []
    for share in (0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.8, 1):
        game.advance(share)
        seen.append(round(float(game.generator.grown), 3))
    assert seen == sorted(seen)
    assert (seen[0], seen[2], seen[-1]) == (0, 0, 3)
    assert seen[3] == pytest.approx(0.5)
    assert torch.equal(game.generator.grown, game.discriminator.grown)


def test_pictures_come_as_coarse_as_the_generator_draws():
    game = Progressive.of_pictures(32, z_dim=4, width=2)
    pictures = torch.randn(2, 3, 32, 32)
    for grown, side in ((0.0, 4), (1.0, 8), (1.5, 16), (3.0, 32)):
        game.generator.grown.fill_(grown)
        assert game.as_grown(pictures).shape == (2, 3, side, side)
    game.generator.grown.fill_(1.0001)
    coarse = F.interpolate(F.avg_pool2d(pictures, 4), scale_factor=2)
    torch.testing.assert_close(game.as_grown(pictures), coarse, atol=1e-3, rtol=1e-3)


def test_an_unknown_family_is_refused():
    with pytest.raises(ValueError, match="family must be one of gan, cgan"):
        family("vae")
    assert set(OF_POINTS) < set(FAMILIES)
