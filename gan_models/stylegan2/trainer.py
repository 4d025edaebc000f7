"""Train StyleGAN2 with adaptive discriminator augmentation on a folder of pictures.

Karras et al. 2020a and 2020b, with what makes it fit a CPU: bfloat16, one batch of drawn pictures for both networks'
steps, lazy regularisation (2020a, section 3.1) in float32, of path lengths on part of a batch.
"""

from dataclasses import field
from math import inf
from pathlib import Path

import numpy as np
import torch
from torch import nn

from gan_models import processes
from gan_models.device import training_precision
from gan_models.images.tensors import to_sheet
from gan_models.nn.losses import discriminator_loss, generator_loss, r1_penalty
from gan_models.stylegan2.network import Discriminator, Generator
from gan_models.training.augment import AdaptiveAugment
from gan_models.training.datasets import Pictures, squares
from gan_models.training.ema import EMA
from gan_models.training.loop import Report, Trainer, descend, frozen

R1_EVERY, R1_WEIGHT = 16, 0.1
PATH_EVERY, PATH_SHARE = 8, 4  # every 8 steps on a quarter of a batch
STYLE_MIXING = 0.5
EMA_HALF_LIFE = 10_000  # pictures
SHEET = 8  # pictures a side


class PathLength(nn.Module):
    """Penalty that keeps the length of a step in the picture per step in w the same everywhere (2020a, eq. 4)."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros([]))

    def forward(self, pictures: torch.Tensor, ws: torch.Tensor) -> torch.Tensor:
        """Return how far the lengths of N pictures, drawn from N×L×D `ws`, are from their average, squared."""
        noise = torch.randn_like(pictures) / (pictures.shape[2] * pictures.shape[3]) ** 0.5
        (gradient,) = torch.autograd.grad((pictures * noise).sum(), ws, create_graph=True)
        lengths = gradient.square().sum(2).mean(1).sqrt()
        self.mean.lerp_(lengths.detach().mean(), 0.01)
        return (lengths - self.mean).square().mean()


def adam(network: nn.Module, lr: float, every: float = inf) -> torch.optim.Adam:
    """Return Adam with betas 0 and 0.99, corrected for a regulariser that has a step of its own `every` steps."""
    share = 1 / (1 + 1 / every)
    return torch.optim.Adam(network.parameters(), lr=lr * share, betas=(0.0, 0.99**share))


def mixed_styles(generator: Generator, count: int, device: torch.device) -> torch.Tensor:
    """Return N×num_ws×w_dim of random latents; half of them change to a second one at a random layer."""
    first, second = generator.mapping(torch.randn(2 * count, generator.z_dim, device=device)).chunk(2)
    generator.mapping.track(first[:, 0].detach())
    layers = generator.num_ws
    change = torch.where(torch.rand(count) < STYLE_MIXING, torch.randint(1, layers, (count,)), layers)
    own = torch.arange(layers) < change[:, None]
    return torch.where(own[:, :, None].to(device), first, second)


@torch.inference_mode()
def sheet(generator: Generator, seed: int = 0, truncation: float = 1) -> np.ndarray:
    """Return 8×8 pictures of fixed latents as one, uint8."""
    device = generator.mapping.w_avg.device
    z = torch.randn(SHEET**2, generator.z_dim, generator=torch.Generator().manual_seed(seed)).to(device)
    pictures = torch.cat([generator(part, None, truncation, noise_mode="const") for part in z.split(SHEET)])
    return to_sheet((pictures + 1) / 2, SHEET)


class ADATrainer(Trainer):
    """What has a discriminator that sees augmented pictures.

    Attributes:
        reals: The pictures to learn from, squares of one size.
        discriminator: From N×3×H×W to N×1 logits.
        d_optimizer: What it learns by.
        augment: What it is shown pictures through.
    """

    reals: Pictures = field(init=False)
    discriminator: Discriminator = field(init=False)
    d_optimizer: torch.optim.Optimizer = field(init=False)
    augment: AdaptiveAugment = field(init=False)

    def real_batch(self, count: int) -> torch.Tensor:
        """Return this process's share of `count` random pictures, mirrored at random, N×3×side×side in [-1, 1]."""
        pictures = self.reals.batch(torch.randint(len(self.reals), (count,)))
        pictures, mirrored = self.batch(pictures, torch.rand(count, 1, 1, 1) < 0.5)
        pictures = pictures / 127.5 - 1  # on the device, where bytes travel fast to
        return torch.where(mirrored, pictures.flip(3), pictures)

    def train_discriminator(self, real: torch.Tensor, fake: torch.Tensor, index: int) -> torch.Tensor:
        """Let the discriminator tell `real` from `fake`, N×3×H×W in [-1, 1], and return its loss."""
        with training_precision(self.device):
            real_logits = self.discriminator(self.augment(real))  # apart from the drawn, for minibatch deviation
            fake_logits = self.discriminator(self.augment(fake))
        loss = discriminator_loss(real_logits, fake_logits)
        (sign,) = processes.mean([real_logits.detach().sign().mean()])
        self.augment.adapt(sign.item(), len(real) * processes.count())
        descend(self.d_optimizer, loss)
        if index % R1_EVERY == 0:
            pictures = self.augment(real).requires_grad_()
            penalty = r1_penalty(self.discriminator(pictures), pictures)
            descend(self.d_optimizer, R1_WEIGHT / 2 * R1_EVERY * penalty)
        return loss


