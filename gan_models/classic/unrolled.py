"""The unrolled GAN (Metz et al. 2017): the generator looks ahead at what the discriminator will learn."""

import torch
from torch import nn
from torch.func import functional_call

from gan_models import processes
from gan_models.classic.gan import GAN
from gan_models.nn.losses import discriminator_loss, generator_loss


class Unrolled(GAN):
    """A GAN whose generator's gradient goes through steps that its discriminator would take.

    Args:
        generator: From latents, and labels, to samples.
        discriminator: From samples, and labels, to N×1 logits.
        z_dim: Numbers of a latent.
        lr: Learning rate.
        lr_d: That of the discriminator, if it is another.
        ahead: Steps of the discriminator that the generator sees; 0 is a GAN that does not saturate.
        pace: Length of these steps along the gradient (η in equation 5 of the paper).
    """

    norm = "none"  # spectral normalisation keeps a state that steps ahead must not change

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        z_dim: int,
        *,
        lr: float = 2e-4,
        lr_d: float | None = None,
        ahead: int = 5,
        pace: float = 0.02,
    ):
        super().__init__(generator, discriminator, z_dim, lr=lr, lr_d=lr_d)
        self.ahead, self.pace = ahead, pace

    def generator_loss(self, real: torch.Tensor, fake: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return how far the discriminator, `ahead` steps on, is from taking made samples for real ones."""
        weights = dict(self.discriminator.named_parameters())
        for _ in range(self.ahead):
            sure = functional_call(self.discriminator, weights, (real, labels))
            doubtful = functional_call(self.discriminator, weights, (fake, labels))
            loss = discriminator_loss(sure, doubtful)
            gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            pairs = zip(weights.items(), processes.mean(gradients), strict=True)
            weights = {name: weight - self.pace * gradient for (name, weight), gradient in pairs}
        return generator_loss(functional_call(self.discriminator, weights, (fake, labels)))
