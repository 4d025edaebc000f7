"""Train the compact super-resolution networks: first for fidelity (SRResNet), then adversarially (SRGAN)."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gan_models import checkpoints
from gan_models.checkpoints.save import save_half
from gan_models.device import training_precision
from gan_models.images.degradations import bicubic_downscale, crop_to_multiple
from gan_models.images.tensors import to_image, to_tensor
from gan_models.jobs import Step
from gan_models.metrics import luma_psnr
from gan_models.nn.losses import CONTENT_LAYERS, PerceptualLoss, discriminator_loss, generator_loss
from gan_models.super_resolution.network import CompactSRResNet, Discriminator
from gan_models.training import checkpoint
from gan_models.training.datasets import load_pictures
from gan_models.training.ema import EMA

SCALE = 4
HELD_OUT = 12
# Adversarial counts 1e-3 as in Ledig et al. 2017, equation 3; content is rescaled likewise (their section 2.2.1), so
# that each pulls about as hard. Errors of pixels and lattice are ours: see `train_gan` and `lattice_loss`.
CONTENT_WEIGHT, ADVERSARIAL_WEIGHT, PIXEL_WEIGHT, LATTICE_WEIGHT = 0.002, 1e-3, 0.03, 0.5


class Patches:
    """Pairs of size×size and (4·size)×(4·size) patches from random places of pictures, turned and mirrored.

    `HELD_OUT` of the pictures are kept for validation.

    Raises:
        ValueError: There are too few pictures, or one is smaller than a patch.
    """

    def __init__(self, folder: Path, size: int, seed: int):
        large = [crop_to_multiple(picture, SCALE) for picture in load_pictures(folder)]
        if len(large) <= HELD_OUT:
            raise ValueError(f"Training takes more than {HELD_OUT} pictures; {folder} has {len(large)}.")
        if min(min(picture.shape[:2]) for picture in large) < SCALE * size:
            raise ValueError(f"Each training picture must be at least {SCALE * size} pixels wide and high.")
        self.size = size
        order = np.random.default_rng(0).permutation(len(large))
        self.pairs = [(bicubic_downscale(large[i], SCALE), large[i]) for i in order]
        self.pairs, self.held_out = self.pairs[:-HELD_OUT], self.pairs[-HELD_OUT:]
        areas = np.array([small.shape[0] * small.shape[1] for small, _ in self.pairs], dtype=float)
        self.likelihood = areas / areas.sum()
        self.rng = np.random.default_rng(seed)

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` small patches and their originals, N×3×H×W in [0, 1]."""
        size, small_patches, large_patches = self.size, [], []
        for index in self.rng.choice(len(self.pairs), count, p=self.likelihood):
            small, large = self.pairs[index]
            top = self.rng.integers(small.shape[0] - size + 1)
            left = self.rng.integers(small.shape[1] - size + 1)
            turns, mirror = self.rng.integers(4), self.rng.integers(2)
            for picture, patches, factor in ((small, small_patches, 1), (large, large_patches, SCALE)):
                rows = slice(top * factor, (top + size) * factor)
                columns = slice(left * factor, (left + size) * factor)
                patch = np.rot90(picture[rows, columns], turns)
                patches.append(to_tensor(np.ascontiguousarray(patch[:, ::-1] if mirror else patch)))
        return torch.cat(small_patches), torch.cat(large_patches)

    @torch.inference_mode()
    def validate(self, network: nn.Module) -> float:
        """Return the mean luma PSNR in dB on the held-out pictures."""
        enlarged = [to_image(network(to_tensor(small))) for small, _ in self.held_out]
        references = [large for _, large in self.held_out]
        return float(np.mean([luma_psnr(a, b, SCALE) for a, b in zip(enlarged, references, strict=True)]))


