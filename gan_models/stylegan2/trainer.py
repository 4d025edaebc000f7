"""Train StyleGAN2 with adaptive discriminator augmentation on a folder of pictures.

Karras et al. 2020a and 2020b, with what makes it fit a CPU: bfloat16, one batch of drawn pictures for both networks'
steps, lazy regularisation (2020a, section 3.1) in float32, of path lengths on part of a batch.
"""

from collections.abc import Iterator
from math import inf
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from gan_models.checkpoints.save import save_half
from gan_models.device import pick_device, training_precision
from gan_models.images.tensors import to_sheet
from gan_models.jobs import Step
from gan_models.nn.losses import discriminator_loss, generator_loss, r1_penalty
from gan_models.stylegan2.network import Discriminator, Generator
from gan_models.training import checkpoint
from gan_models.training.augment import AdaptiveAugment
from gan_models.training.datasets import load_squares
from gan_models.training.ema import EMA

LATENT, MAPPING_LAYERS, CHANNELS = 128, 4, 128
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


class Reals:
    """Random batches of a set of pictures, mirrored at random."""

    def __init__(self, folder: Path, side: int):
        self.pictures = torch.from_numpy(load_squares(folder, side))

    def batch(self, count: int, device: torch.device) -> torch.Tensor:
        """Return N×3×side×side in [-1, 1]."""
        batch = self.pictures[torch.randint(len(self.pictures), (count,))].to(device) / 127.5 - 1
        return torch.where(torch.rand(count, 1, 1, 1).to(device) < 0.5, batch.flip(3), batch)


@torch.inference_mode()
def sheet(generator: Generator, seed: int = 0, truncation: float = 1) -> np.ndarray:
    """Return 8×8 pictures of fixed latents as one, uint8."""
    device = generator.mapping.w_avg.device
    z = torch.randn(SHEET**2, generator.z_dim, generator=torch.Generator().manual_seed(seed)).to(device)
    pictures = torch.cat([generator(part, None, truncation, noise_mode="const") for part in z.split(SHEET)])
    return to_sheet((pictures + 1) / 2, SHEET)


def train(
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    steps: int = 20_000,
    resolution: int = 64,
    batch_size: int = 32,
    lr: float = 2e-3,
    path_weight: float = 0,
    seed: int = 0,
) -> Iterator[Step]:
    """Train on the pictures below `data`, cut to squares and mirrored; leave `generator.safetensors` in `out`.

    `path_weight` is that of the path length: 2 in the paper, which makes w smoother, 0 in NVIDIA's own setting for
    small pictures, which learns faster.
    Yields a `Step` every 20 iterations, and one with a sheet of pictures at each checkpoint, which is written to
    `sheet.png` as well.

    Raises:
        ValueError: There are no pictures, or the resolution is no power of 2.
    """
    device = pick_device()
    torch.manual_seed(seed)
    sizes = {
        "img_resolution": resolution,
        "img_channels": 3,
        "channel_base": 32 * resolution,
        "channel_max": CHANNELS,
    }
    generator = Generator(LATENT, 0, LATENT, num_mapping_layers=MAPPING_LAYERS, **sizes)
    discriminator = Discriminator(0, **sizes)
    for network in (generator, discriminator):
        network.to(device, memory_format=torch.channels_last)
    ema = EMA(generator, decay=0.5 ** (batch_size / EMA_HALF_LIFE))
    g_optimizer = adam(generator, lr, PATH_EVERY if path_weight else inf)
    d_optimizer = adam(discriminator, lr, R1_EVERY)
    augment, path_length = AdaptiveAugment().to(device), PathLength().to(device)
    parts = {
        "generator": generator,
        "discriminator": discriminator,
        "ema": ema,
        "g_optimizer": g_optimizer,
        "d_optimizer": d_optimizer,
        "augment": augment,
        "path_length": path_length,
    }
    step = checkpoint.load(out / "checkpoint.pt", parts) if resume else 0
    reals = Reals(data, resolution)
    while step < steps:
        real = reals.batch(batch_size, device).contiguous(memory_format=torch.channels_last)
        with training_precision(device):
            fake = generator.synthesis(mixed_styles(generator, batch_size, device))
            real_logits = discriminator(augment(real))  # apart from the drawn ones, for the minibatch deviation
            fake_logits = discriminator(augment(fake.detach()))
        d_loss = discriminator_loss(real_logits, fake_logits)
        augment.adapt(real_logits.detach().sign().mean().item(), batch_size)
        update(d_optimizer, d_loss)
        if step % R1_EVERY == 0:
            pictures = augment(real).requires_grad_()
            update(d_optimizer, R1_WEIGHT / 2 * R1_EVERY * r1_penalty(discriminator(pictures), pictures))

        discriminator.requires_grad_(False)
        with training_precision(device):
            g_loss = generator_loss(discriminator(augment(fake)))
        update(g_optimizer, g_loss)
        if path_weight and step % PATH_EVERY == 0:
            ws = mixed_styles(generator, max(1, batch_size // PATH_SHARE), device)
            update(g_optimizer, path_weight * PATH_EVERY * path_length(generator.synthesis(ws), ws))
        discriminator.requires_grad_(True)
        ema.update(generator)
        step += 1
        if step % 20 == 0:
            losses = {"generator": g_loss.item(), "discriminator": d_loss.item(), "augmentation": float(augment.p)}
            yield Step(step, steps, losses=losses)
        if step % 500 == 0 or step == steps:
            checkpoint.save(out / "checkpoint.pt", step, parts)
            picture = sheet(ema.network)
            cv2.imwrite(str(out / "sheet.png"), picture[:, :, ::-1])
            yield Step(step, steps, preview=picture, message=f"{step * batch_size} pictures")
    save_half(ema.network.state_dict(), out / "generator.safetensors", {"pictures": str(step * batch_size)})
    yield Step(steps, steps, message="done", result=sheet(ema.network))


def update(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Take one step down `loss`."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
