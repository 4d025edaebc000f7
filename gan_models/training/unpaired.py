"""Train two generators between two sets of pictures that come in no pairs (CycleGAN, Zhu et al. 2017)."""

from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gan_models.device import training_precision
from gan_models.nn.losses import least_squares
from gan_models.training.datasets import Batches
from gan_models.training.ema import EMA
from gan_models.training.history import History
from gan_models.training.loop import Network, Report, Trainer, descend, frozen


class Sets(Protocol):
    """Where pictures of both kinds come from."""

    def batch(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` pictures of A and as many of B, N×3×H×W, in the generators' range."""

    def validate(self, a_to_b: Network, b_to_a: Network) -> float:
        """Return a PSNR in dB that tells how well both generators do on pictures that are held out."""


class CycleGAN(nn.Module):
    """Two generators and two discriminators (sections 3.1, 3.2 and 5.2 of the paper).

    Args:
        generator: Makes an untrained generator.
        discriminator: Makes an untrained discriminator.
        cycle_weight: Of the difference between a picture and what comes back of it.
        identity_weight: Of the difference between a picture and what a generator to its own kind makes of it; 0 for
            none.

    Attributes:
        a_to_b: Generator from A to B.
        b_to_a: The other way.
        discriminator_a: Tells pictures of A from what `b_to_a` makes.
        discriminator_b: Tells pictures of B from what `a_to_b` makes.
    """

    def __init__(
        self,
        generator: Callable[[], nn.Module],
        discriminator: Callable[[], nn.Module],
        cycle_weight: float,
        identity_weight: float,
    ):
        super().__init__()
        self.a_to_b, self.b_to_a = generator(), generator()
        self.discriminator_a, self.discriminator_b = discriminator(), discriminator()
        self.cycle_weight, self.identity_weight = cycle_weight, identity_weight
        self.histories = {"a": History(), "b": History()}

    def generator_losses(self, a: torch.Tensor, b: torch.Tensor) -> tuple[dict[str, torch.Tensor], ...]:
        """Return the terms of the generators' loss by name, and the pictures that they made, by kind."""
        made = {"b": self.a_to_b(a), "a": self.b_to_a(b)}
        again = self.b_to_a(made["b"]), self.a_to_b(made["a"])
        scores = self.discriminator_b(made["b"]), self.discriminator_a(made["a"])
        adversarial = least_squares(scores[0], 1) + least_squares(scores[1], 1)
        terms = {
            "adversarial": adversarial,
            "cycle": self.cycle_weight * (F.l1_loss(again[0], a) + F.l1_loss(again[1], b)),
        }
        if self.identity_weight:
            same = F.l1_loss(self.b_to_a(a), a) + F.l1_loss(self.a_to_b(b), b)
            terms["identity"] = self.identity_weight * same
        return terms | self.further_losses(a, b, made, again), made

    def further_losses(
        self,
        a: torch.Tensor,
        b: torch.Tensor,
        made: dict[str, torch.Tensor],
        again: tuple[torch.Tensor, torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        """Return what a subclass adds to these terms: nothing here.

        Args:
            a: Pictures of A.
            b: Pictures of B.
            made: What the generators made of them, under the name of its kind.
            again: What came back, first of A.
        """
        return {}

    def discriminator_loss(self, made: dict[str, torch.Tensor], a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return how far the discriminators are from telling pictures of each history from real ones."""
        loss = a.new_zeros(())
        for kind, discriminator, real in (("a", self.discriminator_a, a), ("b", self.discriminator_b, b)):
            fake = self.histories[kind].exchange(made[kind])
            loss = loss + least_squares(discriminator(fake), 0) + least_squares(discriminator(real), 1)
        return loss / 2


class Unpaired(Trainer):
    """A CycleGAN that learns from two sets of pictures; what is kept are running averages of its generators.

    The rate is constant for the first half and then falls to zero. Networks run in bfloat16 where the device has it.

    Args:
        data: Folder of pictures.

    Attributes:
        names: Of the files of weights, of the generators to B and to A.
        batch_size: Pictures of either kind in a step.
        lr: Learning rate of the first half.
    """

    data: Path
    names = ("a-to-b", "b-to-a")
    batch_size: int = field(init=False, default=1)
    lr: float = field(init=False)

    def networks(self) -> CycleGAN:
        """Return generators and discriminators, in float32."""
        raise NotImplementedError

    def sets(self) -> Sets:
        """Return where pictures come from."""
        raise NotImplementedError

    def build(self) -> None:
        """Make the networks and what they learn by, and open both sets."""
        self.gan = gan = self.networks().to(self.device, memory_format=torch.channels_last)
        self.averages = {"a_to_b": EMA(gan.a_to_b), "b_to_a": EMA(gan.b_to_a)}
        self.discriminators = nn.ModuleList([gan.discriminator_a, gan.discriminator_b])
        sides = {"generators": nn.ModuleList([gan.a_to_b, gan.b_to_a]), "discriminators": self.discriminators}
        self.optimizers = {
            name: torch.optim.Adam(side.parameters(), lr=self.lr, betas=(0.5, 0.999)) for name, side in sides.items()
        }
        histories = {f"history {kind}": history for kind, history in gan.histories.items()}
        self.parts = {"gan": gan, **self.averages, **self.optimizers, **histories}
        self.source = self.sets()
        self.batches = self.parts["batches"] = Batches(self.source, self.batch_size, self.seed, self.device)

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """Let the generators learn from a batch of either kind, and then the discriminators."""
        a, b = self.batch(*next(self.batches))
        for optimizer in self.optimizers.values():
            optimizer.param_groups[0]["lr"] = self.lr * min(1.0, 2 - 2 * index / self.steps)
        with training_precision(self.device), frozen(self.discriminators):
            terms, made = self.gan.generator_losses(a, b)
        descend(self.optimizers["generators"], sum(term.float() for term in terms.values()))
        for name, average in self.averages.items():
            average.update(self.gan.get_submodule(name))
        with training_precision(self.device):
            terms["discriminators"] = self.gan.discriminator_loss(made, a, b)
        descend(self.optimizers["discriminators"], terms["discriminators"].float())
        return terms

    def validate(self) -> Report:
        """Return the PSNR in dB that the averages reach on pictures that are held out."""
        found = self.source.validate(*(self.from_cpu(average.network) for average in self.averages.values()))
        return Report(f"validation {found:.2f} dB", result=found)

    def weights(self) -> dict:
        """Return both averages."""
        averages = zip(self.names, self.averages.values(), strict=True)
        return {name: (average.network.state_dict(), {"steps": str(self.done)}) for name, average in averages}
