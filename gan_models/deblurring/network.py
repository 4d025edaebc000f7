"""The generators of DeblurGAN (Kupyn et al. 2018) and of DeblurGAN-v2 (Kupyn et al. 2019).

The second stands on Inception-ResNet-v2 (Szegedy et al. 2017). Its parameter names are those of
github.com/VITA-Group/DeblurGANv2, models/fpn_inception.py, and, for the trunk, of
github.com/Cadene/pretrained-models.pytorch. The trunk is TensorFlow's release, which is narrower than the paper's
figures and begins with plain convolutions.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from gan_models.nn.layers import ResnetBlock, ResnetGenerator

Size = int | tuple[int, int]


class PictureNorm(nn.BatchNorm2d):
    """Normalisation of each picture by its own mean and variance, in training as in use.

    The official `predict.py` runs the network in training mode, on purpose, and on one picture at a time. Then the
    trunk's batch normalisation is the same as this, and the pyramid's instance normalisation as this with
    `affine=False`. The running statistics that the published file holds are loaded, but neither used nor changed.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×channels×H×W to the same; H·W is at least two."""
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


# --- Inception-ResNet-v2


class BasicConv2d(nn.Module):
    """Convolution without bias, normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: Size, **options: Size | str):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, bias=False, **options)
        self.bn = PictureNorm(outputs, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×inputs×H×W to N×outputs×h×w."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


def same(inputs: int, *layers: tuple[int, Size]) -> nn.Sequential:
    """Return convolutions that keep the size, one for each pair of width and kernel."""
    widths = [inputs, *(width for width, _ in layers)]
    pairs = zip(widths, layers, strict=False)
    return nn.Sequential(*(BasicConv2d(before, width, kernel, padding="same") for before, (width, kernel) in pairs))


def halving(inputs: int, *layers: tuple[int, Size]) -> nn.Sequential:
    """Return convolutions like those of `same`, at least two, the last of which has stride 2 and no padding."""
    *first, (width, kernel) = layers
    return nn.Sequential(*same(inputs, *first), BasicConv2d(first[-1][0], width, kernel, stride=2))


class Branches(nn.Module):
    """Paths side by side (`branch0`, `branch1`, ...) whose channels are joined."""

    def __init__(self, *branches: nn.Module):
        super().__init__()
        self.names = [f"branch{index}" for index in range(len(branches))]
        for name, branch in zip(self.names, branches, strict=True):
            self.add_module(name, branch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×(sum of the branches' channels)×h×w."""
        return torch.cat([self.get_submodule(name)(x) for name in self.names], 1)


class Correction(Branches):
    """Branches that, brought back to the input's width and scaled, are added to the input; then ReLU.

    Args:
        channels: Of the input.
        joined: Channels of all branches together.
        scale: By which the correction is multiplied, which keeps training steady (section 3.3 of the paper).
        branches: The paths, which keep the size.
    """

    def __init__(self, channels: int, joined: int, scale: float, *branches: nn.Module):
        super().__init__(*branches)
        self.conv2d = nn.Conv2d(joined, channels, 1)
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×channels×H×W to the same."""
        return F.relu(x + self.scale * self.conv2d(super().forward(x)))


def mixed_5b() -> Branches:
    """Return the first block: 192 channels to 320."""
    mean = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return Branches(
        BasicConv2d(192, 96, 1),
        same(192, (48, 1), (64, 5)),
        same(192, (64, 1), (96, 3), (96, 3)),
        nn.Sequential(mean, BasicConv2d(192, 64, 1)),
    )


def block35() -> Correction:
    """Return a block of the finest level, Inception-ResNet-A in the paper."""
    paths = BasicConv2d(320, 32, 1), same(320, (32, 1), (32, 3)), same(320, (32, 1), (48, 3), (64, 3))
    return Correction(320, 128, 0.17, *paths)


def mixed_6a() -> Branches:
    """Return what halves the resolution between the first two levels: 320 channels to 1088."""
    single = BasicConv2d(320, 384, 3, stride=2)
    return Branches(single, halving(320, (256, 1), (256, 3), (384, 3)), nn.MaxPool2d(3, stride=2))


def block17() -> Correction:
    """Return a block of the middle level, Inception-ResNet-B."""
    paths = BasicConv2d(1088, 192, 1), same(1088, (128, 1), (160, (1, 7)), (192, (7, 1)))
    return Correction(1088, 384, 0.1, *paths)


def mixed_7a() -> Branches:
    """Return what halves the resolution between the last two levels: 1088 channels to 2080."""
    return Branches(
        halving(1088, (256, 1), (384, 3)),
        halving(1088, (256, 1), (288, 3)),
        halving(1088, (256, 1), (288, 3), (320, 3)),
        nn.MaxPool2d(3, stride=2),
    )


def block8() -> Correction:
    """Return a block of the coarsest level, Inception-ResNet-C."""
    paths = BasicConv2d(2080, 192, 1), same(2080, (192, 1), (224, (1, 3)), (256, (3, 1)))
    return Correction(2080, 448, 0.2, *paths)


class InceptionResNetV2(nn.Module):
    """The classifier's layers, to be run in parts.

    Those after `mixed_7a` have no part in deblurring; they are here as the published file holds them.

    Args:
        blocks: How many there are of each level; the last has one more, `block8`.
    """

    def __init__(self, blocks: Sequence[int]):
        super().__init__()
        self.conv2d_1a = BasicConv2d(3, 32, 3, stride=2)
        self.conv2d_2a = BasicConv2d(32, 32, 3)
        self.conv2d_2b = BasicConv2d(32, 64, 3, padding=1)
        self.conv2d_3b = BasicConv2d(64, 80, 1)
        self.conv2d_4a = BasicConv2d(80, 192, 3)
        self.mixed_5b = mixed_5b()
        self.repeat = nn.Sequential(*(block35() for _ in range(blocks[0])))
        self.mixed_6a = mixed_6a()
        self.repeat_1 = nn.Sequential(*(block17() for _ in range(blocks[1])))
        self.mixed_7a = mixed_7a()
        self.repeat_2 = nn.Sequential(*(block8() for _ in range(blocks[2])))
        self.block8 = block8()
        self.conv2d_7b = BasicConv2d(2080, 1536, 1)
        self.last_linear = nn.Linear(1536, 1000)


# --- The feature pyramid and what is made of it


def normalised(inputs: int, outputs: int) -> nn.Sequential:
    """Return a 3×3 convolution, normalisation and ReLU: N×inputs×H×W to N×outputs×H×W."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), PictureNorm(outputs, affine=False), nn.ReLU())


def enlarged(x: torch.Tensor, times: int) -> torch.Tensor:
    """Repeat each pixel: N×C×H×W to N×C×(times·H)×(times·W)."""
    return F.interpolate(x, scale_factor=times, mode="nearest")


class Pyramid(nn.Module):
    """A feature pyramid (Lin et al. 2017) on Inception-ResNet-v2.

    The trunk loses pixels at the borders; mirrored ones make up for them, so that each level has half the sides of
    the one before. Layers that are used have two names, one under `inception` and one under `enc0` to `enc4`.

    Args:
        channels: Of all levels but the finest, which has half of them.
        blocks: As for `InceptionResNetV2`.
    """

    def __init__(self, channels: int, blocks: Sequence[int]):
        super().__init__()
        self.inception = trunk = InceptionResNetV2(blocks)
        self.enc0 = trunk.conv2d_1a
        self.enc1 = nn.Sequential(trunk.conv2d_2a, trunk.conv2d_2b, nn.MaxPool2d(3, stride=2))
        self.enc2 = nn.Sequential(trunk.conv2d_3b, trunk.conv2d_4a, nn.MaxPool2d(3, stride=2))
        self.enc3 = nn.Sequential(trunk.mixed_5b, trunk.repeat, trunk.mixed_6a)
        self.enc4 = nn.Sequential(trunk.repeat_1, trunk.mixed_7a)
        self.td1 = normalised(channels, channels)
        self.td2 = normalised(channels, channels)
        self.td3 = normalised(channels, channels)
        self.lateral4 = nn.Conv2d(2080, channels, 1, bias=False)
        self.lateral3 = nn.Conv2d(1088, channels, 1, bias=False)
        self.lateral2 = nn.Conv2d(192, channels, 1, bias=False)
        self.lateral1 = nn.Conv2d(64, channels, 1, bias=False)
        self.lateral0 = nn.Conv2d(32, channels // 2, 1, bias=False)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map N×3×H×W in [-1, 1] to five levels: N×(channels/2)×H/2×W/2, then N×channels×H/4×W/4 to ×H/32×W/32."""
        level0, level1, level2, level3, level4 = self._laterals(x)
        level3 = self.td1(level3 + enlarged(level4, 2))
        level2 = self.td2(level2 + enlarged(level3, 2))
        level1 = self.td3(level1 + enlarged(level2, 2))
        return [level0, level1, level2, level3, level4]

    def _laterals(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return what the trunk sees at each level, in the pyramid's widths and sizes."""
        steps = [
            (self.enc0, self.lateral0, (0, 1, 0, 1)),
            (self.enc1, self.lateral1, (1, 1, 1, 1)),
            (self.enc2, self.lateral2, (1, 2, 1, 2)),
            (self.enc3, self.lateral3, (1, 1, 1, 1)),
            (self.enc4, self.lateral4, (1, 1, 1, 1)),
        ]
        levels = []
        for encode, lateral, missing in steps:
            x = encode(x)
            levels.append(F.pad(lateral(x), missing, mode="reflect"))
        return levels


class Head(nn.Module):
    """Two 3×3 convolutions without bias, a ReLU after each."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.block0 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.block1 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×inputs×H×W to N×outputs×H×W."""
        return F.relu(self.block1(F.relu(self.block0(x))))


class DeblurGANv2(nn.Module):
    """The generator "FPN-Inception", which corrects a picture; of several, each by itself.

    As `PictureNorm` makes everything depend on the whole input, a part of a picture comes out otherwise by itself.

    Args:
        num_filters: Channels of each head; the pyramid has twice as many.
        blocks: Blocks of Inception-ResNet-v2 at its three levels.
    """

    multiple = 32  # of which the sides must be multiples
    smallest = 128  # pixels of a side

    def __init__(self, num_filters: int = 128, blocks: Sequence[int] = (10, 20, 9)):
        super().__init__()
        self.fpn = Pyramid(2 * num_filters, blocks)
        self.head1 = Head(2 * num_filters, num_filters)
        self.head2 = Head(2 * num_filters, num_filters)
        self.head3 = Head(2 * num_filters, num_filters)
        self.head4 = Head(2 * num_filters, num_filters)
        self.smooth = normalised(4 * num_filters, num_filters)
        self.smooth2 = normalised(num_filters, num_filters // 2)
        self.final = nn.Conv2d(num_filters // 2, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×3×H×W in [0, 1] to the same; H and W are multiples of 32, and at least 128."""
        level0, level1, level2, level3, level4 = self.fpn(2 * x - 1)
        coarse = [enlarged(self.head4(level4), 8), enlarged(self.head3(level3), 4), enlarged(self.head2(level2), 2)]
        quarter = self.smooth(torch.cat([*coarse, self.head1(level1)], 1))
        half = self.smooth2(enlarged(quarter, 2) + level0)
        correction = torch.tanh(self.final(enlarged(half, 2)))  # of a picture in [-1, 1]
        return (x + correction / 2).clamp(0, 1)

    def probe(self) -> torch.Tensor:
        """Return what becomes of a ramp from black to white, to check loaded weights."""
        ramp = torch.linspace(0, 1, self.smallest).to(self.final.weight)
        return self(ramp.expand(1, 3, self.smallest, self.smallest))


# --- DeblurGAN


class DeblurGAN(ResnetGenerator):
    """The generator of DeblurGAN as published (github.com/KupynOrest/DeblurGAN): one convolution a residual block.

    Two are written in the paper. In the official code the second falls to a conditional expression that binds more
    loosely than the sums round it, wherever dropout is on, as it is by default; the published file has 6,067,459
    parameters, which is nine blocks of one convolution. Normalisation goes by each input's own statistics.

    Args:
        ngf: Width of the first layer.
        n_blocks: Residual blocks.
    """

    def __init__(self, ngf: int = 64, n_blocks: int = 9):
        super().__init__(ngf=ngf, n_blocks=n_blocks, learn_residual=True)
        for layer in self.model:
            if isinstance(layer, ResnetBlock):
                layer.conv_block = layer.conv_block[:4]  # padding, convolution, normalisation, ReLU

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×3×H×W in [0, 1] to the same; H and W are multiples of four."""
        return (super().forward(2 * x - 1) + 1) / 2

    def probe(self) -> torch.Tensor:
        """Return what becomes of a ramp from black to white, to check loaded weights."""
        ramp = torch.linspace(0, 1, 64).to(self.model[1].weight)
        return self(ramp.expand(1, 3, 64, 64))


def without_prefix(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a state dict under the network's own names, which `DataParallel` has put behind `module.`."""
    return {name.removeprefix("module."): value for name, value in state.items()}
