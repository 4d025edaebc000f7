"""What each family makes its networks learn, by numbers worked out by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from gan_models.classic import aegan, wgan
from gan_models.classic.cgan import CGAN
from gan_models.classic.dcgan import DCGAN
from gan_models.classic.families import FAMILIES, OF_POINTS, family
from gan_models.classic.gan import GAN, descend, gradient_norm
from gan_models.classic.points import ring
from gan_models.classic.progressive import Progressive
from gan_models.classic.unrolled import Unrolled
from gan_models.classic.wgan import WGAN
from gan_models.classic.wgan_gp import WGANGP
from gan_models.nn import losses
from gan_models.nn.layers import BatchNorm

LABELS = torch.zeros(4, dtype=torch.long)


class Linear(nn.Module):
    """x·a + b, as a generator from one number to one, or a discriminator."""

    def __init__(self, a, b):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))

    def forward(self, x, labels=None):
        return x * self.a + self.b


class Told(Linear):
    """The same plus the number of the kind."""

    def forward(self, x, labels):
        return super().forward(x) + labels[:, None]


def column(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)[:, None]


def values(seed):
    return torch.randn(4, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def cost_of_real(*logits):
    """Return the mean of -log D, which a discriminator pays for real samples of these logits."""
    return -sum(math.log(sigmoid(logit)) for logit in logits) / len(logits)


def cost_of_made(*logits):
    """Return that of -log(1 - D), which it pays for made ones."""
    return cost_of_real(*(-logit for logit in logits))


@pytest.mark.parametrize(
    ("saturating", "expected"), [(False, -math.log(sigmoid(1.0))), (True, math.log(sigmoid(-1.0)))]
)
def test_the_generators_loss_of_both_games(saturating, expected):
    gan = GAN(Linear(1.0, 0.0), Linear(2.0, -1.0), 1, saturating=saturating)
    fake = torch.ones(4, 1, dtype=torch.float64)  # of which the discriminator says 2·1 - 1 = 1
    assert gan.generator_loss(values(0), fake, LABELS).item() == pytest.approx(expected)


def test_a_sure_discriminator_leaves_the_minimax_game_no_gradient():
    slopes = {}
    for saturating in (True, False):
        generator = Linear(1.0, 0.0)
        gan = GAN(generator, Linear(2.0, -30.0), 1, saturating=saturating)
        descend(gan.optimizers["g"], gan.generator_loss(values(1), generator(values(0)), LABELS), frozen=True)
        slopes[saturating] = gradient_norm(generator)
    assert slopes[True] < 1e-9 < 0.1 < slopes[False]


def test_frozen_generators_stay_but_their_gradient_is_taken():
    torch.manual_seed(0)
    gan = GAN.of_points(4)
    before = [parameter.clone() for parameter in gan.generator.parameters()]
    gan.frozen = True
    gan.step(ring(), 16)
    assert all(torch.equal(*pair) for pair in zip(before, gan.generator.parameters(), strict=True))
    assert gradient_norm(gan.generator) > 0


def test_a_step_moves_only_its_own_network():
    torch.manual_seed(0)
    gan = GAN.of_points(4)
    for side, other in (("discriminator", gan.generator), ("generator", gan.discriminator)):
        before = [parameter.clone() for parameter in other.parameters()]
        getattr(gan, f"train_{side}")(*ring().batch(8))
        assert all(torch.equal(*pair) for pair in zip(before, other.parameters(), strict=True))


# --- Unrolled


def unrolled_loss(a, steps, pace, real, z, kinds):
    """The same by hand: logits d·x + e + kind, whose gradients are known, followed for so many steps."""
    d, e = 0.7, -0.2
    fake = [a * value + 0.1 for value in z]
    for _ in range(steps):
        by_d = by_e = 0.0
        for x, y, kind in zip(real, fake, kinds, strict=True):
            missed, deceived = 1 - sigmoid(d * x + e + kind), sigmoid(d * y + e + kind)
            by_d += (deceived * y - missed * x) / 4
            by_e += (deceived - missed) / 4
        d, e = d - pace * by_d, e - pace * by_e
    return sum(math.log(1 + math.exp(-(d * y + e + kind))) for y, kind in zip(fake, kinds, strict=True)) / 4


@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_unrolled_gradients_are_those_of_finite_differences(ahead):
    generator = Linear(1.3, 0.1)
    gan = Unrolled(generator, Told(0.7, -0.2), 1, ahead=ahead, pace=0.4)
    z, points, kinds = values(1), values(2), torch.tensor([0, 2, 1, 0])
    loss = gan.generator_loss(points, generator(z), kinds)
    (slope, _) = torch.autograd.grad(loss, [generator.a, generator.b])
    numbers = [part.flatten().tolist() for part in (points, z, kinds)]
    assert loss.item() == pytest.approx(unrolled_loss(1.3, ahead, 0.4, *numbers), rel=1e-9)
    up, down = (unrolled_loss(1.3 + shift, ahead, 0.4, *numbers) for shift in (1e-5, -1e-5))
    assert slope.item() == pytest.approx((up - down) / 2e-5, rel=1e-6)


def test_looking_ahead_leaves_the_discriminator_as_it_is():
    torch.manual_seed(0)
    gan = Unrolled.of_points(4, ahead=3)
    before = [parameter.clone() for parameter in gan.discriminator.parameters()]
    gan.train_generator(*ring().batch(8))
    assert all(torch.equal(*pair) for pair in zip(before, gan.discriminator.parameters(), strict=True))


# --- Wasserstein


def test_the_critics_loss_is_the_distance_negated():
    gan = WGAN(Linear(1.0, 0.0), Linear(2.0, 5.0), 1)
    real, fake = torch.full((4, 1), 3.0), torch.full((4, 1), 1.0)
    assert gan.discriminator_loss(real, fake, LABELS).item() == pytest.approx(2 * (1 - 3))
    assert gan.generator_loss(real, fake, LABELS).item() == pytest.approx(-7)


def test_the_critics_weights_are_clipped_and_it_learns_five_times():
    torch.manual_seed(0)
    gan, source, batches = WGAN.of_points(4, clip=wgan.CLIP), ring(), []
    original = source.batch
    source.batch = lambda count: batches.append(count) or original(count)
    gan.step(source, 8)
    assert len(batches) == 6
    assert max(parameter.abs().max().item() for parameter in gan.discriminator.parameters()) <= wgan.CLIP
    assert isinstance(gan.optimizers["d"], torch.optim.RMSprop)


def test_the_penalty_replaces_clipping():
    gan = WGANGP(Linear(1.0, 0.0), Linear(3.0, 0.0), 1)
    real, fake = torch.full((4, 1), 3.0).double(), torch.full((4, 1), 1.0).double()
    assert gan.discriminator_loss(real, fake, LABELS).item() == pytest.approx(3 * (1 - 3) + 10 * (3 - 1) ** 2)
    gan.train_discriminator(real.double(), LABELS)
    assert gan.discriminator.a.item() > 1  # not clipped


# --- DCGAN, CGAN


def test_the_discriminator_learns_from_smoothed_labels(monkeypatch):
    """Real ones are wanted at 0.85 and made ones at 0.15, but each second one the other way round, plus the noise."""
    monkeypatch.setattr(losses.processes, "rand", lambda *shape: column(0.06, 0.04))
    monkeypatch.setattr(losses.processes, "randn", lambda *shape: column(1, -2))
    gan = DCGAN(Linear(1.0, 0.0), Linear(2.0, -1.0), 1)
    found = gan.discriminator_loss(column(1, 2), column(0, 3), LABELS)  # logits 1 and 3, -1 and 5
    expected = 0.0
    for logit, label in ((1, 0.85 + 0.15), (3, 0.15 - 0.3), (-1, 0.15 + 0.15), (5, 0.85 - 0.3)):
        expected += (label * cost_of_real(logit) + (1 - label) * cost_of_made(logit)) / 2
    assert found.item() == pytest.approx(expected)


def test_both_networks_are_told_the_kinds():
    """Of latents 1 and 0, of kinds 0 and 2, become 2 and 3, of which the discriminator says 0 and 3."""
    kinds, points = torch.tensor([0, 2]), column(3, 1)  # of which it says 1 and 1
    for side, expected in (
        ("generator", cost_of_real(0, 3)),
        ("discriminator", cost_of_real(1, 1) + cost_of_made(0, 3)),
    ):
        gan = CGAN(Told(1.0, 1.0), Told(1.0, -2.0), 1)
        gan.latents = lambda count: column(1, 0)
        assert getattr(gan, f"train_{side}")(points, kinds)[side] == pytest.approx(expected)


NORMS = {"gan": "spectral", "cgan": "batch", "dcgan": "spectral", "aegan": "batch"}


@pytest.mark.parametrize("name", FAMILIES)
def test_what_steadies_the_discriminator_of_pictures(name):
    gan = family(name).of_pictures(16, width=2, classes=3)
    parts = list(gan.discriminator.modules())
    batch, spectral = any(isinstance(part, BatchNorm) for part in parts), any(map(is_parametrized, parts))
    assert (batch, spectral) == (NORMS.get(name) == "batch", NORMS.get(name) == "spectral")


@pytest.mark.parametrize("name", FAMILIES)
def test_only_the_conditional_gan_is_told_kinds(name):
    gans = [family(name).of_pictures(16, width=2, classes=8)]
    gans += [family(name).of_points(classes=8)] if name in OF_POINTS else []
    for gan in gans:
        for network in (gan.generator, gan.discriminator):
            assert getattr(network, "classes", 0) == (8 if name == "cgan" else 0)


@pytest.mark.parametrize(("options", "lr"), [({}, 5e-4), ({"lr": 1e-3}, 1e-3)])
def test_the_conditional_gans_discriminator_of_pictures_learns_more_slowly(options, lr):
    optimizers = family("cgan").of_pictures(16, width=2, classes=2, **options).optimizers
    assert (optimizers["g"].defaults["lr"], optimizers["d"].defaults["lr"]) == (lr, 2e-4)


# --- AEGAN


class Autoencoder(nn.Module):
    """Samples are 2·z + 1 of latents, and latents are x/4 + 1/2 of samples."""

    def __init__(self):
        super().__init__()
        self.generator, self.encoder = Linear(2.0, 1.0), Linear(0.25, 0.5)

    def forward(self, z, labels=None):
        return self.generator(z)

    def encode(self, x):
        return self.encoder(x)


@pytest.fixture
def autoencoding():
    """Build an AEGAN that draws latents 1 and -1; its discriminators' logits are x - 2 and 2·z - 1.

    So 3 and -1 are made, and 1.25 and 0.25 come back of them. REAL is encoded as 1.25 and 0.75, of which 3.5 and 2.5
    come back.
    """

    def build(weights=(), smoothed=False):
        options = {"weights": dict.fromkeys(aegan.WEIGHTS, 0.0) | dict(weights), "smoothed": smoothed}
        gan = aegan.AEGAN(Autoencoder(), Linear(1.0, -2.0), 1, Linear(2.0, -1.0), **options)
        gan.latents = lambda count: column(1, -1)
        return gan

    return build


REAL = column(3, 1)
TERMS = {
    "samples": (0.5 + 1.5) / 2,
    "latents": (0.25**2 + 1.25**2) / 2,
    "adversarial samples": (cost_of_real(1, -3) + cost_of_real(1.5, 0.5)) / 2,
    "adversarial latents": (cost_of_real(1.5, 0.5) + cost_of_real(1.5, -0.5)) / 2,
}


@pytest.mark.parametrize("weights", [*({name: 1.0} for name in TERMS), dict(zip(TERMS, range(1, 5), strict=True))])
def test_the_terms_of_an_autoencoding_gan(autoencoding, weights):
    found = autoencoding(weights).train_generator(REAL, LABELS)
    assert found["generator"] == pytest.approx(sum(weight * TERMS[name] for name, weight in weights.items()))
    for name in ("samples", "latents"):
        assert found[f"reconstruction of {name}"] == pytest.approx(TERMS[name])


def test_latents_that_come_back_teach_the_encoder_alone(autoencoding):
    gan = autoencoding({"latents": 1.0})
    gan.train_generator(REAL, LABELS)
    generator, encoder = gan.generator.generator, gan.generator.encoder
    assert (generator.a.grad.item(), generator.b.grad.item()) == (0, 0)
    assert encoder.a.grad.item() == pytest.approx((2 * 0.25 * 3 + 2 * 1.25 * -1) / 2)
    assert encoder.b.grad.item() == pytest.approx((2 * 0.25 + 2 * 1.25) / 2)


def test_both_discriminators_see_what_is_drawn_and_what_comes_back(autoencoding):
    found = autoencoding().train_discriminator(REAL, LABELS)
    fakes = cost_of_made(1, -3) + cost_of_made(1.5, 0.5)  # made, and come back
    assert found["discriminator"] == pytest.approx(cost_of_real(1, -1) + fakes / 2)
    fakes = cost_of_made(1.5, 0.5) + cost_of_made(1.5, -0.5)  # of real samples, and of made ones
    assert found["discriminator of latents"] == pytest.approx(cost_of_real(1, -3) + fakes / 2)


def test_only_the_discriminator_of_samples_learns_from_smoothed_labels(autoencoding, monkeypatch):
    monkeypatch.setattr(losses.processes, "rand", lambda *shape: torch.ones(shape))  # none is flipped
    monkeypatch.setattr(losses.processes, "randn", lambda *shape: torch.zeros(shape))
    plain, smoothed = (autoencoding(smoothed=on).train_discriminator(REAL, LABELS) for on in (False, True))
    real = 0.85 * cost_of_real(1, -1) + 0.15 * cost_of_made(1, -1)
    fakes = (0.15 * cost_of_real(*fake) + 0.85 * cost_of_made(*fake) for fake in ((1, -3), (1.5, 0.5)))
    assert smoothed["discriminator"] == pytest.approx(real + sum(fakes) / 2)
    assert smoothed["discriminator of latents"] == plain["discriminator of latents"]


# --- Progressive growing


def test_the_growing_critic_pays_for_its_slope_and_for_high_scores():
    """Scores are 3·x + 1: 10 and 4 of real ones, 4 and -2 of made ones; the slope is 2 too steep."""
    gan = Progressive(Linear(1.0, 0.0), Linear(3.0, 1.0), 1)
    found = gan.discriminator_loss(column(3, 1), column(1, -1), LABELS)
    assert found.item() == pytest.approx((1 - 7) + 10 * (3 - 1) ** 2 + 0.001 * (10**2 + 4**2) / 2)


@pytest.mark.parametrize(
    ("share", "left"), [(0, 1), (0.7, 1), (0.75, 1), (0.875, 0.5), (0.95, 0.2), (1, 0), (0.1, 1)]
)
def test_rates_fall_over_the_last_quarter_of_a_training(share, left):
    for gan in (
        aegan.AEGAN.of_points(lr=0.01, lr_d=0.02),
        Progressive.of_pictures(32, z_dim=4, width=2, lr=0.01, lr_d=0.02),
    ):
        for now in (0.9, share):
            gan.advance(now)
        found = {name: optimizer.param_groups[0]["lr"] for name, optimizer in gan.optimizers.items()}
        assert found == {name: pytest.approx(left * (0.01 if name == "g" else 0.02)) for name in found}


def test_the_training_grows_and_fades():
    gan = Progressive.of_pictures(32, z_dim=4, width=2)
    seen = []
    for share in (0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.8, 1):
        gan.advance(share)
        seen.append(round(float(gan.generator.grown), 3))
    assert seen == sorted(seen)
    assert (seen[0], seen[2], seen[-1]) == (0, 0, 3)
    assert seen[3] == pytest.approx(0.5)
    assert torch.equal(gan.generator.grown, gan.discriminator.grown)


def test_pictures_come_as_coarse_as_the_generator_draws():
    gan = Progressive.of_pictures(32, z_dim=4, width=2)
    pictures = torch.randn(2, 3, 32, 32)
    for grown, side in ((0.0, 4), (1.0, 8), (1.5, 16), (3.0, 32)):
        gan.generator.grown.fill_(grown)
        assert gan.as_grown(pictures).shape == (2, 3, side, side)
    gan.generator.grown.fill_(1.0001)
    coarse = F.interpolate(F.avg_pool2d(pictures, 4), scale_factor=2)
    torch.testing.assert_close(gan.as_grown(pictures), coarse, atol=1e-3, rtol=1e-3)


def test_an_unknown_family_is_refused():
    with pytest.raises(ValueError, match="family must be one of gan, cgan"):
        family("vae")
    assert set(OF_POINTS) < set(FAMILIES)
