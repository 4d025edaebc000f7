"""Train the compact dehazing networks: CANDY on pairs with made-up haze, Cycle-Dehaze without pairs."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gan_models import checkpoints
from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.images.haze import random_haze
from gan_models.images.tensors import to_tensor
from gan_models.nn.layers import NLayerDiscriminator, RestorationUNet
from gan_models.nn.losses import CONTENT_LAYERS, PerceptualLoss
from gan_models.training.degraded import HELD_OUT, DegradedPairs
from gan_models.training.loop import Network
from gan_models.training.paired import Conditional, Paired, mean_errors
from gan_models.training.unpaired import CycleGAN, Unpaired

SEEN = 2  # pictures of a batch whose features are compared, which takes as long as the network itself
# CANDY (Swami and Das 2018, section 3.3): adversarial, content, squared and smooth absolute errors, by our weights.
SQUARED_WEIGHT, SMOOTH_WEIGHT, CONTENT_WEIGHT, CANDY_ADVERSARIAL_WEIGHT = 2.0, 1.0, 0.05, 0.005
# Cycle-Dehaze (Engin et al. 2018, equation 3): CycleGAN's terms, and features of pictures that went round a cycle.
CYCLE_WEIGHT, IDENTITY_WEIGHT, PERCEPTUAL_WEIGHT = 2.0, 1.0, 0.1
DENSITY_WEIGHT = 150.0
CLEAR = 1 / 2  # share of pictures that get no haze at all where its density is varied
DENSITIES, TINT = (0.5, 2.0), 0.2  # times the haze that the network makes, more or less in each channel
ROUNDING = 2 / 255  # deviation of the noise that covers what the hazing network might hide in its pictures


def compact_network() -> RestorationUNet:
    """Return an untrained compact network: a million parameters."""
    return RestorationUNet((16, 32, 64, 96), blocks=4, gains=True, context=True)


class Candy(Paired):
    """Train CANDY on pairs with made-up haze; leave `dehaze-candy-compact.safetensors`.

    Args:
        data: Folder of clear pictures.
        steps: Iterations.
        adversarial_from: The step from which on the discriminator counts; by default for the last third.
        batch_size: Patches in an iteration.
        patch: Their side.
        lr: Learning rate to begin with.
    """

    steps: int = 4_000
    adversarial_from: int | None = None
    batch_size: int = 6
    patch: int = 128
    lr: float = 4e-4
    name = "dehaze-candy-compact"
    adversarial_weight = CANDY_ADVERSARIAL_WEIGHT
    held_out = HELD_OUT

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.adversarial_from is None:
            self.adversarial_from = self.steps * 2 // 3

    def networks(self) -> tuple[RestorationUNet, Conditional]:
        """Return the network, and a discriminator of hazy pictures with clear ones."""
        self.perceptual = PerceptualLoss(checkpoints.load("features-compact", str(self.device)), CONTENT_LAYERS)
        return compact_network(), Conditional(NLayerDiscriminator(6, ndf=32, n_layers=2))

    def pairs(self) -> DegradedPairs:
        """Return hazy patches and clear ones."""
        return DegradedPairs(self.data, self.patch, random_haze, held_out=self.held_out)

    def content(self, made: torch.Tensor, original: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return squared and smooth absolute errors, and the distance of features."""
        errors = mean_errors(made, original)
        return {
            "squared": SQUARED_WEIGHT * errors["squared"],
            "smooth": SMOOTH_WEIGHT * errors["smooth"],
            "content": CONTENT_WEIGHT * self.perceptual(made[:SEEN], original[:SEEN]),
        }


