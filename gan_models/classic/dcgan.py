"""The deep convolutional GAN (Radford et al. 2016), steadied as those who trained it on few pictures did."""

import torch
import torch.nn.functional as F

from gan_models.classic.gan import GAN
from gan_models.training import processes

FLIPPED = 0.05  # share of the discriminator's labels
SMOOTH, SPREAD = 0.15, 0.15  # how far labels are from 0 and 1, and their noise


class DCGAN(GAN):
    """A GAN of convolutions; its discriminator learns from noisy labels, of which one in twenty is wrong."""

    def discriminator_loss(self, real: torch.Tensor, fake: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return how far the discriminator is from telling real samples from made ones."""
        return smoothed_loss(self.discriminator(real, labels), 1) + smoothed_loss(self.discriminator(fake, labels), 0)


def smoothed_loss(logits: torch.Tensor, wanted: int) -> torch.Tensor:
    """Return the cross entropy against noisy labels, of which a twentieth is flipped.

    Labels are 0.85 + 0.15·N(0, 1) where 1 is wanted, and 0.15 + 0.15·N(0, 1) where 0 is.
    """
    flipped = processes.rand(*logits.shape).to(logits.device) < FLIPPED
    noise = SPREAD * processes.randn(*logits.shape).to(logits.device)
    labels = torch.where(flipped, 1.0 - wanted, float(wanted)) * (1 - 2 * SMOOTH) + SMOOTH + noise
    return F.binary_cross_entropy_with_logits(logits, labels)
