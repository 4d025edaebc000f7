"""The autoencoding GAN (Lazarou 2020): two GANs, one of samples and one of latents, that undo each other."""

from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import nn

from gan_models.classic.gan import GAN, Part, descend
from gan_models.classic.network import Autoencoder, DCGANDiscriminator, Perceptron
from gan_models.nn.losses import discriminator_loss, generator_loss, smoothed_discriminator_loss

WEIGHTS = {"samples": 1.0, "latents": 0.1, "adversarial samples": 0.5, "adversarial latents": 0.1}


class AEGAN(GAN):
    """A generator and an encoder that learn together, each against a discriminator of its own.

    Unlike in the paper, what comes back of latents teaches the encoder alone: a generator has no better way to lower
    that loss than to write its latents into pictures, as speckles, in which the encoder finds them again.

    Args:
        generator: Has `encode`, from samples to latents N×z_dim, too.
        discriminator: From samples to N×1 logits.
        z_dim: Numbers of a latent.
        latent_discriminator: Of latents, N×z_dim to N×1 logits; by default a perceptron.
        lr: Learning rate.
        lr_d: That of both discriminators, if it is another.
        smoothed: Whether the discriminator of samples learns from labels as that of `DCGAN` does.
        weights: Of the terms of the generator's and the encoder's loss; those that are left out are as in `WEIGHTS`.
    """

    norm = "batch"
    for_points: ClassVar = {"lr": 1e-3}
    for_pictures: ClassVar = {"lr": 5e-4, "lr_d": 2e-4, "smoothed": True}

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        z_dim: int,
        latent_discriminator: nn.Module | None = None,
        *,
        lr: float = 2e-4,
        lr_d: float | None = None,
        smoothed: bool = False,
        weights: dict[str, float] | None = None,
    ):
        super().__init__(generator, discriminator, z_dim, lr=lr, lr_d=lr_d)
        self.sample_loss = smoothed_discriminator_loss if smoothed else discriminator_loss
        self.latent_discriminator = latent_discriminator or Perceptron(z_dim, 1, 256)
        self.weights = WEIGHTS | (weights or {})
        self.optimizers["d of latents"] = self.optimizer(self.latent_discriminator, lr_d or lr)

    @classmethod
    def of_points(cls, z_dim: int = 16, classes: int = 0, **options: float | dict[str, float]) -> Self:
        """Return an untrained GAN of perceptrons, for points in the plane."""
        return cls(PointAutoencoder(z_dim), Perceptron(2, 1), z_dim, **cls.for_points | options)

    @classmethod
    def of_pictures(
        cls,
        side: int,
        *,
        z_dim: int = 128,
        width: int = 32,
        classes: int = 0,
        norm: str | None = None,
        **options: float | bool,
    ) -> Self:
        """Return an untrained GAN of convolutions, for pictures of side×side pixels; see `GAN.of_pictures`."""
        networks = Autoencoder(z_dim, side, width), DCGANDiscriminator(side, width, norm=norm or cls.norm)
        return cls(*networks, z_dim, **cls.for_pictures | options)

    def parts(self) -> dict[str, Part]:
        """Return all that a checkpoint keeps."""
        return super().parts() | {"discriminator of latents": self.latent_discriminator}

    def train_discriminator(self, real: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
        """Let both discriminators learn, from what is drawn and from what comes back."""
        drawn = self.latents(len(real))
        with torch.no_grad():
            found, made = self.generator.encode(real), self.generator(drawn)
            again, back = self.generator(found), self.generator.encode(made)
        score = self.discriminator(real)
        loss = sum(self.sample_loss(score, self.discriminator(fake)) for fake in (made, again)) / 2
        descend(self.optimizers["d"], loss)
        score = self.latent_discriminator(drawn)
        latent_loss = sum(discriminator_loss(score, self.latent_discriminator(fake)) for fake in (found, back)) / 2
        descend(self.optimizers["d of latents"], latent_loss)
        return {"discriminator": loss.item(), "discriminator of latents": latent_loss.item()}

    def train_generator(self, real: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
        """Let generator and encoder learn from both discriminators and from what does not come back."""
        drawn = self.latents(len(real))
        found, made = self.generator.encode(real), self.generator(drawn)
        again, back = self.generator(found), self.generator.encode(made.detach())
        fooled = [generator_loss(self.discriminator(fake)) for fake in (made, again)]
        fooled_latents = [generator_loss(self.latent_discriminator(fake)) for fake in (found, back)]
        terms = {
            "samples": F.l1_loss(again, real),
            "latents": F.mse_loss(back, drawn),
            "adversarial samples": sum(fooled) / 2,
            "adversarial latents": sum(fooled_latents) / 2,
        }
        loss = sum(self.weights[name] * term for name, term in terms.items())
        descend(self.optimizers["g"], loss, self.frozen)
        errors = {f"reconstruction of {name}": terms[name].item() for name in ("samples", "latents")}
        return {"generator": loss.item(), **errors}


class PointAutoencoder(nn.Module):
    """A generator of points and its encoder."""

    def __init__(self, z_dim: int):
        super().__init__()
        self.generator, self.encoder = Perceptron(z_dim, 2), Perceptron(2, z_dim)

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Map N×z_dim latents to N×2 points."""
        return self.generator(z)

    def encode(self, points: torch.Tensor) -> torch.Tensor:
        """Map N×2 points to N×z_dim latents."""
        return self.encoder(points)
