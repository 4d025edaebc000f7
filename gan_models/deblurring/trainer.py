"""Train the compact deblurring network by DeblurGAN's losses (Kupyn et al. 2018) on pictures blurred here."""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F

from gan_models import checkpoints
from gan_models.images.blur import random_blur
from gan_models.jobs import Step
from gan_models.nn.layers import NLayerDiscriminator, RestorationUNet
from gan_models.nn.losses import CONTENT_LAYERS, PerceptualLoss
from gan_models.training import checkpoint
from gan_models.training.degraded import DegradedPairs
from gan_models.training.ema import EMA
from gan_models.training.paired import Wasserstein, train_paired

LONGEST = 13  # side of the largest kernel
# Kupyn et al. 2018, equation 2, weigh the content a hundred times; absolute errors of pixels are ours.
PIXEL_WEIGHT, CONTENT_WEIGHT, ADVERSARIAL_WEIGHT = 1.0, 0.05, 0.002
SEEN = 4  # pictures of a batch whose features are compared, which takes as long as the network itself
RATE, FINE_RATE = 1e-3, 2e-4
OBJECTIVES = ("deblurgan", "content", "squared", "pixels")


def compact_network() -> RestorationUNet:
    """Return an untrained compact network: 0.5 million parameters."""
    return RestorationUNet((16, 32, 64), blocks=6)


def train(
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    steps: int = 10_000,
    objective: str = "deblurgan",
    start: Path | None = None,
    batch_size: int = 8,
    patch: int = 96,
    seed: int = 0,
) -> Iterator[Step]:
    """Train on sharp pictures below `data`; leave `deblur-compact.safetensors` in `out`. Yields as `train_paired`.

    Args:
        data: Folder of sharp pictures.
        out: Folder for checkpoints and weights.
        resume: Go on from the checkpoint in `out`.
        steps: Iterations.
        objective: "deblurgan"; or without its critic, "content"; or one kind of error alone, "pixels" (absolute, with
            which the embedded weights began) or "squared".
        start: The folder of a training whose averaged weights this one starts from; the rate is lower then.
        batch_size: Patches in an iteration.
        patch: Their side.
        seed: Of all that is random.

    Raises:
        ValueError: There is no such objective.
        FileNotFoundError: There is no checkpoint in `start`.
    """
    if objective not in OBJECTIVES:
        raise ValueError(f"The objective must be one of {', '.join(OBJECTIVES)}, not “{objective}”.")
    torch.manual_seed(seed)
    network = compact_network()
    if start:
        ema = EMA(network)
        checkpoint.load(start / "checkpoint.pt", {"ema": ema})
        network.load_state_dict(ema.network.state_dict())
    perceptual = PerceptualLoss(checkpoints.load("features-compact", "cpu"), CONTENT_LAYERS)

    def content(made: torch.Tensor, original: torch.Tensor) -> dict[str, torch.Tensor]:
        if objective == "squared":
            return {"squared": F.mse_loss(made.float(), original)}
        terms = {"pixels": PIXEL_WEIGHT * F.l1_loss(made.float(), original)}
        if objective != "pixels":
            terms["content"] = CONTENT_WEIGHT * perceptual(made[:SEEN], original[:SEEN])
        return terms

    yield from train_paired(
        "deblur-compact",
        out,
        lambda seed: DegradedPairs(
            data, patch, seed, lambda image, rng: random_blur(image, rng, LONGEST), margin=LONGEST // 2
        ),
        network,
        content,
        adversary=Wasserstein(NLayerDiscriminator(3, ndf=32, n_layers=3)) if objective == "deblurgan" else None,
        adversarial_weight=ADVERSARIAL_WEIGHT,
        adversarial_from=0,
        steps=steps,
        batch_size=batch_size,
        lr=FINE_RATE if start else RATE,
        seed=seed,
        resume=resume,
    )