class HazeCycle(CycleGAN):
    """CycleGAN from hazy to clear pictures, whose cycles must keep the features of a picture too."""

    def __init__(self, features: nn.Module):
        # Without normalisation, which would hide from a discriminator what haze takes away: contrast.
        super().__init__(
            compact_network,
            lambda: NLayerDiscriminator(3, ndf=32, n_layers=3, norm="none"),
            CYCLE_WEIGHT,
            IDENTITY_WEIGHT,
        )
        self.perceptual = PerceptualLoss(features, CONTENT_LAYERS)

    def further_losses(
        self,
        a: torch.Tensor,
        b: torch.Tensor,
        made: dict[str, torch.Tensor],
        again: tuple[torch.Tensor, torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        """Return what pictures lose on their way round, and how clear ones come out of haze of other densities."""
        dehazed = self.a_to_b(other_density(b, made["a"].detach()))
        return {
            "density": DENSITY_WEIGHT * F.l1_loss(dehazed, b),
            "perceptual": PERCEPTUAL_WEIGHT * (self.perceptual(again[0], a) + self.perceptual(again[1], b)),
        }


def other_density(clear: torch.Tensor, hazed: torch.Tensor) -> torch.Tensor:
    """Return `hazed` pictures, N×3×H×W in [0, 1], with none of their haze or half to twice of it, tinted.

    Between and beyond a clear picture J and a hazy one J·t + A·(1 - t), in the shares 1 - s and s, lie pictures in
    haze that lets 1 - s·(1 - t) through. To bring the clear one back is CycleGAN's identity loss where s is 0 and its
    cycle loss where s is 1; the rest teaches what neither does, to see how much haze there is (as by densities in
    Yang et al. 2022, "Self-augmented Unpaired Image Dehazing"). No haze is thin, as what looks washed out without any
    shall be left alone.
    """
    density = torch.empty(len(clear), 1, 1, 1).uniform_(*DENSITIES) * (torch.rand(len(clear), 1, 1, 1) > CLEAR)
    tint = torch.empty(len(clear), 3, 1, 1).uniform_(1 - TINT, 1 + TINT)
    density, tinted = density.to(clear.device), (density * tint).to(clear.device)
    noise = density.clamp(max=1) * ROUNDING * torch.randn_like(clear)
    return (clear + tinted * (hazed - clear) + noise).clamp(0, 1)


class CycleDehaze(Unpaired):
    """Train Cycle-Dehaze without pairs; leave `dehaze-cycle-compact.safetensors`, and what makes haze as `haze`.

    Haze is made up, but no hazy picture ever meets its clear original: half of the pictures serve as the one side,
    half as the other. The result is the PSNR of what was hazy.

    Args:
        data: Folder of clear pictures.
        steps: Iterations.
        batch_size: Patches of either kind in an iteration.
        patch: Their side.
        lr: Learning rate of the first half.
    """

    steps: int = 10_000
    batch_size: int = 1
    patch: int = 160
    lr: float = 2e-4
    names = ("dehaze-cycle-compact", "haze")
    held_out = HELD_OUT

    def networks(self) -> HazeCycle:
        """Return networks that dehaze and haze, and their discriminators."""
        return HazeCycle(checkpoints.load("features-compact", str(self.device)))

    def sets(self) -> "Halves":
        """Return hazy patches of some pictures and clear ones of others."""
        return Halves(self.data, self.patch, self.held_out)


class OwnHaze(Paired):
    """Train the dehazing network of a Cycle-Dehaze on alone, from clear pictures and the haze that the other makes.

    Its lesson of one picture a step, from a discriminator that wants more contrast, makes it change what merely looks
    washed out; six pictures a step, half without haze, teach it to leave that alone.

    Args:
        data: Folder of clear pictures.
        start: Folder of the training of Cycle-Dehaze.
        steps: Iterations.
        batch_size: Patches in an iteration.
        patch: Their side.
        lr: Learning rate to begin with.
    """

    start: Path
    steps: int = 10_000
    batch_size: int = 6
    patch: int = 160
    lr: float = 2e-4
    name = "dehaze-cycle-compact"
    held_out = HELD_OUT

    def networks(self) -> tuple[RestorationUNet, None]:
        """Return the network that dehazes, which has no adversary."""
        dehaze, self.haze = compact_network(), compact_network()
        for name, network in (("dehaze-cycle-compact", dehaze), ("haze", self.haze)):
            network.load_state_dict(load_state_dict_file(self.start / f"{name}.safetensors", "safetensors"))
        self.haze.to(self.device).eval().requires_grad_(False)
        return dehaze, None

    def pairs(self) -> "Halves":
        """Return pictures, of which the clear half counts."""
        return Halves(self.data, self.patch, self.held_out)

    @torch.no_grad()
    def next_pair(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return patches with and without haze, N×3×H×W in [0, 1]."""
        _, clear = super().next_pair()
        return other_density(clear, self.haze(clear)).contiguous(memory_format=torch.channels_last), clear

    def content(self, made: torch.Tensor, original: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the mean absolute error."""
        return {"density": F.l1_loss(made.float(), original)}


def cycle_dehaze(
    *,
    data: Path,
    steps: int = 10_000,
    start: Path | None = None,
    batch_size: int | None = None,
    patch: int = 160,
    lr: float = 2e-4,
    seed: int = 0,
) -> CycleDehaze | OwnHaze:
    """Return the trainer of Cycle-Dehaze, or with `start` of its dehazing network alone.

    Args:
        data: Folder of clear pictures.
        steps: Iterations.
        start: Folder of a training of Cycle-Dehaze, whose dehazing network goes on alone.
        batch_size: Patches in an iteration; by default 1, or 6 with a start.
        patch: Their side.
        lr: Learning rate to begin with.
        seed: Of all that is random.
    """
    options: dict[str, Any] = {"data": data, "steps": steps, "patch": patch, "lr": lr, "seed": seed}
    if batch_size is not None:
        options["batch_size"] = batch_size
    return CycleDehaze(**options) if start is None else OwnHaze(start=start, **options)


class Halves:
    """Hazy patches of one half of the pictures and clear ones of the other half.

    Raises:
        ValueError: There are too few pictures, or one is smaller than a patch.
    """

    def __init__(self, folder: Path, size: int, held_out: int):
        self.pairs = DegradedPairs(folder, size, random_haze, held_out=held_out)
        self.halves = [self.pairs.pictures.some(slice(half, None, 2)) for half in (0, 1)]
        if not all(map(len, self.halves)):
            raise ValueError(f"Training without pairs takes more than {held_out + 1} pictures.")

    def batch(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` hazy and as many clear patches, N×3×size×size in [0, 1], of different pictures."""
        sides = []
        for pictures, hazy in zip(self.halves, (True, False), strict=True):
            patches = (self.pairs.good(pictures, rng) for _ in range(count))
            patches = [random_haze(patch, rng) if hazy else patch for patch in patches]
            sides.append(torch.cat([to_tensor(patch) for patch in patches]))
        return sides[0], sides[1]

    def validate(self, dehaze: Network, haze: Network | None = None) -> float:
        """Return the mean PSNR in dB that `dehaze` reaches on the held-out pictures."""
        return self.pairs.validate(dehaze)
