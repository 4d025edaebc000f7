"""The deep convolutional GAN (Radford et al. 2016), steadied as those who trained it on few pictures did."""

import torch

from gan_models.classic.gan import GAN
from gan_models.nn.losses import smoothed_discriminator_loss


class DCGAN(GAN):
    """A GAN of convolutions; its discriminator learns from noisy labels, of which one in twenty is wrong."""

    def discriminator_loss(self, real: torch.Tensor, fake: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return how far the discriminator is from telling real samples from made ones."""
        return smoothed_discriminator_loss(self.discriminator(real, labels), self.discriminator(fake, labels))
