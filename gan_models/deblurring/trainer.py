"""Train the compact deblurring network by DeblurGAN's losses (Kupyn et al. 2018) on pictures blurred here."""

from functools import partial
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F

from gan_models import checkpoints
from gan_models.images.blur import random_blur
from gan_models.nn.layers import NLayerDiscriminator, RestorationUNet
from gan_models.nn.losses import CONTENT_LAYERS, PerceptualLoss
from gan_models.training import checkpoint
from gan_models.training.degraded import HELD_OUT, DegradedPairs
from gan_models.training.ema import EMA
from gan_models.training.paired import Paired, Wasserstein

# Kupyn et al. 2018, equation 2, weigh the content a hundred times; absolute errors of pixels are ours.
PIXEL_WEIGHT, CONTENT_WEIGHT, ADVERSARIAL_WEIGHT = 1.0, 0.05, 0.002
SEEN = 4  # pictures of a batch whose features are compared, which takes as long as the network itself


def compact_network() -> RestorationUNet:
    """Return an untrained compact network: 0.5 million parameters."""
    return RestorationUNet((16, 32, 64), blocks=6)


class DeblurGAN(Paired):
    """Train the compact deblurring network; leave `deblur-compact.safetensors`.

    Args:
        data: Folder of sharp pictures.
        steps: Iterations.
        objective: The paper's; or without its critic, "content"; or one kind of error alone, "pixels" (absolute, with
            which the embedded weights began) or "squared".
        start: Folder of a training whose averaged weights this one starts from; the rate is lower then.
        batch_size: Patches in an iteration.
        patch: Their side.
    """

    steps: int = 10_000
    objective: Literal["deblurgan", "content", "squared", "pixels"] = "deblurgan"
    start: Path | None = None
    batch_size: int = 8
    patch: int = 96
    name = "deblur-compact"
    rate, fine_rate = 1e-3, 2e-4
    longest = 13  # side of the largest kernel
    adversarial_weight = ADVERSARIAL_WEIGHT
    held_out = HELD_OUT

    def __post_init__(self) -> None:
        super().__post_init__()
        self.lr = self.fine_rate if self.start else self.rate

    def networks(self) -> tuple[RestorationUNet, Wasserstein | None]:
        """Return the network, as it is to start, and the critic."""
        network = compact_network()
        if self.start:
            ema = EMA(network)
            checkpoint.load(self.start / checkpoint.NAME, {"ema": ema})
            network.load_state_dict(ema.network.state_dict())
        self.perceptual = PerceptualLoss(checkpoints.load("features-compact", str(self.device)), CONTENT_LAYERS)
        critic = NLayerDiscriminator(3, ndf=32, n_layers=3) if self.objective == "deblurgan" else None
        return network, Wasserstein(critic) if critic else None

    def pairs(self) -> DegradedPairs:
        """Return blurred patches and sharp ones."""
        blur = partial(random_blur, longest=self.longest)
        return DegradedPairs(self.data, self.patch, blur, margin=self.longest // 2, held_out=self.held_out)

    def content(self, made: torch.Tensor, original: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the distances of pixels and features, or one of them."""
        if self.objective == "squared":
            return {"squared": F.mse_loss(made.float(), original)}
        terms = {"pixels": PIXEL_WEIGHT * F.l1_loss(made.float(), original)}
        if self.objective != "pixels":
            terms["content"] = CONTENT_WEIGHT * self.perceptual(made[:SEEN], original[:SEEN])
        return terms
