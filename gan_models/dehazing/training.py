"""Train the compact dehazing networks: CANDY on pairs with made-up haze, Cycle-Dehaze without pairs."""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from gan_models import checkpoints
from gan_models.checkpoints.save import save_half
from gan_models.images.haze import random_haze
from gan_models.images.tensors import to_tensor
from gan_models.layers import NLayerDiscriminator, RestorationUNet
from gan_models.losses import CONTENT_LAYERS, PerceptualLoss
from gan_models.runtime import Step
from gan_models.training import checkpoint
from gan_models.training.damaged import HELD_OUT, DamagedPairs
from gan_models.training.ema import EMA
from gan_models.training.history import History
from gan_models.training.paired import Conditional, mean_errors, train_paired

SEEN = 2  # pictures of a batch whose features are compared, which takes as long as the network itself
# CANDY (Swami and Das 2018, section 3.3): adversarial, content, squared and smooth absolute errors, by our weights.
SQUARED_WEIGHT, SMOOTH_WEIGHT, CONTENT_WEIGHT, CANDY_ADVERSARIAL_WEIGHT = 2.0, 1.0, 0.05, 0.005
# Cycle-Dehaze (Engin et al. 2018, equation 3): CycleGAN's terms, and features of pictures that went round a cycle.
CYCLE_WEIGHT, IDENTITY_WEIGHT, PERCEPTUAL_WEIGHT = 2.0, 1.0, 0.1
DENSITY_WEIGHT = 8.0
CLEAR = 1 / 3  # share of pictures that get no haze at all where its density is varied
DENSEST, TINT = 2.0, 0.2  # as many times the haze that the network makes, more or less in each channel
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
    """Train CANDY's game on clear pictures below `data`; leave `dehaze-candy-compact.safetensors` in `out`.

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
        lambda seed: DamagedPairs(data, patch, seed, random_haze),
        compact_network(),
        content,
        game=Conditional(NLayerDiscriminator(6, ndf=32, n_layers=2)),
        adversarial_weight=CANDY_ADVERSARIAL_WEIGHT,
        adversarial_from=steps * 2 // 3 if adversarial_from is None else adversarial_from,
        steps=steps,
        batch_size=batch_size,
        lr=lr,
        seed=seed,
        resume=resume,
    )


class CycleGame(nn.Module):
    """The two generators and two discriminators of Cycle-Dehaze.

    Attributes:
        dehaze: From hazy to clear pictures.
        haze: The other way.
        judges_clear: Tells clear pictures from dehazed ones.
        judges_hazy: Tells hazy pictures from hazed ones.
    """

    def __init__(self, features: nn.Module):
        super().__init__()
        self.dehaze, self.haze = compact_network(), compact_network()
        # Without normalisation, which would hide from them what haze takes away: contrast.
        self.judges_clear = NLayerDiscriminator(3, ndf=32, n_layers=3, norm="none")
        self.judges_hazy = NLayerDiscriminator(3, ndf=32, n_layers=3, norm="none")
        self.perceptual = PerceptualLoss(features, CONTENT_LAYERS)
        self.clear_history, self.hazy_history = History(), History()

    def generator_losses(self, hazy: torch.Tensor, clear: torch.Tensor) -> tuple[dict[str, torch.Tensor], ...]:
        """Return the terms of the generators' loss by name, and the pictures that they made, by what judges them."""
        dehazed, hazed = self.dehaze(hazy), self.haze(clear)
        hazy_again, clear_again = self.haze(dehazed), self.dehaze(hazed)
        cycle = F.l1_loss(hazy_again, hazy) + F.l1_loss(clear_again, clear)
        identity = F.l1_loss(self.haze(hazy), hazy)
        density = F.l1_loss(self.dehaze(other_density(clear, hazed.detach())), clear)
        perceptual = self.perceptual(hazy_again, hazy) + self.perceptual(clear_again, clear)
        adversarial = (self.judges_clear(dehazed) - 1).square().mean() + (self.judges_hazy(hazed) - 1).square().mean()
        terms = {
            "adversarial": adversarial,
            "cycle": CYCLE_WEIGHT * cycle,
            "identity": IDENTITY_WEIGHT * identity,
            "density": DENSITY_WEIGHT * density,
            "perceptual": PERCEPTUAL_WEIGHT * perceptual,
        }
        return terms, {"clear": dehazed, "hazy": hazed}

    def discriminator_loss(
        self, made: dict[str, torch.Tensor], hazy: torch.Tensor, clear: torch.Tensor
    ) -> torch.Tensor:
        """Return how far the discriminators are from telling pictures of each history from real ones."""
        dehazed, hazed = self.clear_history.exchange(made["clear"]), self.hazy_history.exchange(made["hazy"])
        loss = self.judges_clear(dehazed).square().mean() + (self.judges_clear(clear) - 1).square().mean()
        return (loss + self.judges_hazy(hazed).square().mean() + (self.judges_hazy(hazy) - 1).square().mean()) / 2


