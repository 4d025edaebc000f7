import math

import pytest
import torch
import torch.nn.functional as F

from gan_models.nn.features.network import VGG
from gan_models.nn.losses import (
    PerceptualLoss,
    critic_loss,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    least_squares,
    saturating_generator_loss,
    smoothed_loss,
)


@pytest.fixture
def features():
    torch.manual_seed(0)
    return VGG((4, 6), (1, 1)).double()


def pictures(seed):
    return torch.rand(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_equal_pictures_have_no_perceptual_distance(features):
    loss = PerceptualLoss(features, {"relu1_1": 1, "relu2_1": 1})
    assert loss(pictures(1), pictures(1)) == 0


def test_perceptual_distance_is_weighted_and_relative_to_the_reference(features):
    a, b = pictures(1), pictures(2)
    expected = 0.0
    for layer, weight in (("relu1_1", 0.5), ("relu2_1", 2.0)):
        found, wanted = features(a, [layer])[layer], features(b, [layer])[layer]
        expected += weight * ((found - wanted).abs().sum() / wanted.abs().sum()).item()
    loss = PerceptualLoss(features, {"relu1_1": 0.5, "relu2_1": 2.0})
    assert loss(a, b).item() == pytest.approx(expected, rel=1e-6)


def test_louder_features_weigh_alike(features):
    before = PerceptualLoss(features, {"relu1_1": 1})(pictures(1), pictures(2)).item()
    with torch.no_grad():
        features.features[0].weight *= 50
        features.features[0].bias *= 50
    assert PerceptualLoss(features, {"relu1_1": 1})(pictures(1), pictures(2)).item() == pytest.approx(before)


def test_only_the_picture_gets_a_gradient(features):
    picture, reference = pictures(1).requires_grad_(), pictures(2).requires_grad_()
    PerceptualLoss(features, {"relu2_1": 1})(picture, reference).backward()
    assert picture.grad.abs().sum() > 0
    assert reference.grad is None
    assert all(parameter.grad is None for parameter in features.parameters())


def test_generator_loss_is_minus_log_of_the_probability():
    probabilities = (0.2, 0.5, 0.9)
    logits = torch.tensor([math.log(p / (1 - p)) for p in probabilities])
    expected = -sum(math.log(p) for p in probabilities) / 3
    assert generator_loss(logits).item() == pytest.approx(expected, rel=1e-6)


def test_discriminator_loss_is_the_binary_cross_entropy():
    real, fake = (0.7, 0.9), (0.1, 0.4)
    expected = -(math.log(0.7) + math.log(0.9)) / 2 - (math.log(0.9) + math.log(0.6)) / 2
    found = discriminator_loss(torch.logit(torch.tensor(real)), torch.logit(torch.tensor(fake)))
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_losses_of_a_sure_discriminator_stay_finite():
    sure = torch.tensor([1e4])
    assert generator_loss(-sure).item() == pytest.approx(1e4)
    assert discriminator_loss(sure, -sure).item() == 0
    assert discriminator_loss(-sure, sure).item() == pytest.approx(2e4)


def test_the_gradient_penalty_of_a_linear_critic():
    """Its gradient is its weights everywhere: 2 at each pixel of one channel, so (2 - 1)²."""
    real, fake = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    weight = torch.tensor([2.0, 0, 0]).view(1, 3, 1, 1).requires_grad_()
    penalty = gradient_penalty(lambda x: (x * weight).sum(1), real, fake, by_pixel=True)
    assert penalty.item() == pytest.approx(1)
    penalty.backward()
    assert weight.grad.flatten().tolist() == pytest.approx([2, 0, 0])


def test_the_gradient_penalty_is_taken_between_the_pictures():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.square().sum(1)

    real, fake = torch.zeros(64, 1, 2, 2), torch.ones(64, 1, 2, 2)
    gradient_penalty(critic, real, fake, torch.Generator().manual_seed(0))
    shares = seen[0][:, 0, 0, 0]
    assert (seen[0] == shares.view(-1, 1, 1, 1)).all()
    assert shares.min() < 0.1
    assert shares.max() > 0.9
    again = torch.Generator().manual_seed(0)
    assert gradient_penalty(critic, real, fake, again).item() == gradient_penalty(
        critic, real, fake, torch.Generator().manual_seed(0)
    )


@pytest.mark.parametrize("side", [1, 2])
def test_the_gradient_penalty_of_patches_is_that_of_their_mean_score(side):
    """Patches of side² pixels, each of whose scores is 2·red + 1·green, summed: by hand, with 4·4 pixels a picture.

    There are 16 / side² patches, so each pixel's gradient is (2, 1)·side² / 16 and the norm is √(16·5)·side² / 16.
    """
    real, fake = torch.rand(3, 2, 4, 4), torch.rand(3, 2, 4, 4)
    weight = torch.tensor([2.0, 1.0]).view(1, 2, 1, 1).requires_grad_()
    penalty = gradient_penalty(lambda x: side**2 * F.avg_pool2d((x * weight).sum(1, keepdim=True), side), real, fake)
    norm = math.sqrt(80) * side**2 / 16
    assert penalty.item() == pytest.approx((norm - 1) ** 2, rel=1e-5)
    penalty.backward()
    slopes = [2 * (norm - 1) * norm * value / 5 for value in (2, 1)]  # d(norm)/dw = w·norm / |w|²
    assert weight.grad.flatten().tolist() == pytest.approx(slopes, rel=1e-5)


def test_the_gradient_penalty_is_the_mean_over_the_pictures():
    """The critic x² / 2 has the gradient x: norms of 3 and 0.5, which lie 2 and 0.5 from 1."""
    pictures = torch.zeros(2, 1, 2, 2)
    pictures[:, 0, 0, 0] = torch.tensor([3.0, 0.5])
    penalty = gradient_penalty(lambda x: x.square().flatten(1).sum(1, keepdim=True) / 2, pictures, pictures)
    assert penalty.item() == pytest.approx((2**2 + 0.5**2) / 2)


def test_the_minimax_loss_is_the_log_of_the_complement():
    probabilities = (0.2, 0.5, 0.9)
    logits = torch.tensor([math.log(p / (1 - p)) for p in probabilities])
    expected = sum(math.log(1 - p) for p in probabilities) / 3
    assert saturating_generator_loss(logits).item() == pytest.approx(expected, rel=1e-6)


def test_the_penalty_of_a_linear_critic_of_points_is_that_of_its_slope():
    slope = torch.tensor([3.0, -4.0])
    real, fake = torch.rand(5, 2), torch.rand(5, 2)
    assert gradient_penalty(lambda x: x @ slope[:, None], real, fake).item() == pytest.approx(16)


@pytest.mark.parametrize("wanted", [0, 1])
def test_labels_are_noisy_and_one_in_twenty_is_flipped(wanted, monkeypatch):
    seen = []
    monkeypatch.setattr(F, "binary_cross_entropy_with_logits", lambda logits, labels: seen.append(labels))
    torch.manual_seed(0)
    smoothed_loss(torch.zeros(40_000, 1), wanted)
    right = seen[0][(seen[0] > 0.5) == wanted]
    assert right.mean().item() == pytest.approx((0.15, 0.85)[wanted], abs=0.01)
    assert right.std().item() == pytest.approx(0.15, abs=0.01)
    mean = 0.95 * 0.85 + 0.05 * 0.15
    assert seen[0].mean().item() == pytest.approx((1 - mean, mean)[wanted], abs=0.005)


@pytest.mark.parametrize(("wanted", "expected"), [(0, (0.25 + 1 + 9) / 3), (1, (0.25 + 4 + 4) / 3)])
def test_least_squares_are_counted_from_what_is_wanted(wanted, expected):
    assert least_squares(torch.tensor([0.5, -1.0, 3.0]), wanted).item() == pytest.approx(expected)


def test_the_critics_loss_is_the_distance_of_mean_scores_negated():
    assert critic_loss(torch.tensor([5.0, 2.0]), torch.tensor([1.0, -2.0])).item() == pytest.approx(-0.5 - 3.5)


def test_the_gradient_penalty_is_computed_in_single_precision():
    critic = torch.nn.Linear(3, 1)
    real, fake = torch.randn(4, 3), torch.randn(4, 3)
    expected = (critic.weight.norm() - 1).square()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(gradient_penalty(critic, real, fake), expected)
