"""Train the compact super-resolution networks: first for fidelity (SRResNet), then adversarially (SRGAN)."""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from gan_models import checkpoints
from gan_models.images.degradations import bicubic_downscale, crop_to_multiple, poor
from gan_models.images.tensors import to_image, to_tensor
from gan_models.metrics import luma_psnr
from gan_models.nn.losses import CONTENT_LAYERS, PerceptualLoss, discriminator_loss, generator_loss
from gan_models.super_resolution.network import CompactSRResNet, Discriminator
from gan_models.training import checkpoint
from gan_models.training.datasets import Pictures
from gan_models.training.loop import Network
from gan_models.training.paired import Conditional, Paired

SCALE = 4
WARMUP = 200  # steps
# Adversarial counts 1e-3 as in Ledig et al. 2017, equation 3; content is rescaled likewise (their section 2.2.1), so
# that each pulls about as hard. Errors of pixels and lattice are ours: see `SRGAN` and `lattice_loss`.
CONTENT_WEIGHT, ADVERSARIAL_WEIGHT, PIXEL_WEIGHT, LATTICE_WEIGHT = 0.002, 1e-3, 0.03, 0.5


class Patches:
    """Pairs of size×size and (4·size)×(4·size) patches from random places of pictures, turned and mirrored.

    Args:
        folder: Where the pictures are.
        size: Side of the small patches.
        held_out: How many pictures are kept for validation.

    Raises:
        ValueError: There are too few pictures, or one is smaller than a patch.
    """

    def __init__(self, folder: Path, size: int, held_out: int):
        pictures = Pictures(folder, pair)
        if len(pictures) <= held_out:
            raise ValueError(f"Training takes more than {held_out} pictures; {folder} has {len(pictures)}.")
        small = [(height // SCALE, width // SCALE) for height, width in pictures.sizes()]
        if min(map(min, small)) < size:
            raise ValueError(f"Each training picture must be at least {SCALE * size} pixels wide and high.")
        self.size = size
        order = np.random.default_rng(0).permutation(len(pictures))
        self.pairs, self.held_out = pictures.some(order[:-held_out]), pictures.some(order[-held_out:])
        areas = np.array([small[index][0] * small[index][1] for index in order[:-held_out]], dtype=float)
        self.likelihood = areas / areas.sum()

    def batch(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` small patches and their originals, N×3×H×W in [0, 1]."""
        size = self.size
        small_patches: list[torch.Tensor] = []
        large_patches: list[torch.Tensor] = []
        for index in rng.choice(len(self.pairs), count, p=self.likelihood):
            small, large = self.pairs[index]
            top = rng.integers(small.shape[0] - size + 1)
            left = rng.integers(small.shape[1] - size + 1)
            turns, mirror = rng.integers(4), rng.integers(2)
            for picture, patches, factor in ((small, small_patches, 1), (large, large_patches, SCALE)):
                rows = slice(top * factor, (top + size) * factor)
                columns = slice(left * factor, (left + size) * factor)
                patch = np.rot90(picture[rows, columns], turns)
                patches.append(to_tensor(np.ascontiguousarray(patch[:, ::-1] if mirror else patch)))
        return torch.cat(small_patches), torch.cat(large_patches)

    @torch.inference_mode()
    def validate(self, network: Network) -> float:
        """Return the mean luma PSNR in dB on the held-out pictures."""
        return float(
            np.mean([luma_psnr(to_image(network(to_tensor(small))), large, SCALE) for small, large in self.held_out])
        )


class PoorPatches(Patches):
    """The same patches, whose small ones are poor photos."""

    def __init__(self, folder: Path, size: int, held_out: int):
        super().__init__(folder, size, held_out)
        rng = np.random.default_rng(1)
        self.held_out = [(poor(large, SCALE, rng), large) for _, large in self.held_out]

    def batch(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` small patches and their originals, N×3×H×W in [0, 1]."""
        _, originals = super().batch(count, rng)
        small = [to_tensor(poor(to_image(original), SCALE, rng)) for original in originals.split(1)]
        return torch.cat(small), originals


def pair(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `picture`, H×W×3 uint8, four times smaller, and itself, cropped to multiples of four."""
    large = crop_to_multiple(picture, SCALE)
    return bicubic_downscale(large, SCALE), large


def lattice_loss(picture: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Return how far the error of N×3×H×W pictures depends on the place within each 4×4 square, a scalar.

    A sub-pixel convolution makes the 16 pixels of a square with 16 kernels. Where texture is rewarded they drift
    apart, and the picture shows a faint lattice; averaged over 32×32 pixels real texture has none.
    """
    error = F.pixel_unshuffle(picture - reference, SCALE)
    phases = F.avg_pool2d(error, min(8, *error.shape[2:])).unflatten(1, (3, SCALE**2))
    return (phases - phases.mean(dim=2, keepdim=True)).abs().mean()


def share_of_rate(index: int, steps: int, warmup: int = WARMUP) -> float:
    """Return by how much the rate of step `index` is multiplied: up for `warmup` steps, then along a cosine to 0."""
    return min(1, (index + 1) / warmup) * (1 + math.cos(math.pi * min(1, index / steps))) / 2


class PSNR(Paired):
    """Train `CompactSRResNet` by mean absolute error; leave `sr-psnr-compact.safetensors`.

    Args:
        data: Folder of photos.
        steps: Iterations.
        batch_size: Patches in each.
        patch: Side of the small ones.
        lr: Learning rate after the warm-up.
    """

    steps: int = 20_000
    batch_size: int = 12
    patch: int = 40
    lr: float = 8e-4
    name = "sr-psnr-compact"
    held_out = 12

    def networks(self) -> tuple[CompactSRResNet, None]:
        """Return the network; it has no adversary."""
        return CompactSRResNet(), None

    def pairs(self) -> Patches:
        """Return patches of two sizes."""
        return Patches(self.data, self.patch, self.held_out)

    def content(self, made: torch.Tensor, original: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the mean absolute error."""
        return {"absolute error": F.l1_loss(made.float(), original)}

    def rates(self, index: int) -> None:
        """Set the learning rate of step `index`."""
        self.optimizer.param_groups[0]["lr"] = self.lr * share_of_rate(index, self.steps)


class Poor(PSNR):
    """Train `CompactSRResNet` further, on poor photos: blurred, noisy, coded; leave `sr-real-compact.safetensors`.

    It starts from the embedded `sr-psnr-compact`, which enlarges what is wrong with a photo too.

    Args:
        steps: Iterations.
        lr: Learning rate after the warm-up.
    """

    steps: int = 8_000
    lr: float = 5e-4
    name = "sr-real-compact"

    def networks(self) -> tuple[CompactSRResNet, None]:
        """Return the network as it was embedded."""
        return checkpoints.load("sr-psnr-compact", str(self.device)).train().requires_grad_(True), None

    def pairs(self) -> PoorPatches:
        """Return patches of two sizes."""
        return PoorPatches(self.data, self.patch, self.held_out)


class Unconditional(Conditional):
    """SRGAN's adversarial losses: the discriminator sees single pictures, original and made ones in one batch."""

    def optimizer(self, lr: float) -> torch.optim.Optimizer:
        """Return what the discriminator learns by."""
        return torch.optim.Adam(self.discriminator.parameters(), lr=lr, betas=(0.9, 0.99))

    def generator_loss(self, degraded: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        """Return -log D(G(x)) (Ledig et al. 2017, equation 6)."""
        return generator_loss(self.discriminator(made.float()).float())

    def discriminator_loss(self, degraded: torch.Tensor, made: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
        """Return -log D(y) - log(1 - D(G(x))) (equation 2)."""
        return discriminator_loss(*self.discriminator(torch.cat([original, made])).float().chunk(2))


class SRGAN(PSNR):
    """Train `CompactSRResNet` as SRGAN's generator; leave `sr-gan-compact.safetensors`.

    The loss is Ledig et al. 2017, equation 3: content (features of `features-compact`, and a little absolute
    error that keeps the colours) plus 1e-3 adversarial.

    Args:
        start: Folder of a training of sr-psnr, whose averaged weights this one starts from.
        steps: Iterations.
        batch_size: Patches in each.
        patch: Side of the small ones.
        lr: Learning rate of both networks after the warm-up.
    """

    start: Path
    steps: int = 3_500
    batch_size: int = 8
    patch: int = 32
    lr: float = 2e-4
    name = "sr-gan-compact"
    adversarial_weight = ADVERSARIAL_WEIGHT
    clip = None
    decay = 0.998

    def networks(self) -> tuple[CompactSRResNet, Unconditional]:
        """Return generator and discriminator."""
        adversary = Unconditional(Discriminator())
        self.perceptual = PerceptualLoss(checkpoints.load("features-compact", str(self.device)), CONTENT_LAYERS)
        return CompactSRResNet(), adversary

    def build(self) -> None:
        """Start from the weights that were trained for fidelity, whose average goes on."""
        super().build()
        checkpoint.load(self.start / checkpoint.NAME, {"ema": self.ema})
        self.network.load_state_dict(self.ema.network.state_dict())

    def content(self, made: torch.Tensor, original: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the distances of features and pixels, and the lattice."""
        made = made.float()
        return {
            "content": CONTENT_WEIGHT * self.perceptual(made, original),
            "pixels": PIXEL_WEIGHT * F.l1_loss(made, original),
            "lattice": LATTICE_WEIGHT * lattice_loss(made, original),
        }

    def rates(self, index: int) -> None:
        """Set the learning rates of step `index`."""
        for optimizer in (self.optimizer, self.d_optimizer):
            optimizer.param_groups[0]["lr"] = self.lr * share_of_rate(index, self.steps)
