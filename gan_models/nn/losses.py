"""Loss functions that several families share."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import nn

from gan_models import processes
from gan_models.nn.features.network import VGG

CONTENT_LAYERS = {"relu1_2": 0.3, "relu2_2": 0.5, "relu3_3": 0.5}  # of `features-compact`, with their weights
FLIPPED = 0.05  # share of smoothed labels
SMOOTH, SPREAD = 0.15, 0.15  # how far they are from 0 and 1, and their noise


class PerceptualLoss(nn.Module):
    """Distance between the activations of two pictures (Johnson et al. 2016, equation 2).

    Each layer's activations are divided by the mean magnitude of the reference's, so that layers and feature
    networks of different scale weigh alike.

    Args:
        features: A feature network, of which this loss takes no gradient.
        weights: Weight of each layer, by name.
    """

    def __init__(self, features: VGG, weights: Mapping[str, float]):
        super().__init__()
        self.features = features.requires_grad_(False)
        self.weights = dict(weights)

    def forward(self, picture: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Return the weighted mean absolute difference of N×3×H×W pictures in [0, 1], a scalar."""
        layers = list(self.weights)
        with torch.no_grad():
            wanted = self.features(reference, layers)
        found = self.features(picture, layers)
        loss = picture.new_zeros(())
        for name, weight in self.weights.items():
            scale = wanted[name].abs().mean() + 1e-8
            loss = loss + weight * F.l1_loss(found[name], wanted[name]) / scale
        return loss


def generator_loss(fake_logits: torch.Tensor) -> torch.Tensor:
    """Return -log D(G(.)), the non-saturating loss (Goodfellow et al. 2014, section 3), from logits."""
    return F.softplus(-fake_logits).mean()


def saturating_generator_loss(fake_logits: torch.Tensor) -> torch.Tensor:
    """Return log(1 - D(G(.))), the generator's side of the minimax game (Goodfellow et al. 2014, equation 1)."""
    return -F.softplus(fake_logits).mean()


def discriminator_loss(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """Return -log D(x) - log(1 - D(G(.))) (Goodfellow et al. 2014, equation 1), from logits."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def smoothed_loss(logits: torch.Tensor, wanted: int) -> torch.Tensor:
    """Return the cross entropy of logits against noisy labels, of which a twentieth is flipped.

    Labels are 0.85 + 0.15·N(0, 1) where 1 is wanted, and 0.15 + 0.15·N(0, 1) where 0 is: smoothed as by Salimans et
    al. 2016, section 3.4, but on both sides.
    """
    flipped = processes.rand(*logits.shape).to(logits.device) < FLIPPED
    noise = SPREAD * processes.randn(*logits.shape).to(logits.device)
    labels = torch.where(flipped, 1.0 - wanted, float(wanted)) * (1 - 2 * SMOOTH) + SMOOTH + noise
    return F.binary_cross_entropy_with_logits(logits, labels)


def smoothed_discriminator_loss(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """Return `discriminator_loss` against labels that are smoothed, noisy and in part wrong."""
    return smoothed_loss(real_logits, 1) + smoothed_loss(fake_logits, 0)


def least_squares(scores: torch.Tensor, wanted: int) -> torch.Tensor:
    """Return the mean squared distance of scores from 0 or 1, whichever is wanted (Mao et al. 2017, equation 2)."""
    return (scores - wanted).square().mean()


def critic_loss(real_scores: torch.Tensor, fake_scores: torch.Tensor) -> torch.Tensor:
    """Return the earth mover's distance that a critic sees, negated (Arjovsky et al. 2017, equation 3)."""
    return fake_scores.mean() - real_scores.mean()


def r1_penalty(logits: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """Return the logits' mean squared gradient norm at real N×C×H×W pictures (Mescheder et al. 2018, equation 9)."""
    (gradient,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
    return gradient.square().sum([1, 2, 3]).mean()


def gradient_penalty(
    discriminator: nn.Module,
    real: torch.Tensor,
    fake: torch.Tensor,
    rng: torch.Generator | None = None,
    *,
    by_pixel: bool = False,
) -> torch.Tensor:
    """Return how far the gradient's norm is from 1 between real and made samples (Gulrajani et al. 2017, equation 3).

    Samples are N×C×H×W pictures, or N×D points. Of a discriminator of patches it is the gradient of their mean score.
    With `by_pixel` it is as in SinGAN's code: that of their sum, and the norm is over the channels at each pixel.
    It is computed in single precision whatever networks are trained in: what is learned from is a second derivative.
    """
    share = processes.rand(len(real), *[1] * (real.dim() - 1), rng=rng).to(real.device)
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    with torch.autocast(real.device.type, enabled=False):
        scores = discriminator(between)
        score = scores.sum() if by_pixel else scores.flatten(1).mean(1).sum()
        (gradient,) = torch.autograd.grad(score, between, create_graph=True)
    norms = gradient.norm(dim=1) if by_pixel else gradient.flatten(1).norm(dim=1)
    return (norms - 1).square().mean()
