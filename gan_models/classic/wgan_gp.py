"""The Wasserstein GAN with a gradient penalty (Gulrajani et al. 2017) in place of clipped weights."""

from typing import ClassVar

import torch
from torch import nn

from gan_models.classic.wgan import Wasserstein
from gan_models.nn.losses import gradient_penalty

PENALTY_WEIGHT = 10.0


class WGANGP(Wasserstein):
    """A Wasserstein GAN whose critic's slope is drawn towards 1 between real and made samples.

    Args:
        generator: From latents, and labels, to samples.
        discriminator: From samples, and labels, to N×1 scores.
        z_dim: Numbers of a latent.
        lr: Learning rate.
        lr_d: That of the critic, if it is another.
        penalty_weight: Of the penalty (λ in algorithm 1 of the paper).
    """

    for_points: ClassVar = {"lr": 1e-3, "penalty_weight": 0.1}  # the weight is that of the authors' code

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        z_dim: int,
        *,
        lr: float = 1e-4,
        lr_d: float | None = None,
        penalty_weight: float = PENALTY_WEIGHT,
    ):
        super().__init__(generator, discriminator, z_dim, lr=lr, lr_d=lr_d)
        self.penalty_weight = penalty_weight

    def optimizer(self, network: nn.Module, lr: float) -> torch.optim.Optimizer:
        """Return what a network learns by (algorithm 1 of the paper)."""
        return torch.optim.Adam(network.parameters(), lr=lr, betas=(0.0, 0.9))

    def discriminator_loss(self, real: torch.Tensor, fake: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the distance that the critic sees, negated, and the penalty."""
        penalty = gradient_penalty(lambda samples: self.discriminator(samples, labels), real, fake)
        return super().discriminator_loss(real, fake, labels) + self.penalty_weight * penalty
