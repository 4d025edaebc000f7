"""Train a network on pairs of pictures: a content loss first, and after some steps a discriminator's verdict too."""

import math
from contextlib import nullcontext
from dataclasses import field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gan_models.device import training_precision
from gan_models.nn import losses
from gan_models.training.datasets import Batches
from gan_models.training.ema import EMA
from gan_models.training.loop import Network, Report, Trainer, descend, frozen

PENALTY_WEIGHT = 10.0


class Pairs(Protocol):
    """Where pairs come from."""

    def batch(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` degraded pictures and their originals, N×C×H×W."""

    def validate(self, network: Network) -> float:
        """Return the PSNR in dB that `network` reaches on pictures that are held out."""


class Conditional:
    """CANDY's adversarial losses, conditional least squares: the discriminator sees pairs."""

    bfloat16 = True  # bears it

    def __init__(self, discriminator: nn.Module):
        self.discriminator = discriminator

    def optimizer(self, lr: float) -> torch.optim.Optimizer:
        """Return what the discriminator learns by where the network's rate begins at `lr`: half of that, to stay."""
        return torch.optim.Adam(self.discriminator.parameters(), lr=lr / 2, betas=(0.5, 0.9))

    def generator_loss(self, degraded: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        """Return how far the discriminator is from taking what was made for an original."""
        return losses.least_squares(self.discriminator(torch.cat([degraded, made], 1)), 1)

    def discriminator_loss(self, degraded: torch.Tensor, made: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
        """Return how far it is from telling them apart."""
        fake = self.discriminator(torch.cat([degraded, made], 1))
        real = self.discriminator(torch.cat([degraded, original], 1))
        return (losses.least_squares(fake, 0) + losses.least_squares(real, 1)) / 2


class CrossEntropy(Conditional):
    """pix2pix's conditional adversarial losses (Isola et al. 2017, equation 1), which do not saturate."""

    def generator_loss(self, degraded: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        """Return -log D(x, G(x))."""
        return losses.generator_loss(self.discriminator(torch.cat([degraded, made], 1)))

    def discriminator_loss(self, degraded: torch.Tensor, made: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
        """Return half of -log D(x, y) - log(1 - D(x, G(x))), to slow the discriminator (section 3.3)."""
        real, fake = (self.discriminator(torch.cat([degraded, picture], 1)) for picture in (original, made))
        return losses.discriminator_loss(real, fake) / 2


class Wasserstein(Conditional):
    """DeblurGAN's adversarial losses: a critic of single pictures with a gradient penalty (Gulrajani et al. 2017)."""

    bfloat16 = False  # which its penalty, a second derivative, does not bear

    def generator_loss(self, degraded: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        """Return the critic's score, negated."""
        return -self.discriminator(made).mean()

    def discriminator_loss(self, degraded: torch.Tensor, made: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
        """Return the negated distance, with the penalty on the gradient between made and original pictures."""
        loss = losses.critic_loss(self.discriminator(original), self.discriminator(made))
        return loss + PENALTY_WEIGHT * losses.gradient_penalty(self.discriminator, original, made)


class Paired(Trainer):
    """A network that learns to restore what was degraded; what is kept is the running average of its weights.

    The network's rate falls along a cosine. All but the gradient penalty runs in bfloat16 where the device has it.

    Args:
        data: Folder of pictures.

    Attributes:
        name: Of the file of weights.
        batch_size: Pairs in a step.
        lr: Learning rate to begin with.
        adversarial_weight: Of the discriminator's verdict, beside the content's terms.
        adversarial_from: The first step that counts it; the discriminator begins to learn there.
        clip: Norm of the network's gradient at the most; None for any.
        decay: Of the running average.
    """

    data: Path
    name = ""
    batch_size: int = field(init=False)
    lr: float = field(init=False)
    adversarial_weight = 1.0
    adversarial_from = 0
    clip: float | None = field(init=False, default=1.0)
    decay = 0.999

    def networks(self) -> tuple[nn.Module, Conditional | None]:
        """Return the network in float32, and its adversary if it has one."""
        raise NotImplementedError

    def pairs(self) -> Pairs:
        """Return where pairs come from."""
        raise NotImplementedError

    def content(self, made: torch.Tensor, original: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the terms of the loss, weighted, by name, of what was made and the originals, N×3×H×W."""
        raise NotImplementedError

    def rates(self, index: int) -> None:
        """Set the learning rates of step `index`."""
        self.optimizer.param_groups[0]["lr"] = self.lr * (1 + math.cos(math.pi * index / self.steps)) / 2

    def build(self) -> None:
        """Make the networks and what they learn by, and open the pairs."""
        self.network, self.adversary = self.networks()
        self.network.to(self.device, memory_format=torch.channels_last)
        self.ema = EMA(self.network, self.decay)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=self.lr, betas=(0.9, 0.99))
        self.parts = {"generator": self.network, "ema": self.ema, "optimizer": self.optimizer}
        if self.adversary:
            discriminator = self.adversary.discriminator.to(self.device, memory_format=torch.channels_last)
            self.d_optimizer = self.adversary.optimizer(self.lr)
            self.parts |= {"discriminator": discriminator, "d_optimizer": self.d_optimizer}
        self.source = self.pairs()
        self.batches = self.parts["batches"] = Batches(self.source, self.batch_size, self.seed, self.device)

    def next_pair(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return degraded pictures and their originals, N×C×H×W, on the device."""
        degraded, original = self.batch(*next(self.batches))
        return degraded, original

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """Bring the network's pictures nearer to the originals, and let the discriminator tell them apart."""
        degraded, original = self.next_pair()
        adversary = self.adversary if index >= self.adversarial_from else None
        with training_precision(self.device):
            made = self.network(degraded)
            terms = self.content(made, original)
            if adversary:
                with frozen(adversary.discriminator):
                    terms["adversarial"] = self.adversarial_weight * adversary.generator_loss(degraded, made)
        self.rates(index)
        descend(self.optimizer, sum(term.float() for term in terms.values()), self.clip)
        self.ema.update(self.network)
        if adversary:
            with training_precision(self.device) if adversary.bfloat16 else nullcontext():
                d_loss = adversary.discriminator_loss(degraded, made.detach().float(), original)
            descend(self.d_optimizer, d_loss)
            terms["discriminator"] = d_loss
        return terms

    def validate(self) -> Report:
        """Return the PSNR in dB that the average reaches on pictures that are held out."""
        found = self.source.validate(self.from_cpu(self.ema.network))
        return Report(f"validation {found:.2f} dB", result=found)

    def weights(self) -> dict:
        """Return the average."""
        return {self.name: (self.ema.network.state_dict(), {"steps": str(self.done)})}


def mean_errors(made: torch.Tensor, original: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the squared and the smooth absolute error of N×3×H×W pictures in [0, 1], as CANDY counts them."""
    made = made.float()
    return {"squared": F.mse_loss(made, original), "smooth": F.smooth_l1_loss(made, original, beta=0.1)}
