"""One scale of SinGAN (Rott Shaham et al. 2019, section 2.1 and supplement): generator and patch discriminator.

Both are five 3×3 convolutions without padding, so that an output pixel sees 11×11 pixels. The official code leaves
batch normalisation in training mode for its batches of one, which is normalisation of each picture by itself: here it
is called so, and several pictures may share a batch. Parameter names are the official ones.
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

BLOCKS = 5
MARGIN = BLOCKS  # pixels that five convolutions without padding take off each side
MIN_CHANNELS = 32


def conv_block(inputs: int, outputs: int) -> nn.Sequential:
    """Convolution, normalisation of each picture by itself, leaky ReLU."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(inputs, outputs, 3),
            norm=nn.InstanceNorm2d(outputs, affine=True),
            LeakyRelu=nn.LeakyReLU(0.2),
        )
    )


def trunk(channels: int) -> tuple[nn.Sequential, nn.Sequential, int]:
    """Return the first four blocks, as head and body, and the width of the last one; each halves the width."""
    widths = [channels, *(max(channels // 2**index, MIN_CHANNELS) for index in range(1, BLOCKS - 1))]
    body = nn.Sequential(
        OrderedDict((f"block{index}", conv_block(widths[index - 1], widths[index])) for index in range(1, BLOCKS - 1))
    )
    return conv_block(3, channels), body, widths[-1]


class Generator(nn.Module):
    """Adds to the picture of the scale below, enlarged, the details of this one (equation 3)."""

    def __init__(self, channels: int):
        super().__init__()
        self.head, self.body, width = trunk(channels)
        self.tail = nn.Sequential(nn.Conv2d(width, 3, 3), nn.Tanh())

    def forward(self, noise: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        """Return N×3×H×W in about [-1, 1] from noise and the enlarged picture of the scale below, both N×3×H×W."""
        x = F.pad(noise + previous, [MARGIN] * 4)
        return self.tail(self.body(self.head(x))) + previous


class Discriminator(nn.Module):
    """Scores each 11×11 patch (a Markovian discriminator)."""

    def __init__(self, channels: int):
        super().__init__()
        self.head, self.body, width = trunk(channels)
        self.tail = nn.Conv2d(width, 1, 3)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """N×3×H×W to N×1×(H-10)×(W-10)."""
        return self.tail(self.body(self.head(picture)))