def lattice_loss(picture: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Return how far the error of N×3×H×W pictures depends on the place within each 4×4 square, a scalar.

    A sub-pixel convolution makes the 16 pixels of a square with 16 kernels. Where texture is rewarded they drift
    apart, and the picture shows a faint lattice; averaged over 32×32 pixels real texture has none.
    """
    error = F.pixel_unshuffle(picture - reference, SCALE)
    phases = F.avg_pool2d(error, min(8, *error.shape[2:])).unflatten(1, (3, SCALE**2))
    return (phases - phases.mean(dim=2, keepdim=True)).abs().mean()


def cosine_schedule(optimizer: torch.optim.Optimizer, total: int, warmup: int = 200):  # noqa: ANN201
    """Return a schedule that rises for `warmup` steps and then falls to zero along a cosine."""

    def factor(step: int) -> float:
        return min(1, (step + 1) / warmup) * (1 + math.cos(math.pi * min(1, step / total))) / 2

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def train_psnr(
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    steps: int = 20_000,
    batch_size: int = 12,
    patch: int = 40,
    lr: float = 8e-4,
    seed: int = 0,
) -> Iterator[Step]:
    """Train `CompactSRResNet` on the pictures below `data` by mean absolute error.

    Leaves `sr-psnr-compact.safetensors` in `out`. Yields a `Step` every 20 iterations; the last one's result
    is the validation PSNR in dB.
    """
    torch.manual_seed(seed)
    generator = CompactSRResNet().to(memory_format=torch.channels_last)
    ema = EMA(generator)
    optimizer = torch.optim.Adam(generator.parameters(), lr=lr, betas=(0.9, 0.99))
    schedule = cosine_schedule(optimizer, steps)
    parts = {"generator": generator, "ema": ema, "optimizer": optimizer, "schedule": schedule}
    step = checkpoint.load(out / "checkpoint.pt", parts) if resume else 0
    patches = Patches(data, patch, seed + step)
    while step < steps:
        small, large = patches.batch(batch_size)
        with training_precision(torch.device("cpu")):
            enlarged = generator(small.contiguous(memory_format=torch.channels_last))
        loss = F.l1_loss(enlarged.float(), large)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(generator.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        ema.update(generator)
        step += 1
        if step % 20 == 0:
            yield Step(step, steps, losses={"absolute error": loss.item()})
        if step % 500 == 0 or step == steps:
            checkpoint.save(out / "checkpoint.pt", step, parts)
            yield Step(step, steps, message=f"validation {patches.validate(ema.network):.2f} dB")
    save_half(ema.network.state_dict(), out / "sr-psnr-compact.safetensors", {"steps": str(steps)})
    yield Step(steps, steps, message="done", result=patches.validate(ema.network))


def train_gan(
    data: Path,
    out: Path,
    *,
    start: Path,
    resume: bool = False,
    steps: int = 3_500,
    batch_size: int = 8,
    patch: int = 32,
    lr: float = 2e-4,
    seed: int = 0,
) -> Iterator[Step]:
    """Train `CompactSRResNet` as SRGAN's generator, from the weights that `train_psnr` left in the folder `start`.

    The loss is Ledig et al. 2017, equation 3: content (features of `features-compact`, and a little absolute
    error that keeps the colours) plus 1e-3 adversarial.
    Leaves `sr-gan-compact.safetensors` in `out`.
    """
    generator = CompactSRResNet().to(memory_format=torch.channels_last)
    ema = EMA(generator, decay=0.998)
    checkpoint.load(start / "checkpoint.pt", {"ema": ema})
    generator.load_state_dict(ema.network.state_dict())
    torch.manual_seed(seed)  # only now, as the checkpoint brought its own random state
    discriminator = Discriminator().to(memory_format=torch.channels_last)
    content = PerceptualLoss(checkpoints.load("features-compact", "cpu"), CONTENT_LAYERS)
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=lr, betas=(0.9, 0.99))
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=lr, betas=(0.9, 0.99))
    g_schedule, d_schedule = cosine_schedule(g_optimizer, steps), cosine_schedule(d_optimizer, steps)
    parts = {
        "generator": generator,
        "discriminator": discriminator,
        "ema": ema,
        "g_optimizer": g_optimizer,
        "d_optimizer": d_optimizer,
        "g_schedule": g_schedule,
        "d_schedule": d_schedule,
    }
    step = checkpoint.load(out / "checkpoint.pt", parts) if resume else 0
    patches = Patches(data, patch, seed + step)
    while step < steps:
        small, large = patches.batch(batch_size)
        large = large.contiguous(memory_format=torch.channels_last)
        with training_precision(torch.device("cpu")):
            enlarged = generator(small.contiguous(memory_format=torch.channels_last)).float()
            discriminator.requires_grad_(False)
            content_loss = content(enlarged, large)
            adversarial_loss = generator_loss(discriminator(enlarged).float())
        pixel_loss = F.l1_loss(enlarged, large)
        lattice = lattice_loss(enlarged, large)
        g_loss = CONTENT_WEIGHT * content_loss + PIXEL_WEIGHT * pixel_loss + LATTICE_WEIGHT * lattice
        g_optimizer.zero_grad()
        (g_loss + ADVERSARIAL_WEIGHT * adversarial_loss).backward()
        g_optimizer.step()

        discriminator.requires_grad_(True)
        with training_precision(torch.device("cpu")):
            logits = discriminator(torch.cat([large, enlarged.detach()])).float()
        d_loss = discriminator_loss(*logits.chunk(2))
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()

        g_schedule.step()
        d_schedule.step()
        ema.update(generator)
        step += 1
        if step % 20 == 0:
            losses = {"content": content_loss, "pixels": pixel_loss, "lattice": lattice}
            losses |= {"generator": adversarial_loss, "discriminator": d_loss}
            yield Step(step, steps, losses={name: value.item() for name, value in losses.items()})
        if step % 500 == 0 or step == steps:
            checkpoint.save(out / "checkpoint.pt", step, parts)
            yield Step(step, steps, message=f"validation {patches.validate(ema.network):.2f} dB")
    save_half(ema.network.state_dict(), out / "sr-gan-compact.safetensors", {"steps": str(steps)})
    yield Step(steps, steps, message="done", result=patches.validate(ema.network))
