"""The Wasserstein GAN (Arjovsky et al. 2017): a critic whose loss is the distance between two distributions."""

from typing import ClassVar

import torch
from torch import nn

from gan_models.classic.gan import GAN
from gan_models.nn.losses import critic_loss

CLIP = 0.01  # of the critic's weights (algorithm 1 of the paper)


class Wasserstein(GAN):
    """A GAN whose discriminator is a critic: a function of bounded slope that is high on real samples.

    Its loss, negated, is an estimate of the earth mover's distance up to a factor. A subclass bounds the slope.
    """

    norm = "none"
    critic_steps = 5

    def discriminator_loss(self, real: torch.Tensor, fake: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the distance that the critic sees, negated."""
        return critic_loss(self.discriminator(real, labels), self.discriminator(fake, labels))

    def generator_loss(self, real: torch.Tensor, fake: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return what the critic says of made samples, negated."""
        return -self.discriminator(fake, labels).mean()


class WGAN(Wasserstein):
    """A Wasserstein GAN whose critic has its slope bounded by clipped weights.

    Args:
        generator: From latents, and labels, to samples.
        discriminator: From samples, and labels, to N×1 scores.
        z_dim: Numbers of a latent.
        lr: Learning rate.
        lr_d: That of the critic, if it is another.
        clip: What the critic's weights are clipped to.
    """

    for_points: ClassVar = {"lr": 1e-3, "clip": 0.1}  # as their small critic needs it

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        z_dim: int,
        *,
        lr: float = 5e-5,
        lr_d: float | None = None,
        clip: float = CLIP,
    ):
        super().__init__(generator, discriminator, z_dim, lr=lr, lr_d=lr_d)
        self.clip = clip

    def optimizer(self, network: nn.Module, lr: float) -> torch.optim.Optimizer:
        """Return what a network learns by: no momentum, which the paper found unstable with a moving critic."""
        return torch.optim.RMSprop(network.parameters(), lr=lr)

    def train_discriminator(self, real: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
        """Let the critic learn, and clip its weights."""
        losses = super().train_discriminator(real, labels)
        with torch.no_grad():
            for parameter in self.discriminator.parameters():
                parameter.clamp_(-self.clip, self.clip)
        return losses
