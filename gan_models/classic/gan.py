"""The generative adversarial network (Goodfellow et al. 2014), and what its descendants share with it."""

from typing import ClassVar, Protocol, Self

import torch
from torch import nn

from gan_models import processes
from gan_models.classic.network import DCGANDiscriminator, DCGANGenerator, Perceptron
from gan_models.nn.losses import discriminator_loss, generator_loss, saturating_generator_loss

SETTLING = 0.25  # share of a training over which its rates fall
Part = nn.Module | torch.optim.Optimizer


class Source(Protocol):
    """Where samples come from."""

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` samples, N×2 points or N×3×H×W pictures in [-1, 1], and the number of the kind of each."""


class GAN:
    """A generator that learns to deceive a discriminator that learns to see through it.

    Args:
        generator: From latents N×z_dim, and labels, to samples.
        discriminator: From samples, and labels, to N×1 logits.
        z_dim: Numbers of a latent.
        lr: Learning rate.
        lr_d: That of the discriminator, if it is another.
        saturating: Whether the generator plays the minimax game, whose gradient fades where the discriminator is
            sure; else it raises the discriminator's mistakes (section 3 of the paper).

    Attributes:
        frozen: While this is set the generator stays as it is; its gradient is still taken.
    """

    norm = "spectral"  # of a discriminator of pictures
    critic_steps = 1  # of the discriminator for one of the generator
    conditional = False  # whether the networks are told the labels
    for_points: ClassVar[dict[str, float]] = {"lr": 1e-3, "lr_d": 1e-4}  # what suits points in the plane
    for_pictures: ClassVar[dict[str, float]] = {}  # what suits pictures

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        z_dim: int,
        *,
        lr: float = 2e-4,
        lr_d: float | None = None,
        saturating: bool = False,
    ):
        self.generator, self.discriminator, self.z_dim, self.saturating = generator, discriminator, z_dim, saturating
        self.frozen = False
        self.optimizers = {"g": self.optimizer(generator, lr), "d": self.optimizer(discriminator, lr_d or lr)}

    @classmethod
    def of_points(cls, z_dim: int = 64, classes: int = 0, **options: float | bool) -> Self:
        """Return an untrained GAN of perceptrons, for points in the plane."""
        kinds = classes if cls.conditional else 0
        networks = Perceptron(z_dim, 2, classes=kinds), Perceptron(2, 1, classes=kinds)
        return cls(*networks, z_dim, **cls.for_points | options)

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
        """Return an untrained GAN of convolutions, for pictures of side×side pixels.

        With `norm` the discriminator has another normalisation than the family's; see `DCGANDiscriminator`.

        Raises:
            ValueError: The side is no power of two, or below 16.
        """
        kinds = classes if cls.conditional else 0
        generator = DCGANGenerator(z_dim, side, width, kinds)
        discriminator = DCGANDiscriminator(side, width, kinds, norm=norm or cls.norm)
        return cls(generator, discriminator, z_dim, **cls.for_pictures | options)

    def optimizer(self, network: nn.Module, lr: float) -> torch.optim.Optimizer:
        """Return what a network learns by."""
        return torch.optim.Adam(network.parameters(), lr=lr, betas=(0.5, 0.999))

    def parts(self) -> dict[str, Part]:
        """Return all that a checkpoint keeps."""
        return {"generator": self.generator, "discriminator": self.discriminator, **self.optimizers}

    def to(self, device: torch.device) -> Self:
        """Bring all networks to `device`, and return the GAN."""
        for part in self.parts().values():
            if isinstance(part, nn.Module):
                part.to(device, memory_format=torch.channels_last)
        return self

    def advance(self, done: float, steps: float = 1) -> None:
        """Let the rates fall evenly to nothing over the last quarter of the `steps`, of which so many are done.

        At full rates all that is drawn goes on changing together: Pokémon of one step were all red, while their
        average over many steps was not.
        """
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = optimizer.defaults["lr"] * min(1.0, (1 - done / steps) / SETTLING)

    def latents(self, count: int) -> torch.Tensor:
        """Return `count` latents, N×z_dim, normally distributed; drawn on the CPU, so that devices agree."""
        return processes.randn(count, self.z_dim).to(next(self.generator.parameters()).device)

    def step(self, source: Source, count: int) -> dict[str, float]:
        """Let both learn from batches of `count`, and return their losses."""
        for _ in range(self.critic_steps):
            losses = self.train_discriminator(*map(processes.share, source.batch(count)))
        losses |= self.train_generator(*map(processes.share, source.batch(count)))
        device = next(self.generator.parameters()).device
        means = processes.mean([torch.tensor(value, device=device) for value in losses.values()])
        return {name: value.item() for name, value in zip(losses, means, strict=True)}

    def train_discriminator(self, real: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
        """Let the discriminator learn from real samples and as many that the generator makes."""
        with torch.no_grad():
            fake = self.generator(self.latents(len(real)), labels)
        loss = self.discriminator_loss(real, fake, labels)
        descend(self.optimizers["d"], loss)
        return {"discriminator": loss.item()}

    def train_generator(self, real: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
        """Let the generator learn from what the discriminator says of as many samples as there are labels."""
        fake = self.generator(self.latents(len(labels)), labels)
        loss = self.generator_loss(real, fake, labels)
        descend(self.optimizers["g"], loss, self.frozen)
        return {"generator": loss.item()}

    def discriminator_loss(self, real: torch.Tensor, fake: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return how far the discriminator is from telling real samples from made ones."""
        return discriminator_loss(self.discriminator(real, labels), self.discriminator(fake, labels))

    def generator_loss(self, real: torch.Tensor, fake: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return how far the discriminator is from taking made samples for real ones.

        The real ones, of the same kinds, are for one that looks ahead.
        """
        logits = self.discriminator(fake, labels)
        return saturating_generator_loss(logits) if self.saturating else generator_loss(logits)


def descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor, frozen: bool = False) -> None:
    """Take a step down `loss` on the parameters of `optimizer` alone; of `frozen` ones only the gradient."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)  # what hasn't grown yet is not used
    for parameter, gradient in zip(parameters, processes.mean(gradients), strict=True):
        parameter.grad = gradient
    if not frozen:
        optimizer.step()


def gradient_norm(network: nn.Module) -> float:
    """Return the norm of the gradient of the last step."""
    norms = [parameter.grad.norm() for parameter in network.parameters() if parameter.grad is not None]
    return float(torch.stack(norms).norm())
