"""The super-resolution backend: any picture, two or four times as large, in bounded memory."""

from collections.abc import Iterator

import cv2
import torch
import torch.nn.functional as F
from torch import nn

from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.device import mixed_precision
from gan_models.images import join_alpha, split_alpha, thumbnail
from gan_models.images.tiling import tiled_within_memory
from gan_models.jobs import Step
from gan_models.super_resolution import Upscale
from gan_models.super_resolution.network import CompactSRResNet


class Upscaler(Backend):
    """Single-image super-resolution: SRResNet and SRGAN (Ledig et al. 2017), Real-ESRGAN (Wang et al. 2021).

    The picture goes through the network in overlapping tiles. At their published sizes all networks but RRDBNet
    see everything in a tile that its pixels depend on, so that the seams are exact. RRDBNet's are approximate: its
    far larger reach is cut off at `MAX_OVERLAP` pixels, and what differs from tile to tile is blended.
    """

    weights = "super-resolution"
    MAX_OVERLAP = 40  # SRResNet's reach, the farthest but RRDBNet's

    def __init__(self, network: nn.Module, model: registry.Model, device: torch.device | str | None = None):
        super().__init__(network.to(memory_format=torch.channels_last), model, device)
        # The compact networks draw a small correction of the interpolated picture, at the low resolution: they
        # take little memory and bear bfloat16. The others work at the full size, where 224 pixels become 896.
        self.compact = isinstance(network, CompactSRResNet)
        self.tile = 512 if self.compact or self.device.type == "cuda" else 224
        self.overlap = min(network.receptive_radius, self.MAX_OVERLAP)

    def run(self, ask: Upscale) -> Iterator[Step]:
        """Enlarge the picture.

        ×2 from a ×4 network is its result averaged over 2×2 pixels. Alpha is enlarged bicubically.

        Raises:
            ValueError: Memory is too short.
        """
        colour, alpha = split_alpha(ask.image)
        height, width = ask.size()
        out = cv2.resize(
            colour, (width, height), interpolation=cv2.INTER_LINEAR
        )  # what previews show of tiles to come
        tiles = tiled_within_memory(
            lambda batch: self._enlarge(batch, ask.factor),
            colour,
            out=out,
            device=self.device,
            scale=ask.factor,
            tile=self.tile,
            overlap=self.overlap,
        )
        for index, total in tiles:
            yield Step(index, total, preview=thumbnail(out))
        yield Step(total, total, result=join_alpha(out, alpha))

    def _enlarge(self, batch: torch.Tensor, factor: int) -> torch.Tensor:
        with mixed_precision(self.device, bfloat16=self.compact):
            result = self.network(batch).float()
        return F.avg_pool2d(result, self.network.scale // factor) if factor < self.network.scale else result
