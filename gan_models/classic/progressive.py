"""Progressive growing (Karras et al. 2018): small pictures first, then twice as large ones, faded in."""

from typing import Self

import torch
import torch.nn.functional as F

from gan_models.classic.network import ProgressiveDiscriminator, ProgressiveGenerator, progress
from gan_models.classic.wgan_gp import WGANGP
from gan_models.losses import gradient_penalty

DRIFT = 1e-3  # weight of the squared scores of real pictures, which keeps them from drifting (appendix A.1)
FIRST = 4  # pixels a side


class Progressive(WGANGP):
    """A WGAN-GP whose networks grow while they learn."""

    critic_steps = 1

    @classmethod
    def of_pictures(
        cls, side: int, *, z_dim: int = 128, width: int = 16, classes: int = 0, **options: float | bool
    ) -> Self:
        """Return an untrained game for pictures of side×side pixels in the end.

        Raises:
            ValueError: The side is no power of two, or below 16.
        """
        options = {"lr": 1e-3} | options
        return cls(ProgressiveGenerator(z_dim, side, width), ProgressiveDiscriminator(side, width), z_dim, **options)

    def optimizer(self, network: torch.nn.Module, lr: float) -> torch.optim.Optimizer:
        """Return what a network learns by (appendix A.1)."""
        return torch.optim.Adam(network.parameters(), lr=lr, betas=(0.0, 0.99))

    def advance(self, share: float) -> None:
        """Grow with the training, of which `share` is over.

        Each level gets as many steps as the one before, and the last twice as many; a level fades in during the
        first half of its steps. Rates fall as those of all families do.
        """
        super().advance(share)
        levels = len(self.generator.levels)
        phase = share * (levels + 2)
        level = min(int(phase), levels)
        grown = level - 1 + min(1.0, 2 * (phase - level)) if level else 0.0
        for network in (self.generator, self.discriminator):
            network.grown.fill_(grown)

    def train_discriminator(self, real: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
        """Let the critic learn from pictures of the size that it has grown to."""
        return super().train_discriminator(self.as_grown(real), labels)

    def discriminator_loss(self, real: torch.Tensor, fake: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the critic's loss, and what keeps its scores near zero."""
        penalty = gradient_penalty(self.discriminator, real, fake)
        scores = self.discriminator(real)
        distance = scores.mean() - self.discriminator(fake).mean()
        return self.penalty_weight * penalty - distance + DRIFT * scores.square().mean()

    def as_grown(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return N×3×side×side at the size of what the generator draws now, as coarse as that is."""
        whole, share = progress(self.generator.grown)
        side = FIRST * 2 ** (whole + bool(share))
        small = F.adaptive_avg_pool2d(pictures, side)
        if not share:
            return small
        coarse = F.interpolate(F.avg_pool2d(small, 2), scale_factor=2, mode="nearest")
        return torch.lerp(coarse, small, share)
