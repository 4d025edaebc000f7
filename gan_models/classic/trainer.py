"""Train a family of GANs on pictures, in the page and from the command line."""

from collections.abc import Callable
from dataclasses import field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from gan_models import processes
from gan_models.classic import model
from gan_models.classic.evaluation import HELD_OUT, PART, SAMPLES, Evaluator, draw
from gan_models.classic.families import family as family_of
from gan_models.classic.gan import gradient_norm
from gan_models.classic.network import NORMS, Autoencoder
from gan_models.classic.pictures import HUE, Pictures, from_folder
from gan_models.device import training_precision
from gan_models.images.tensors import to_sheet
from gan_models.training.checkpoint import About
from gan_models.training.ema import EMA
from gan_models.training.loop import Report, Trainer

SIDES, MAX_STEPS, BATCHES = (16, 32, 64, 128), 200_000, (4, 128)
MAX_KINDS, MAX_RATE = 50, 0.1
SHEET = 6  # pictures in a row and a column of a sheet
LEAST_BETWEEN = 25  # steps from one estimate to the next, or an epoch if that is longer
EMA_DECAY = 0.995


class Classic(Trainer):
    """Train a family of GANs on pictures; leave `model.safetensors`, the running average of the generator.

    A tenth of the pictures is held out. Rates fall to nothing over the last quarter of the steps. Each step is
    reported; at each epoch, or every 25 steps if that is longer, come a sheet of 36 fixed latents, FID and the
    Inception Score. The result is the average, with the arguments that `model.save` takes: network, config, kinds.

    Args:
        pictures: What is learned from.
        family: A name in `families.FAMILIES`.
        steps: Iterations of the generator, 1 to 200,000.
        batch_size: Pictures of an iteration, 4 to 128.
        z_dim: Numbers of a latent.
        width: Channels at the largest size, if not the usual ones.
        norm: Normalisation of the discriminator, if not the usual one: "spectral", "batch" or "none".
        lr: Learning rate, up to 0.1, if not the usual one; a family's own one for the discriminator stays.
        lr_d: That of the discriminator, likewise.

    Raises:
        ValueError: An argument is out of its range, or the family is unknown or needs kinds.
    """

    pictures: Pictures
    family: str
    steps: int = 2000
    batch_size: int = 32
    z_dim: int = 128
    width: int | None = None
    norm: str | None = None
    lr: float | None = None
    lr_d: float | None = None
    name = "model"
    report_every = 1

    def __post_init__(self) -> None:
        kind = family_of(self.family)
        if not isinstance(self.steps, int) or not 1 <= self.steps <= MAX_STEPS:
            raise ValueError(f"There must be 1 to {MAX_STEPS} steps, not {self.steps}.")
        if self.batch_size % processes.count():
            several = f"{processes.count()} processes"
            raise ValueError(f"{several} can't share a batch of {self.batch_size} pictures evenly.")
        if not BATCHES[0] <= self.batch_size <= BATCHES[1]:
            raise ValueError(f"A batch has {BATCHES[0]} to {BATCHES[1]} pictures, not {self.batch_size}.")
        if kind.conditional and not 2 <= len(self.pictures.kinds) <= MAX_KINDS:
            raise ValueError(f"A conditional GAN learns 2 to {MAX_KINDS} kinds: bring a ZIP with a folder for each.")
        for name, value in {"z_dim": self.z_dim, "width": self.width}.items():
            low, high = model.LIMITS[name]
            if value is not None and not low <= value <= high:
                raise ValueError(f"The {name} must be {low} to {high}, not {value}.")
        for rate in (self.lr, self.lr_d):
            if rate is not None and not 0 < rate <= MAX_RATE:
                raise ValueError(f"A learning rate must be above 0 and at most {MAX_RATE}, not {rate:g}.")
        if self.norm is not None and self.norm not in NORMS:
            raise ValueError(f"The normalisation must be one of {', '.join(NORMS)}, not “{self.norm}”.")
        if self.norm is not None and kind.norm == "none":
            raise ValueError(f"The discriminator of the family “{self.family}” bears no normalisation.")
        self.learned, self.held_out = self.pictures.split(HELD_OUT)
        self.side = self.pictures.pixels.shape[2]
        self.kinds = self.pictures.kinds if kind.conditional else ()
        self.validate_every = max(LEAST_BETWEEN, len(self.learned) // self.batch_size)

    @property
    def summary(self) -> str:
        """What is learned from, in a few words."""
        return f"{len(self.learned)} pictures of {self.side} pixels learned, {len(self.held_out)} held out"

    def build(self) -> None:
        """Make the networks and what they learn by."""
        options = {"width": self.width, "norm": self.norm, "lr": self.lr, "lr_d": self.lr_d}
        chosen = {name: value for name, value in options.items() if value is not None}
        build = family_of(self.family).of_pictures
        self.gan = build(self.side, z_dim=self.z_dim, classes=len(self.kinds), **chosen).to(self.device)
        self.ema = EMA(self.gan.generator, EMA_DECAY)
        about = About(family=self.family, kinds=list(self.kinds))
        self.parts = {"training": about, **self.gan.parts(), "ema": self.ema}
        self.learned.device = self.device
        fixed = torch.randn(SAMPLES, self.z_dim, generator=torch.Generator().manual_seed(0))
        self.latents, self.labels = fixed.to(self.device), torch.arange(SAMPLES).to(self.device)
        self.labels %= max(1, len(self.kinds))

    def begin(self) -> None:
        """Refuse a training that has had its steps: its rates have fallen to nothing.

        Raises:
            ValueError: It has.
        """
        if self.done >= self.steps:
            raise ValueError(f"That training has had {self.done} steps; ask for more in all, or begin a new one.")

    def step(self, index: int) -> dict[str, float]:
        """Let the family take a step, and the average follow."""
        self.gan.advance(index, self.steps)
        with training_precision(self.device):
            losses = self.gan.step(self.learned, self.batch_size)
        self.ema.update(self.gan.generator)
        return losses | {"gradient of the generator": gradient_norm(self.gan.generator)}

    @cached_property
    def evaluator(self) -> Evaluator:
        """What scores the generator."""
        return Evaluator(self.held_out, self.device)

    def validate(self) -> Report:
        """Return what the average draws of the fixed latents, and its scores.

        Averaged weights need means and variances of their own in batch normalisation: with those of the weights that
        they were averaged from, pictures are dull (Izmailov et al. 2018, section 3.2).
        """
        network = self.ema.network
        rows = torch.arange(SAMPLES).split(PART)
        update_bn(rows, Applied(network, lambda part: network(self.latents[part], self.labels[part])))
        if isinstance(network, Autoencoder):
            seen = self.learned.pixels[:SAMPLES].to(self.device).float() / 127.5 - 1
            update_bn(seen.split(PART), Applied(network.encoder, network.encode))
        drawn = draw(network, self.latents, self.labels, self.side)
        scores = self.evaluator(drawn)
        picture = to_sheet((drawn[: SHEET**2] + 1) / 2, SHEET)
        return Report(f"FID {scores['FID']:.2f}", picture, scores, (network, self.config, self.kinds))

    @property
    def config(self) -> dict[str, int]:
        """The arguments that the generator was built with."""
        return config_of(self.gan.generator, self.side)

    def weights(self) -> dict:
        """Return the average, with how it is built."""
        network = self.ema.network
        return {self.name: (network.state_dict(), model.metadata(network, self.config, self.kinds))}


class Applied(nn.Module):
    """What is to be done with each batch by which `update_bn` renews the statistics of `network`."""

    def __init__(self, network: nn.Module, function: Callable[[torch.Tensor], Any]):
        super().__init__()
        self.network, self.forward = network, function
        self.eval()


def config_of(network: nn.Module, side: int) -> dict[str, int]:
    """Return the arguments that a generator of pictures was built with."""
    config = {"z_dim": network.z_dim, "side": side, "width": network.width}
    return config | ({"classes": network.classes} if network.classes else {})


class OfFolder(Classic):
    """Train a family of GANs on pictures; leave `FAMILY.safetensors`, the running average of the generator.

    Args:
        data: Folder of pictures; for "cgan" with a folder for each kind.
        side: Of the pictures: 16, 32, 64 or 128.
        tile: If given, each file is a mosaic of pictures of so many pixels a side.
        trim: Cut the square round what stands out from an even background, not from the middle.
        hue: Standard deviation of the angle by which colours are turned at random, in radians, 0 to π.

    Raises:
        ValueError: There are too few pictures, or an option is out of its range.
    """

    pictures: Pictures = field(init=False, repr=False)
    data: Path
    side: int = 64
    tile: int | None = None
    trim: bool = False
    hue: float = HUE

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise ValueError(f"The side must be one of {', '.join(map(str, SIDES))} pixels, not {self.side}.")
        if self.tile is not None and self.tile < 1:
            raise ValueError(f"A tile has a pixel a side at least, not {self.tile}.")
        self.pictures = from_folder(self.data, self.side, tile=self.tile, trim=self.trim, hue=self.hue)
        self.name = self.family
        super().__post_init__()


train_gan = partial(OfFolder, family="gan")
train_cgan = partial(OfFolder, family="cgan")
train_dcgan = partial(OfFolder, family="dcgan")
train_unrolled = partial(OfFolder, family="unrolled")
train_wgan = partial(OfFolder, family="wgan")
train_wgan_gp = partial(OfFolder, family="wgan-gp")
train_aegan = partial(OfFolder, family="aegan")
train_progressive = partial(OfFolder, family="progressive")
