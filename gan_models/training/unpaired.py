"""Train two generators between two sets of pictures that come in no pairs (CycleGAN, Zhu et al. 2017)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import nn

from gan_models.checkpoints.save import save_half
from gan_models.device import training_precision
from gan_models.jobs import Step
from gan_models.nn.losses import least_squares
from gan_models.training import checkpoint
from gan_models.training.ema import EMA
from gan_models.training.history import History

SAVE_EVERY, REPORT_EVERY = 500, 20


class Sets(Protocol):
    """Where pictures of both kinds come from."""

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` pictures of A and as many of B, N×3×H×W, in the generators' range."""

    def validate(self, a_to_b: nn.Module, b_to_a: nn.Module) -> float:
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


def train_unpaired(
    gan: CycleGAN,
    sets: Callable[[int], Sets],
    out: Path,
    names: tuple[str, str | None],
    *,
    steps: int,
    batch_size: int,
    lr: float,
    seed: int,
    resume: bool,
) -> Iterator[Step]:
    """Train `gan`; leave the running averages of its generators in `out`.

    The rate is constant for the first half and then falls to zero. Yields a `Step` every 20 iterations; the last
    one's result is what `Sets.validate` says. Networks run in bfloat16 where the CPU has it.

    Args:
        gan: Generators and discriminators, in float32.
        sets: Makes the source of pictures from a seed.
        out: Folder for checkpoints and weights.
        names: Of the files for the generators to B and to A, without ".safetensors"; None for one that isn't kept.
        steps: Iterations in all.
        batch_size: Pictures of each kind in an iteration.
        lr: Learning rate of the first half.
        seed: Of the pictures.
        resume: Go on from the checkpoint in `out`.
    """
    gan = gan.to(memory_format=torch.channels_last)
    averages = {"a_to_b": EMA(gan.a_to_b), "b_to_a": EMA(gan.b_to_a)}
    sides = {
        "generators": [*gan.a_to_b.parameters(), *gan.b_to_a.parameters()],
        "discriminators": [*gan.discriminator_a.parameters(), *gan.discriminator_b.parameters()],
    }
    optimizers = {name: torch.optim.Adam(side, lr=lr, betas=(0.5, 0.999)) for name, side in sides.items()}
    schedules = {
        f"{name}' rate": torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, 2 - 2 * step / steps))
        for name, optimizer in optimizers.items()
    }
    histories = {f"history {kind}": history for kind, history in gan.histories.items()}
    parts = {"gan": gan, **averages, **optimizers, **schedules, **histories}
    step = checkpoint.load(out / "checkpoint.pt", parts) if resume else 0
    source = sets(seed + step)

    def validate() -> float:
        return source.validate(averages["a_to_b"].network, averages["b_to_a"].network)

    while step < steps:
        a, b = (side.contiguous(memory_format=torch.channels_last) for side in source.batch(batch_size))
        _learn(sides["discriminators"], False)
        with training_precision(torch.device("cpu")):
            terms, made = gan.generator_losses(a, b)
        _descend(optimizers["generators"], sum(term.float() for term in terms.values()))
        for name, average in averages.items():
            average.update(gan.get_submodule(name))
        _learn(sides["discriminators"], True)
        with training_precision(torch.device("cpu")):
            terms["discriminators"] = gan.discriminator_loss(made, a, b)
        _descend(optimizers["discriminators"], terms["discriminators"].float())
        for schedule in schedules.values():
            schedule.step()
        step += 1
        if step % REPORT_EVERY == 0:
            yield Step(step, steps, losses={name: value.item() for name, value in terms.items()})
        if step % SAVE_EVERY == 0 or step == steps:
            checkpoint.save(out / "checkpoint.pt", step, parts)
            yield Step(step, steps, message=f"validation {validate():.2f} dB")
    for name, average in zip(names, averages.values(), strict=True):
        if name:
            save_half(average.network.state_dict(), out / f"{name}.safetensors", {"steps": str(steps)})
    yield Step(steps, steps, message="done", result=validate())


def _learn(parameters: list[nn.Parameter], whether: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(whether)


def _descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
