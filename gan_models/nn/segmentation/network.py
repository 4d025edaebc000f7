"""The network that labels each pixel."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


class SegmentationUNet(nn.Module):
    """A U-Net (Ronneberger et al. 2015) whose finest level is at half the resolution.

    Args:
        classes: Number of labels.
        channels: Width at each level, each at half the resolution of the one before.
        side: Of the pictures that it is trained on; others are best resized to that before.
    """

    def __init__(self, classes: int = 12, channels: Sequence[int] = (16, 32, 64, 128), side: int = 128):
        super().__init__()
        self.classes, self.side = classes, side
        self.downs = nn.ModuleList(
            nn.Sequential(_convolution(inputs, outputs, 4, 2), _convolution(outputs, outputs, 3, 1))
            for inputs, outputs in pairwise((3, *channels))
        )
        self.ups = nn.ModuleList(
            _convolution(below + beside, beside, 3, 1) for beside, below in reversed(list(pairwise(channels)))
        )
        self.scores = nn.Conv2d(channels[0], 4 * classes, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return N×classes×H×W scores, before the softmax, of N×3×H×W pictures in [0, 1]."""
        height, width = x.shape[2:]
        multiple = 2 ** len(self.downs)
        made, kept = F.pad(2 * x - 1, (0, -width % multiple, 0, -height % multiple), mode="replicate"), []
        for down in self.downs:
            made = down(made)
            kept.append(made)
        kept.pop()
        for up in self.ups:
            made = F.interpolate(made, scale_factor=2, mode="bilinear", align_corners=False)
            made = up(torch.cat([made, kept.pop()], 1))
        return F.pixel_shuffle(self.scores(made), 2)[:, :, :height, :width]


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())