class StyleGAN2(ADATrainer):
    """Train StyleGAN2-ADA on pictures, cut to squares and mirrored; leave `generator.safetensors`.

    Args:
        data: Folder of pictures.
        steps: Iterations.
        resolution: Side of the pictures, a power of 2.
        batch_size: Pictures in an iteration.
        lr: Learning rate.
        path_weight: Of the path length: 2 in the paper, which makes w smoother, 0 in NVIDIA's own setting for small
            pictures, which learns faster.
        width: Channels at the full resolution; twice as many at half of it, and so on.
        channels: Of a layer at the most.
    """

    data: Path
    steps: int = 20_000
    resolution: int = 64
    batch_size: int = 32
    lr: float = 2e-3
    path_weight: float = 0
    width: int = 32
    channels: int = 128
    latent, mapping_layers = 128, 4
    augmentation = AdaptiveAugment

    def build(self) -> None:
        """Make both networks and what they learn by, and open the pictures."""
        sizes = {
            "img_resolution": self.resolution,
            "img_channels": 3,
            "channel_base": self.width * self.resolution,
            "channel_max": self.channels,
        }
        self.generator = Generator(self.latent, 0, self.latent, num_mapping_layers=self.mapping_layers, **sizes)
        self.discriminator = Discriminator(0, **sizes)
        for network in (self.generator, self.discriminator):
            network.to(self.device, memory_format=torch.channels_last)
        self.ema = EMA(self.generator, decay=0.5 ** (self.batch_size / EMA_HALF_LIFE))
        self.g_optimizer = adam(self.generator, self.lr, PATH_EVERY if self.path_weight else inf)
        self.d_optimizer = adam(self.discriminator, self.lr, R1_EVERY)
        self.augment, self.path_length = self.augmentation().to(self.device), PathLength().to(self.device)
        names = ("generator", "discriminator", "ema", "g_optimizer", "d_optimizer", "augment", "path_length")
        self.parts = {name: getattr(self, name) for name in names}
        self.reals = squares(self.data, self.resolution)

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """Let the discriminator learn, and then the generator, each with its regulariser now and then."""
        real = self.real_batch(self.batch_size)
        with training_precision(self.device):
            fake = self.generator.synthesis(self.styles(self.batch_size))
        d_loss = self.train_discriminator(real, fake.detach(), index)
        with frozen(self.discriminator):
            with training_precision(self.device):
                g_loss = generator_loss(self.discriminator(self.augment(fake)))
            descend(self.g_optimizer, g_loss)
            if self.path_weight and index % PATH_EVERY == 0:
                ws = self.styles(max(processes.count(), self.batch_size // PATH_SHARE))
                penalty = self.path_length(self.generator.synthesis(ws), ws)
                descend(self.g_optimizer, self.path_weight * PATH_EVERY * penalty)
        self.ema.update(self.generator)
        return {"generator": g_loss, "discriminator": d_loss, "augmentation": self.augment.p}

    def styles(self, count: int) -> torch.Tensor:
        """Return N×num_ws×w_dim: this process's share of so many random latents."""
        return processes.share(mixed_styles(self.generator, count, self.device))

    def validate(self) -> Report:
        """Return a sheet of what the average draws."""
        picture = sheet(self.ema.network)
        return Report(f"{self.done * self.batch_size} pictures", picture, result=picture)

    def weights(self) -> dict:
        """Return the average."""
        return {"generator": (self.ema.network.state_dict(), {"pictures": str(self.done * self.batch_size)})}
