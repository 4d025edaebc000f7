"""Train the compact dehazing networks: CANDY on pairs with made-up haze, Cycle-Dehaze without pairs."""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from gan_models import checkpoints
from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.images.haze import random_haze
from gan_models.images.tensors import to_tensor
from gan_models.jobs import Step
from gan_models.nn.layers import NLayerDiscriminator, RestorationUNet
from gan_models.nn.losses import CONTENT_LAYERS, PerceptualLoss
from gan_models.training.degraded import HELD_OUT, DegradedPairs
from gan_models.training.paired import Conditional, mean_errors, train_paired
from gan_models.training.unpaired import CycleGAN, train_unpaired

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


def train_candy(
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    steps: int = 4_000,
    adversarial_from: int | None = None,
    batch_size: int = 6,
    patch: int = 128,
    lr: float = 4e-4,
    seed: int = 0,
) -> Iterator[Step]:
    """Train CANDY on clear pictures below `data`; leave `dehaze-candy-compact.safetensors` in `out`.

    The discriminator comes in for the last third, or from the step `adversarial_from` on. Yields as `train_paired`.
    """
    torch.manual_seed(seed)
    perceptual = PerceptualLoss(checkpoints.load("features-compact", "cpu"), CONTENT_LAYERS)

    def content(made: torch.Tensor, original: torch.Tensor) -> dict[str, torch.Tensor]:
        errors = mean_errors(made, original)
        return {
            "squared": SQUARED_WEIGHT * errors["squared"],
            "smooth": SMOOTH_WEIGHT * errors["smooth"],
            "content": CONTENT_WEIGHT * perceptual(made[:SEEN], original[:SEEN]),
        }

    yield from train_paired(
        "dehaze-candy-compact",
        out,
        lambda seed: DegradedPairs(data, patch, seed, random_haze),
        compact_network(),
        content,
        adversary=Conditional(NLayerDiscriminator(6, ndf=32, n_layers=2)),
        adversarial_weight=CANDY_ADVERSARIAL_WEIGHT,
        adversarial_from=steps * 2 // 3 if adversarial_from is None else adversarial_from,
        steps=steps,
        batch_size=batch_size,
        lr=lr,
        seed=seed,
        resume=resume,
    )


class CycleDehaze(CycleGAN):
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
    tinted = density * torch.empty(len(clear), 3, 1, 1).uniform_(1 - TINT, 1 + TINT)
    noise = density.clamp(max=1) * ROUNDING * torch.randn_like(clear)
    return (clear + tinted * (hazed - clear) + noise).clamp(0, 1)


def train_cycle(
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    steps: int = 10_000,
    start: Path | None = None,
    batch_size: int | None = None,
    patch: int = 160,
    lr: float = 2e-4,
    seed: int = 0,
) -> Iterator[Step]:
    """Train Cycle-Dehaze on pictures below `data`; leave `dehaze-cycle-compact.safetensors` in `out`.

    Haze is made up, but no hazy picture ever meets its clear original: half of the pictures serve as the one side,
    half as the other. The network that makes haze is left too, as `haze.safetensors`.

    With `start`, the folder of such a training, its dehazing network goes on alone, from clear pictures and the haze
    that the other one makes. Its lesson of one picture a step, from a discriminator that wants more contrast, makes
    it change what merely looks washed out; six pictures a step, half without haze, teach it to leave that alone.

    Yields as `train_unpaired` or, with `start`, as `train_paired`, by the PSNR of what was hazy.

    Raises:
        ValueError: There are too few pictures, or no networks in `start`.
    """
    torch.manual_seed(seed)
    common = {"steps": steps, "lr": lr, "seed": seed, "resume": resume}
    if start is None:
        yield from train_unpaired(
            CycleDehaze(checkpoints.load("features-compact", "cpu")),
            lambda seed: Unpaired(data, patch, seed),
            out,
            ("dehaze-cycle-compact", "haze"),
            batch_size=batch_size or 1,
            **common,
        )
        return
    dehaze, haze = compact_network(), compact_network()
    for name, network in (("dehaze-cycle-compact", dehaze), ("haze", haze)):
        network.load_state_dict(load_state_dict_file(start / f"{name}.safetensors", "safetensors"))
    haze.eval().requires_grad_(False)
    yield from train_paired(
        "dehaze-cycle-compact",
        out,
        lambda seed: OwnHaze(Unpaired(data, patch, seed), haze),
        dehaze,
        lambda made, clear: {"density": F.l1_loss(made.float(), clear)},
        adversary=None,
        adversarial_weight=0.0,
        adversarial_from=0,
        batch_size=batch_size or 6,
        **common,
    )


class OwnHaze:
    """Clear patches, half of them in the haze that a network makes, of other densities."""

    def __init__(self, source: "Unpaired", haze: nn.Module):
        self.source, self.haze = source, haze

    @torch.no_grad()
    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` patches with and without haze, N×3×size×size in [0, 1]."""
        _, clear = self.source.batch(count)
        return other_density(clear, self.haze(clear)), clear

    def validate(self, network: nn.Module) -> float:
        """Return the mean PSNR in dB that `network` reaches on held-out pictures in made-up haze."""
        return self.source.pairs.validate(network)


class Unpaired:
    """Hazy patches of one half of the pictures and clear ones of the other half.

    Raises:
        ValueError: There are too few pictures, or one is smaller than a patch.
    """

    def __init__(self, folder: Path, size: int, seed: int):
        self.pairs = DegradedPairs(folder, size, seed, random_haze)
        self.halves = [self.pairs.pictures[half::2] for half in (0, 1)]
        if not all(self.halves):
            raise ValueError(f"Training without pairs takes more than {HELD_OUT + 1} pictures.")

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return `count` hazy and as many clear patches, N×3×size×size in [0, 1], of different pictures."""
        sides = []
        for pictures, hazy in zip(self.halves, (True, False), strict=True):
            patches = (self.pairs.good(pictures) for _ in range(count))
            patches = [random_haze(patch, self.pairs.rng) if hazy else patch for patch in patches]
            sides.append(torch.cat([to_tensor(patch) for patch in patches]))
        return tuple(sides)

    def validate(self, dehaze: nn.Module, haze: nn.Module) -> float:
        """Return the mean PSNR in dB that `dehaze` reaches on the held-out pictures."""
        return self.pairs.validate(dehaze)
