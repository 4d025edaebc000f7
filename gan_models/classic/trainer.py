"""One training: what learns, what it learns from, and how far it is."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from torch import nn

from gan_models import processes
from gan_models.classic import model
from gan_models.classic.evaluation import HELD_OUT, PART, SAMPLES, Evaluator, draw
from gan_models.classic.families import family as family_of
from gan_models.classic.gan import gradient_norm
from gan_models.classic.network import Autoencoder
from gan_models.classic.pictures import Pictures
from gan_models.device import RandomStream, computing, training_precision
from gan_models.images.tensors import to_sheet
from gan_models.jobs import Step, uninterrupted
from gan_models.training import checkpoint
from gan_models.training.ema import EMA, renew_statistics

SHEET = 6  # pictures in a row and a column of a sheet
LEAST_BETWEEN = 25  # steps from one estimate to the next, or an epoch if that is longer
SAVE_SECONDS = 20
EMA_DECAY = 0.995
SHORT_OF_MEMORY = "The memory of this device is too short for this training; try smaller pictures or batches."


class Trainer:
    """What learns, what it learns from, and how far it is.

    Args:
        pictures: What is learned from, and in part only compared with.
        family: A name in `families.FAMILIES`.
        device: Where all is computed.
        batch_size: Pictures of an iteration.
        z_dim: Numbers of a latent.
        seed: Of all that is random.
        chosen: What the family's `of_pictures` takes besides.
    """

    def __init__(
        self,
        pictures: Pictures,
        family: str,
        device: torch.device,
        *,
        batch_size: int,
        z_dim: int,
        seed: int,
        **chosen: float,
    ):
        self.device, self.batch_size, self.family, self.step = device, batch_size, family, 0
        self.learned, self.held_out = pictures.split(HELD_OUT)
        self.learned.device = device
        self.evaluator, self.numbers = Evaluator(self.held_out, device), RandomStream(seed)
        self.side = pictures.pixels.shape[2]
        self.kinds = pictures.kinds if family_of(family).conditional else ()
        with self.numbers.drawn_from():
            build = family_of(family).of_pictures
            self.gan = build(self.side, z_dim=z_dim, classes=len(self.kinds), **chosen).to(device)
        self.ema = EMA(self.gan.generator, EMA_DECAY)
        self.parts = {"training": About(family, self.kinds), **self.gan.parts(), "ema": self.ema}
        self.latents = torch.randn(SAMPLES, z_dim, generator=torch.Generator().manual_seed(0)).to(device)
        self.labels = (torch.arange(SAMPLES) % max(1, len(self.kinds))).to(device)

    def until(self, steps: int, state: Path, target: Path | None) -> Iterator[Step]:
        """Go on until there are so many steps in all; see `train_on`."""
        self.resume(state, steps)
        every, saved, written = max(LEAST_BETWEEN, len(self.learned) // self.batch_size), monotonic(), self.step
        made = self.ema.network, config_of(self.ema.network, self.side), self.kinds
        try:
            while self.step < steps:
                losses = self.learn(steps)
                if not all(np.isfinite(value) for value in losses.values()):
                    written = self.step  # what was saved before is better than this
                    problem = f"The training of “{self.family}” has diverged at step {self.step}"
                    raise ValueError(f"{problem}; try a smaller rate.")
                yield Step(self.step, steps, losses=losses)
                if self.step % every == 0 or self.step == steps:
                    drawn, scores = self.evaluate()
                    sheet = to_sheet((drawn[: SHEET**2] + 1) / 2, SHEET)
                    if target is not None and processes.is_first():
                        model.save(*made, target)
                    text = f"FID {scores['FID']:.2f}"
                    yield Step(self.step, steps, preview=sheet, losses=scores, message=text)
                if monotonic() - saved > SAVE_SECONDS:
                    self.save(state)
                    saved, written = monotonic(), self.step
        finally:
            if self.step > written:
                self.save(state)
        text = f"{len(self.learned)} pictures of {self.side} pixels learned, {len(self.held_out)} held out"
        yield Step(steps, steps, preview=sheet, message=text, result=made)

    def learn(self, steps: int) -> dict[str, float]:
        """Take one step of so many in all, and return its losses and the norm of the generator's gradient."""
        with computing(self.device, SHORT_OF_MEMORY), uninterrupted(), self.numbers.drawn_from():
            self.gan.advance(self.step, steps)
            with training_precision(self.device):
                losses = self.gan.step(self.learned, self.batch_size)
            self.ema.update(self.gan.generator)
        self.step += 1
        return losses | {"gradient of the generator": gradient_norm(self.gan.generator)}

    def evaluate(self) -> tuple[torch.Tensor, dict[str, float]]:
        """Return what the averaged generator draws of the fixed latents, as `draw` does, and its scores.

        Its batch normalisation is brought in line with its weights before.
        """
        network = self.ema.network
        with computing(self.device, SHORT_OF_MEMORY):
            pairs = zip(self.latents.split(PART), self.labels.split(PART), strict=True)
            renew_statistics(network, [partial(network, z, label) for z, label in pairs])
            if isinstance(network, Autoencoder):
                seen = self.learned.pixels[:SAMPLES].to(self.device).float() / 127.5 - 1
                renew_statistics(network.encoder, [partial(network.encode, part) for part in seen.split(PART)])
            drawn = draw(network, self.latents, self.labels, self.side)
            return drawn, self.evaluator(drawn)

    def save(self, state: Path) -> None:
        """Write the checkpoint."""
        if processes.is_first():
            with self.numbers.drawn_from():  # whose place the checkpoint keeps
                checkpoint.save(state, self.step, self.parts)

    def resume(self, state: Path, steps: int) -> None:
        """Go on from the checkpoint, if there is one, for `steps` in all.

        Raises:
            ValueError: It is of another training, or has as many steps already.
        """
        if not state.exists():
            return
        try:
            with self.numbers.drawn_from():
                self.step = checkpoint.load(state, self.parts)
        except (KeyError, RuntimeError, ValueError):
            raise ValueError("That training was of another family or size; begin a new one for this.") from None
        if steps <= self.step:
            raise ValueError(f"That training has had {self.step} steps; ask for more in all, or begin a new one.")


class About:
    """What a checkpoint is of, so that it is not taken for another training's."""

    def __init__(self, family: str, kinds: tuple[str, ...]):
        self.about = {"family": family, "kinds": list(kinds)}

    def state_dict(self) -> dict:
        """Return what `load_state_dict` compares."""
        return self.about

    def load_state_dict(self, state: dict) -> None:
        """Compare.

        Raises:
            ValueError: It is of another training.
        """
        if state != self.about:
            raise ValueError("The checkpoint is of another training.")


def config_of(network: nn.Module, side: int) -> dict[str, int]:
    """Return the arguments that a generator of pictures was built with."""
    config = {"z_dim": network.z_dim, "side": side, "width": network.width}
    return config | ({"classes": network.classes} if network.classes else {})
