"""Train a network on pairs of pictures: a content loss first, and after some steps a discriminator's verdict too."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import nn

from gan_models.checkpoints.save import save_half
from gan_models.device import training_precision
from gan_models.jobs import Step
from gan_models.nn import losses
from gan_models.training import checkpoint
from gan_models.training.ema import EMA

SAVE_EVERY, REPORT_EVERY = 500, 20
PENALTY_WEIGHT = 10.0


class Pairs(Protocol):
    """Where pairs come from."""

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` degraded pictures and their originals, N×3×H×W in [0, 1]."""

    def validate(self, network: nn.Module) -> float:
        """Return the PSNR in dB that `network` reaches on pictures that are held out."""


class Conditional:
    """CANDY's adversarial losses, conditional least squares: the discriminator sees pairs."""

    bfloat16 = True  # bears it

    def __init__(self, discriminator: nn.Module):
        self.discriminator = discriminator

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


class Wasserstein:
    """DeblurGAN's adversarial losses: a critic of single pictures with a gradient penalty (Gulrajani et al. 2017)."""

    bfloat16 = False  # which its penalty, a second derivative, does not bear

    def __init__(self, discriminator: nn.Module):
        self.discriminator = discriminator

    def generator_loss(self, degraded: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        """Return the critic's score, negated."""
        return -self.discriminator(made).mean()

    def discriminator_loss(self, degraded: torch.Tensor, made: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
        """Return the negated distance, with the penalty on the gradient between made and original pictures."""
        loss = losses.critic_loss(self.discriminator(original), self.discriminator(made))
        return loss + PENALTY_WEIGHT * losses.gradient_penalty(self.discriminator, original, made)


def train_paired(
    name: str,
    out: Path,
    pairs: Callable[[int], Pairs],
    network: nn.Module,
    content: Callable[[torch.Tensor, torch.Tensor], Mapping[str, torch.Tensor]],
    *,
    adversary: Conditional | Wasserstein | None,
    adversarial_weight: float,
    adversarial_from: int,
    steps: int,
    batch_size: int,
    lr: float,
    seed: int,
    resume: bool,
) -> Iterator[Step]:
    """Train `network`; leave the running average of its weights as `name`.safetensors in `out`.

    Yields a `Step` every 20 iterations; the last one's result is the validation PSNR in dB. The rate falls along a
    cosine. All but the gradient penalty runs in bfloat16 where the CPU has it.

    Args:
        name: Of the file.
        out: Folder for checkpoints and weights.
        pairs: Makes the source of pairs from a seed.
        network: The generator, in float32.
        content: The terms of the loss, weighted, by name, of what was made and the originals.
        adversary: What the discriminator is and what it wants; None for none.
        adversarial_weight: Of its verdict, beside the content's terms.
        adversarial_from: The first step that counts it; the discriminator begins to learn there.
        steps: Iterations in all.
        batch_size: Pairs in each.
        lr: Learning rate to begin with; the discriminator's is half of that, and stays.
        seed: Of the pairs.
        resume: Go on from the checkpoint in `out`.
    """
    network = network.to(memory_format=torch.channels_last)
    ema = EMA(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr, betas=(0.9, 0.99))
    parts = {"generator": network, "ema": ema, "optimizer": optimizer}
    if adversary:
        critic = adversary.discriminator.to(memory_format=torch.channels_last)
        d_optimizer = torch.optim.Adam(critic.parameters(), lr=lr / 2, betas=(0.5, 0.9))
        parts |= {"discriminator": critic, "d_optimizer": d_optimizer}
    step = checkpoint.load(out / "checkpoint.pt", parts) if resume else 0
    source = pairs(seed + step)
    while step < steps:
        degraded, original = (side.contiguous(memory_format=torch.channels_last) for side in source.batch(batch_size))
        adversarial = adversary is not None and step >= adversarial_from
        with training_precision(torch.device("cpu")):
            made = network(degraded)
            terms = dict(content(made, original))
            if adversarial:
                critic.requires_grad_(False)
                terms["adversarial"] = adversarial_weight * adversary.generator_loss(degraded, made)
                critic.requires_grad_(True)
        loss = sum(term.float() for term in terms.values())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.step()
        ema.update(network)
        if adversarial:
            with training_precision(torch.device("cpu")) if adversary.bfloat16 else nullcontext():
                d_loss = adversary.discriminator_loss(degraded, made.detach().float(), original)
            d_optimizer.zero_grad()
            d_loss.backward()
            d_optimizer.step()
            terms["discriminator"] = d_loss
        step += 1
        if step % REPORT_EVERY == 0:
            yield Step(step, steps, losses={term: value.item() for term, value in terms.items()})
        if step % SAVE_EVERY == 0 or step == steps:
            checkpoint.save(out / "checkpoint.pt", step, parts)
            yield Step(step, steps, message=f"validation {source.validate(ema.network):.2f} dB")
    save_half(ema.network.state_dict(), out / f"{name}.safetensors", {"steps": str(steps)})
    yield Step(steps, steps, message="done", result=source.validate(ema.network))


def mean_errors(made: torch.Tensor, original: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the squared and the smooth absolute error of N×3×H×W pictures in [0, 1], as CANDY counts them."""
    made = made.float()
    return {"squared": F.mse_loss(made, original), "smooth": F.smooth_l1_loss(made, original, beta=0.1)}
