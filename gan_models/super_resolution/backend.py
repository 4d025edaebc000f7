"""The super-resolution backend: any picture, two or four times as large, in bounded memory."""

from collections.abc import Iterator

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from gan_models import checkpoints, settings
from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.device import mixed_precision, pick_device
from gan_models.images import join_alpha, split_alpha, thumbnail
from gan_models.images.checks import require_picture
from gan_models.images.tiling import tiled_within_memory
from gan_models.jobs import Step, watch_layers
from gan_models.super_resolution.network import CompactSRResNet

FACTORS = (2, 4)


class Upscaler(Backend):
    """Single-image super-resolution: SRResNet and SRGAN (Ledig et al. 2017), Real-ESRGAN (Wang et al. 2021).

    The picture goes through the network in overlapping tiles. At their published sizes all networks but RRDBNet
    see everything in a tile that its pixels depend on, so that the seams are exact. RRDBNet's are approximate: its
    far larger reach is cut off at `MAX_OVERLAP` pixels, and what differs from tile to tile is blended.

    Args:
        weights: A registered model of the task "super-resolution".
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Raises:
        ValueError: No such weights, or no such device; or they can't be had (`WeightsError`).
    """

    DEFAULT = "sr-psnr-compact"
    MAX_OVERLAP = 40  # SRResNet's reach, the farthest but RRDBNet's

    def __init__(self, weights: str | None = None, device: str | None = None):
        watch_layers()
        self.device = pick_device(device)
        name = registry.get(weights or self.DEFAULT, task="super-resolution").name
        self.network = checkpoints.load(name, str(self.device))
        self.network.to(memory_format=torch.channels_last)
        # The compact networks draw a small correction of the interpolated picture, at the low resolution: they
        # take little memory and bear bfloat16. The others work at the full size, where 224 pixels become 896.
        self.compact = isinstance(self.network, CompactSRResNet)
        self.tile = 512 if self.compact or self.device.type == "cuda" else 224
        self.overlap = min(self.network.receptive_radius, self.MAX_OVERLAP)

    def steps(self, image: np.ndarray, *, factor: int = 4) -> Iterator[Step]:
        """Enlarge `image`, H×W×3 or 4, uint8; the result is (factor·H)×(factor·W)×3 or 4, uint8.

        ×2 from a ×4 network is its result averaged over 2×2 pixels. Alpha is enlarged bicubically.

        Raises:
            ValueError: At once: `image` is no picture, `factor` is not 2 or 4 or more than the weights can, or the
                result would be too large. Later: memory is too short.
        """
        require_picture(image)
        check_size(*image.shape[:2], factor)
        _check_scale(factor, self.network.scale)
        return self._steps(image, factor)

    def _steps(self, image: np.ndarray, factor: int) -> Iterator[Step]:
        colour, alpha = split_alpha(image)
        size = image.shape[1] * factor, image.shape[0] * factor
        out = cv2.resize(colour, size, interpolation=cv2.INTER_LINEAR)  # what previews show of tiles to come
        tiles = tiled_within_memory(
            lambda batch: self._enlarge(batch, factor),
            colour,
            out=out,
            device=self.device,
            scale=factor,
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


def check_factor(factor: int, model: str | None = None) -> None:
    """Refuse a factor that there is not or that `model` can't reach, by the registry alone: nothing is loaded.

    Raises:
        ValueError: `factor` is not 2 or 4, or more than the weights can; or there is no such model.
    """
    if factor not in FACTORS:
        raise ValueError(f"The factor must be 2 or 4, not {factor}.")
    if model is not None:
        _check_scale(factor, registry.get(model).config.get("scale", 4))  # every network's default


def _check_scale(factor: int, scale: int) -> None:
    if factor > scale:
        raise ValueError(f"These weights enlarge {scale} times at most; choose ×{scale}.")


def check_size(height: int, width: int, factor: int, model: str | None = None) -> None:
    """Refuse, without loading anything, what `check_factor` refuses and results past the configured limit.

    Raises:
        ValueError: As `check_factor`, or the result would have too many pixels.
    """
    check_factor(factor, model)
    limit = settings.max_result_megapixels()
    megapixels = height * width * factor**2 / 1e6
    if megapixels > limit:
        rows, columns = _largest(height, width, limit * 1e6 / factor**2)
        raise ValueError(
            f"The result would have {round(megapixels, 1):g} megapixels; at most {limit:g} are made here. "
            f"At ×{factor} a picture of {columns}×{rows} pixels would do."
        )


def _largest(height: int, width: int, pixels: float) -> tuple[int, int]:
    """Return the largest size of about the same shape that has at most `pixels`, and at least one a side."""
    shrink = (pixels / (height * width)) ** 0.5
    rows, columns = (min(max(1, int(length * shrink)), int(pixels)) for length in (height, width))
    return rows, min(columns, max(1, int(pixels / rows)))