def other_density(clear: torch.Tensor, hazed: torch.Tensor) -> torch.Tensor:
    """Return `hazed` pictures, N×3×H×W in [0, 1], with a random multiple of their haze each: none, less or more.

    Between and beyond a clear picture J and a hazy one J·t + A·(1 - t), in the shares 1 - s and s, lie pictures in
    haze that lets 1 - s·(1 - t) through. To bring the clear one back is CycleGAN's identity loss where s is 0 and its
    cycle loss where s is 1; the rest teaches what neither does, to see how much haze there is (as by densities in
    Yang et al. 2022, "Self-augmented Unpaired Image Dehazing").
    """
    density = DENSEST * torch.rand(len(clear), 1, 1, 1) * (torch.rand(len(clear), 1, 1, 1) > CLEAR)
    tinted = density * torch.empty(len(clear), 3, 1, 1).uniform_(1 - TINT, 1 + TINT)
    noise = density.clamp(max=1) * ROUNDING * torch.randn_like(clear)
    return (clear + tinted * (hazed - clear) + noise).clamp(0, 1)


def train_cycle(
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    steps: int = 4_000,
    batch_size: int = 1,
    patch: int = 160,
    lr: float = 2e-4,
    seed: int = 0,
) -> Iterator[Step]:
    """Train Cycle-Dehaze on pictures below `data`; leave `dehaze-cycle-compact.safetensors` in `out`.

    Haze is made up, but no hazy picture ever meets its clear original: half of the pictures serve as the one side,
    half as the other. The rate is constant for the first half and then falls to zero. Yields a `Step` every 20
    iterations; the last one's result is the validation PSNR in dB.
    """
    torch.manual_seed(seed)
    game = CycleGame(checkpoints.load("features-compact", "cpu")).to(memory_format=torch.channels_last)
    generators = [*game.dehaze.parameters(), *game.haze.parameters()]
    judges = [*game.judges_clear.parameters(), *game.judges_hazy.parameters()]
    ema = EMA(game.dehaze)
    optimizers = [torch.optim.Adam(part, lr=lr, betas=(0.5, 0.999)) for part in (generators, judges)]
    falling = [
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, 2 - 2 * step / steps))
        for optimizer in optimizers
    ]
    parts = {"game": game, "ema": ema, "clear": game.clear_history, "hazy": game.hazy_history}
    parts |= {f"optimizer{index}": optimizer for index, optimizer in enumerate(optimizers)}
    parts |= {f"schedule{index}": schedule for index, schedule in enumerate(falling)}
    step = checkpoint.load(out / "checkpoint.pt", parts) if resume else 0
    source = Unpaired(data, patch, seed + step)
    while step < steps:
        hazy, clear = (side.contiguous(memory_format=torch.channels_last) for side in source.batch(batch_size))
        for parameter in judges:
            parameter.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16):
            terms, made = game.generator_losses(hazy, clear)
        loss = sum(term.float() for term in terms.values())
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        ema.update(game.dehaze)
        for parameter in judges:
            parameter.requires_grad_(True)
        with torch.autocast("cpu", torch.bfloat16):
            terms["discriminators"] = game.discriminator_loss(made, hazy, clear)
        optimizers[1].zero_grad()
        terms["discriminators"].float().backward()
        optimizers[1].step()
        for schedule in falling:
            schedule.step()
        step += 1
        if step % 20 == 0:
            yield Step(step, steps, losses={name: value.item() for name, value in terms.items()})
        if step % 500 == 0 or step == steps:
            checkpoint.save(out / "checkpoint.pt", step, parts)
            yield Step(step, steps, message=f"validation {source.pairs.validate(ema.network):.2f} dB")
    save_half(ema.network.state_dict(), out / "dehaze-cycle-compact.safetensors", {"steps": str(steps)})
    yield Step(steps, steps, message="done", result=source.pairs.validate(ema.network))


class Unpaired:
    """Hazy patches of one half of the pictures and clear ones of the other half.

    Raises:
        ValueError: There are too few pictures, or one is smaller than a patch.
    """

    def __init__(self, folder: Path, size: int, seed: int):
        self.pairs = DamagedPairs(folder, size, seed, random_haze)
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
