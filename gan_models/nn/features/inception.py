"""Inception-v3 as in the TensorFlow graph of 2015-12-05, by which FID, KID and the Inception Score are measured.

The network is that of Szegedy et al. 2016 with 1,008 classes. That graph differs from torchvision's in its poolings:
averages leave the padding out, and the last block takes the maximum. Parameter names are torchvision's, which the
ports of the graph's weights (pytorch-fid, torch-fidelity) keep.
"""

import torch
import torch.nn.functional as F
from torch import nn

SIDE = 299
CLASSES = 1008


class BasicConv2d(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], **options: int | tuple[int, int]):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, bias=False, **options)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×inputs×H×W to N×outputs×h×w."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


def wide(inputs: int, outputs: int) -> BasicConv2d:
    """Return a 1×7 convolution that keeps the size."""
    return BasicConv2d(inputs, outputs, (1, 7), padding=(0, 3))


def tall(inputs: int, outputs: int) -> BasicConv2d:
    """Return a 7×1 convolution that keeps the size."""
    return BasicConv2d(inputs, outputs, (7, 1), padding=(3, 0))


def average(x: torch.Tensor) -> torch.Tensor:
    """Return the means of 3×3 neighbours, without what lies outside."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def maximum(x: torch.Tensor) -> torch.Tensor:
    """Return the maxima of 3×3 neighbours."""
    return F.max_pool2d(x, 3, stride=1, padding=1)


class InceptionA(nn.Module):
    """Branches of 1×1, 5×5 and twice 3×3 (figure 5 of the paper, with a 5×5 kept)."""

    def __init__(self, inputs: int, pool_features: int):
        super().__init__()
        self.branch1x1 = BasicConv2d(inputs, 64, 1)
        self.branch5x5_1 = BasicConv2d(inputs, 48, 1)
        self.branch5x5_2 = BasicConv2d(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = BasicConv2d(inputs, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, padding=1)
        self.branch_pool = BasicConv2d(inputs, pool_features, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×inputs×H×W to N×(224 + pool_features)×H×W."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, double, self.branch_pool(average(x))], 1)


class InceptionB(nn.Module):
    """Halves the resolution after the first blocks."""

    def __init__(self, inputs: int):
        super().__init__()
        self.branch3x3 = BasicConv2d(inputs, 384, 3, stride=2)
        self.branch3x3dbl_1 = BasicConv2d(inputs, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×inputs×H×W to N×(480 + inputs)×h×w."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2)], 1)


class InceptionC(nn.Module):
    """Branches whose 7×7 convolutions are split into rows and columns (figure 6)."""

    def __init__(self, inputs: int, channels_7x7: int):
        super().__init__()
        middle = channels_7x7
        self.branch1x1 = BasicConv2d(inputs, 192, 1)
        self.branch7x7_1 = BasicConv2d(inputs, middle, 1)
        self.branch7x7_2 = wide(middle, middle)
        self.branch7x7_3 = tall(middle, 192)
        self.branch7x7dbl_1 = BasicConv2d(inputs, middle, 1)
        self.branch7x7dbl_2 = tall(middle, middle)
        self.branch7x7dbl_3 = wide(middle, middle)
        self.branch7x7dbl_4 = tall(middle, middle)
        self.branch7x7dbl_5 = wide(middle, 192)
        self.branch_pool = BasicConv2d(inputs, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×inputs×H×W to N×768×H×W."""
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(average(x))], 1)


class InceptionD(nn.Module):
    """Halves the resolution before the last blocks."""

    def __init__(self, inputs: int):
        super().__init__()
        self.branch3x3_1 = BasicConv2d(inputs, 192, 1)
        self.branch3x3_2 = BasicConv2d(192, 320, 3, stride=2)
        self.branch7x7x3_1 = BasicConv2d(inputs, 192, 1)
        self.branch7x7x3_2 = wide(192, 192)
        self.branch7x7x3_3 = tall(192, 192)
        self.branch7x7x3_4 = BasicConv2d(192, 192, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×inputs×H×W to N×(512 + inputs)×h×w."""
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([three, seven, F.max_pool2d(x, 3, stride=2)], 1)


class InceptionE(nn.Module):
    """Branches that fan out into rows and columns (figure 7).

    Args:
        inputs: Channels.
        pool: What the last branch does with 3×3 neighbours: `average` or `maximum`.
    """

    def __init__(self, inputs: int, pool: str):
        super().__init__()
        self.branch1x1 = BasicConv2d(inputs, 320, 1)
        self.branch3x3_1 = BasicConv2d(inputs, 384, 1)
        self.branch3x3_2a = BasicConv2d(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = BasicConv2d(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = BasicConv2d(inputs, 448, 1)
        self.branch3x3dbl_2 = BasicConv2d(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = BasicConv2d(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = BasicConv2d(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = BasicConv2d(inputs, 192, 1)
        self.pool = pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×inputs×H×W to N×2048×H×W."""
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = average(x) if self.pool == "average" else maximum(x)
        fans = [self.branch3x3_2a(three), self.branch3x3_2b(three)]
        fans += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        return torch.cat([self.branch1x1(x), *fans, self.branch_pool(pooled)], 1)


class Inception(nn.Module):
    """The network of FID (its last pooling), of the Inception Score (its classes) and of SIFID (its first block)."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = BasicConv2d(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = BasicConv2d(32, 32, 3)
        self.Conv2d_2b_3x3 = BasicConv2d(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = BasicConv2d(64, 80, 1)
        self.Conv2d_4a_3x3 = BasicConv2d(80, 192, 3)
        self.Mixed_5b = InceptionA(192, 32)
        self.Mixed_5c = InceptionA(256, 64)
        self.Mixed_5d = InceptionA(288, 64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(768, 128)
        self.Mixed_6c = InceptionC(768, 160)
        self.Mixed_6d = InceptionC(768, 160)
        self.Mixed_6e = InceptionC(768, 192)
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280, "average")
        self.Mixed_7c = InceptionE(2048, "maximum")
        self.fc = nn.Linear(2048, CLASSES)

    def first_block(self, image: torch.Tensor) -> torch.Tensor:
        """Return the 64 activations before the first pooling of N×3×H×W pictures in [0, 1], at half their size."""
        return self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(2 * image - 1)))

    def pooled(self, image: torch.Tensor) -> torch.Tensor:
        """Return the last block averaged, N×2048, of N×3×H×W pictures in [0, 1], resized to 299 pixels a side."""
        x = self.first_block(F.interpolate(image, size=(SIDE, SIDE), mode="bilinear", align_corners=False))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, stride=2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(x, 3, stride=2))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        return self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))).mean(dim=(2, 3))

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """Return N×1008 class scores of N×3×H×W pictures in [0, 1]; without bias, as the Inception Score has them."""
        return F.linear(self.pooled(image), self.fc.weight)

    def probe(self) -> torch.Tensor:
        """Return the class scores of a grey picture, to check loaded weights."""
        return self.logits(torch.full((1, 3, 32, 32), 0.5, device=self.fc.weight.device))
