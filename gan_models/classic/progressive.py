"""Progressive growing (Karras et al. 2018): small pictures first, then twice as large ones, faded in."""

from typing import Self

import torch
import torch.nn.functional as F

from gan_models.classic.network import ProgressiveDiscriminator, ProgressiveGenerator, progress
from gan_models.classic.wgan_gp import WGANGP
from gan_models.nn.losses import critic_loss, gradient_penalty

DRIFT = 1e-3  # weight of the squared scores of real pictures, which keeps them from drifting (appendix A.1)
FIRST = 4  # pixels a side


class Progressive(WGANGP):
    """A WGAN-GP whose networks grow while they learn."""

    critic_steps = 1

    @classmethod
    def of_pictures(
        cls, side: int, *, z_dim: int = 128, width: int = 16, classes: int = 0, **options: float | bool
    ) -> Self:
        """Return an untrained GAN for pictures of side×side pixels in the end.

        Raises:
            ValueError: The side is no power of two, or below 16.
        """
        options = {"lr": 1e-3} | options
        return cls(ProgressiveGenerator(z_dim, side, width), ProgressiveDiscriminator(side, width), z_dim, **options)

    def optimizer(self, network: torch.nn.Module, lr: float) -> torch.optim.Optimizer:
        """Return what a network learns by (appendix A.1)."""
        return torch.optim.Adam(network.parameters(), lr=lr, betas=(0.0, 0.99))

    def advance(self, done: float, steps: float = 1) -> None:
        """Grow with the training, of whose `steps` so many are done.

        Each level gets as many steps as the one before, and the last twice as many; a level fades in during the
        first half of its steps, the last during the first quarter. Rates fall as those of all families do.

        Where a training goes on for more steps than it began with, or fewer, the networks wait until it is their time
        to grow, or make up for it no faster than levels fade in: none shrinks, and no level is left out.
        """
        super().advance(done, steps)
        levels = len(self.generator.levels)
        each = steps / (levels + 2)
        level = min(int(done / each), levels)
        wanted = level - 1 + min(1.0, 2 * (done / each - level)) if level else 0.0
        grown = float(self.generator.grown) if done else 0.0
        grown = min(max(grown, wanted), grown + 2 / each)
        for network in (self.generator, self.discriminator):
            network.grown.fill_(grown)

    def train_discriminator(self, real: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
        """Let the critic learn from pictures of the size that it has grown to."""
        return super().train_discriminator(self.as_grown(real), labels)

    def discriminator_loss(self, real: torch.Tensor, fake: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the critic's loss, and what keeps its scores near zero."""
        penalty = gradient_penalty(self.discriminator, real, fake)
        scores = self.discriminator(real)
        loss = critic_loss(scores, self.discriminator(fake))
        return loss + self.penalty_weight * penalty + DRIFT * scores.square().mean()

    def as_grown(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return N×3×side×side at the size of what the generator draws now, as coarse as that is."""
        whole, share = progress(self.generator.grown)
        side = FIRST * 2 ** (whole + bool(share))
        small = F.adaptive_avg_pool2d(pictures, side)
        if not share:
            return small
        coarse = F.interpolate(F.avg_pool2d(small, 2), scale_factor=2, mode="nearest")
        return torch.lerp(coarse, small, share)
