"""The transformer network of fast style transfer (Johnson et al. 2016), in the layout of pytorch/examples.

Upsampling is by repeated pixels and a convolution, as there, which leaves no lattice (Odena et al. 2016).
"""

import torch
import torch.nn.functional as F
from torch import nn

LEVELS = 255.0  # published weights take and give pixels from 0 to 255


class ConvLayer(nn.Module):
    """A convolution of the reflected picture, of one that was enlarged before with `upsample`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, upsample: int = 1):
        super().__init__()
        self.padding, self.upsample = kernel // 2, upsample
        self.conv2d = nn.Conv2d(inputs, outputs, kernel, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×inputs×H×W to N×outputs×(H·upsample/stride)×(W·upsample/stride)."""
        if self.upsample > 1:
            x = F.interpolate(x, scale_factor=self.upsample, mode="nearest")
        return self.conv2d(F.pad(x, [self.padding] * 4, mode="reflect"))


class ResidualBlock(nn.Module):
    """Two convolutions with instance norm round a path that leaves all as it is."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = ConvLayer(channels, channels, 3)
        self.in1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = ConvLayer(channels, channels, 3)
        self.in2 = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×channels×H×W to the same shape."""
        return x + self.in2(self.conv2(F.relu(self.in1(self.conv1(x)))))


class TransformerNet(nn.Module):
    """From a picture to the picture in one style.

    Args:
        channels: After the first convolution and after each halving; (32, 64, 128) as published.
        blocks: Residual blocks; 5 as published.
    """

    STRIDE = 4

    def __init__(self, channels: tuple[int, int, int] = (32, 64, 128), blocks: int = 5):
        super().__init__()
        first, second, third = channels
        self.conv1, self.in1 = ConvLayer(3, first, 9), nn.InstanceNorm2d(first, affine=True)
        self.conv2, self.in2 = ConvLayer(first, second, 3, stride=2), nn.InstanceNorm2d(second, affine=True)
        self.conv3, self.in3 = ConvLayer(second, third, 3, stride=2), nn.InstanceNorm2d(third, affine=True)
        self.blocks = blocks
        for index in range(1, blocks + 1):
            setattr(self, f"res{index}", ResidualBlock(third))
        self.deconv1, self.in4 = ConvLayer(third, second, 3, upsample=2), nn.InstanceNorm2d(second, affine=True)
        self.deconv2, self.in5 = ConvLayer(second, first, 3, upsample=2), nn.InstanceNorm2d(first, affine=True)
        self.deconv3 = ConvLayer(first, 3, 9)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return N×3×H×W pictures in about [0, 1] of such pictures; H and W must be multiples of 4."""
        x = F.relu(self.in1(self.conv1(pictures * LEVELS)))
        x = F.relu(self.in2(self.conv2(x)))
        x = F.relu(self.in3(self.conv3(x)))
        for index in range(1, self.blocks + 1):
            x = getattr(self, f"res{index}")(x)
        x = F.relu(self.in4(self.deconv1(x)))
        x = F.relu(self.in5(self.deconv2(x)))
        return self.deconv3(x) / LEVELS


def without_statistics(state_dict: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Drop the running statistics that instance norms of old PyTorch versions saved and nobody used."""
    return {name: value for name, value in state_dict.items() if ".running_" not in f".{name}"}
