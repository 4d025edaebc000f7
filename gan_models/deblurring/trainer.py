"""Train the compact deblurring network on pictures blurred here, by errors or by DeblurGAN's losses."""

from functools import partial
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F

from gan_models import checkpoints
from gan_models.images.blur import LONGEST, random_blur
from gan_models.nn.layers import GatedUNet, NLayerDiscriminator
from gan_models.nn.losses import CONTENT_LAYERS, PerceptualLoss
from gan_models.training import checkpoint
from gan_models.training.degraded import HELD_OUT, DegradedPairs
from gan_models.training.ema import EMA
from gan_models.training.paired import Paired, Wasserstein

# Kupyn et al. 2018, equation 2, weigh the content a hundred times; absolute errors of pixels are ours.
PIXEL_WEIGHT, CONTENT_WEIGHT, ADVERSARIAL_WEIGHT = 1.0, 0.05, 0.002
SEEN = 4  # pictures of a batch whose features are compared, which takes as long as the network itself


def compact_network() -> GatedUNet:
    """Return an untrained compact network: 3.3 million parameters."""
    return GatedUNet(channels=(24, 48, 96, 128), blocks=(1, 2, 2, 5), up_blocks=(1, 1, 2))


class Deblurring(Paired):
    """Train the compact deblurring network; leave `deblur-compact.safetensors`.

    Args:
        data: Folder of sharp pictures.
        steps: Iterations.
        objective: One kind of error alone, "pixels" (absolute, by which the embedded weights learned) or "squared";
            those of pixels and features, "content"; or DeblurGAN's (Kupyn et al. 2018), with a critic beside them.
        start: Folder of a training whose averaged weights this one starts from; the rate is lower then.
        batch_size: Patches in an iteration.
        patch: Their side.
    """

    steps: int = 20_000
    objective: Literal["pixels", "squared", "content", "deblurgan"] = "pixels"
    start: Path | None = None
    batch_size: int = 16
    patch: int = 144
    name = "deblur-compact"
    rate, fine_rate = 1e-3, 2e-4
    longest = LONGEST
    adversarial_weight = ADVERSARIAL_WEIGHT
    held_out = HELD_OUT

    def __post_init__(self) -> None:
        super().__post_init__()
        self.lr = self.fine_rate if self.start else self.rate

    def networks(self) -> tuple[GatedUNet, Wasserstein | None]:
        """Return the network, as it is to start, and the critic."""
        network = compact_network()
        if self.start:
            ema = EMA(network)
            checkpoint.load(self.start / checkpoint.NAME, {"ema": ema})
            network.load_state_dict(ema.network.state_dict())
        if self.objective in ("content", "deblurgan"):
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
        if self.objective in ("content", "deblurgan"):
            terms["content"] = CONTENT_WEIGHT * self.perceptual(made[:SEEN], original[:SEEN])
        return terms
