"""Networks and blocks that several families share."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import distributed, nn
from torch.distributed.nn.functional import all_reduce

NORMS = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d, "none": nn.Identity}


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation whose batch is that of all processes, if a training has several, on any device.

    PyTorch's own SyncBatchNorm needs CUDA. Names and results are those of `nn.BatchNorm2d`.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to the same."""
        if not (self.training and _several_processes()):
            return super().forward(x)
        values = x.float()
        processes = distributed.get_world_size()
        mean = all_reduce(values.mean((0, 2, 3))) / processes
        variance = all_reduce((values - mean[:, None, None]).square().mean((0, 2, 3))) / processes
        count = x.numel() // x.shape[1] * processes
        with torch.no_grad():
            self.num_batches_tracked += 1
            momentum = self.momentum or 1 / int(self.num_batches_tracked)  # None: all batches count alike
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * count / (count - 1), momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return torch.addcmul((self.bias - mean * scale)[:, None, None], values, scale[:, None, None]).to(x.dtype)


def batch_variance(x: torch.Tensor) -> torch.Tensor:
    """Return the variance of each number over the batch, N×… to …; of all processes' batch, if there are several."""
    if not _several_processes():
        return x.var(0, unbiased=False)
    count = distributed.get_world_size()
    mean = all_reduce(x.mean(0)) / count
    return all_reduce((x - mean).square().mean(0)) / count


def _several_processes() -> bool:
    return distributed.is_available() and distributed.is_initialized()


class ResnetBlock(nn.Module):
    """Two 3×3 convolutions with normalisation, around which the input is carried."""

    def __init__(self, channels: int, norm: str, dropout: bool):
        super().__init__()
        bias = norm == "instance"
        layers = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=bias), NORMS[norm](channels)]
        layers += [nn.ReLU(), *([nn.Dropout(0.5)] if dropout else [])]
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=bias), NORMS[norm](channels)]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×channels×H×W to the same."""
        return x + self.conv_block(x)


class ResnetGenerator(nn.Module):
    """The generator of Johnson et al. 2016, as CycleGAN (Zhu et al. 2017) and DeblurGAN (Kupyn et al. 2018) use it.

    Parameter names are those of pytorch-CycleGAN-and-pix2pix (`model.1.weight`, `model.10.conv_block.1.weight`, ...).

    Args:
        input_nc: Channels of the input.
        output_nc: Channels of the output.
        ngf: Width of the first layer; the residual blocks are four times as wide.
        norm: "instance" or "batch".
        use_dropout: Drop half of the activations in each block in training.
        n_blocks: How many residual blocks.
        learn_residual: Add the output to the input (DeblurGAN's global skip).
    """

    def __init__(
        self,
        input_nc: int = 3,
        output_nc: int = 3,
        ngf: int = 64,
        norm: str = "instance",
        use_dropout: bool = False,
        n_blocks: int = 9,
        learn_residual: bool = False,
    ):
        super().__init__()
        bias, normalize = norm == "instance", NORMS[norm]
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(input_nc, ngf, 7, bias=bias), normalize(ngf), nn.ReLU()]
        for width in (ngf, 2 * ngf):
            layers += [nn.Conv2d(width, 2 * width, 3, 2, 1, bias=bias), normalize(2 * width), nn.ReLU()]
        layers += [ResnetBlock(4 * ngf, norm, use_dropout) for _ in range(n_blocks)]
        for width in (4 * ngf, 2 * ngf):
            up = nn.ConvTranspose2d(width, width // 2, 3, 2, 1, output_padding=1, bias=bias)
            layers += [up, normalize(width // 2), nn.ReLU()]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(ngf, output_nc, 7), nn.Tanh())
        self.learn_residual = learn_residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×input_nc×H×W in [-1, 1] to N×output_nc×H×W in [-1, 1]; H and W are multiples of four."""
        made = self.model(x)
        return (x + made).clamp(-1, 1) if self.learn_residual else made


class NLayerDiscriminator(nn.Module):
    """A PatchGAN (Isola et al. 2017): a score for each patch, of 70×70 pixels with three layers, 34×34 with two.

    Parameter names are those of pytorch-CycleGAN-and-pix2pix (`model.0.weight`, ...).

    Args:
        input_nc: Channels: three for a picture, six for one beside the picture that it was made from.
        ndf: Width of the first layer; each further one is twice as wide, up to eight times.
        n_layers: Layers that halve the resolution.
        norm: "instance", "batch" or "none".
    """

    def __init__(self, input_nc: int = 3, ndf: int = 64, n_layers: int = 3, norm: str = "instance"):
        super().__init__()
        bias = norm != "batch"
        layers, width = [nn.Conv2d(input_nc, ndf, 4, 2, 1), nn.LeakyReLU(0.2)], ndf
        for index in range(1, n_layers + 1):
            wider, stride = ndf * min(2**index, 8), 2 if index < n_layers else 1
            layers += [nn.Conv2d(width, wider, 4, stride, 1, bias=bias), NORMS[norm](wider), nn.LeakyReLU(0.2)]
            width = wider
        self.model = nn.Sequential(*layers, nn.Conv2d(width, 1, 4, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Score N×input_nc×H×W pictures: N×1×h×w logits."""
        return self.model(x)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions without normalisation, which begins near the identity."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.conv2.weight.mul_(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×channels×H×W to the same."""
        return x + self.conv2(F.relu(self.conv1(x)))


class RestorationUNet(nn.Module):
    """A small U-Net that corrects a picture; it begins as the identity.

    Resolution rises by bilinear interpolation, not by transposed or sub-pixel convolutions, whose kernels differ from
    place to place and leave a lattice (Odena et al. 2016).

    Args:
        channels: Width at each level, each at half the resolution of the one before.
        blocks: Residual blocks at the coarsest level.
        gains: Correct by a factor and a summand at each pixel, as haze asks for, instead of a summand alone.
        context: Let each place know the mean of the whole picture's coarsest activations.
    """

    def __init__(
        self,
        channels: Sequence[int] = (16, 32, 64),
        blocks: int = 6,
        gains: bool = False,
        context: bool = False,
    ):
        super().__init__()
        pairs = list(pairwise(channels))
        self.head = nn.Conv2d(3, channels[0], 3, padding=1)
        self.encoders = nn.ModuleList(ResidualBlock(width) for width in channels[:-1])
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairs)
        self.middle = nn.Sequential(*(ResidualBlock(channels[-1]) for _ in range(blocks)))
        self.context = nn.Linear(channels[-1], channels[-1]) if context else None
        self.ups = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in reversed(pairs))
        self.decoders = nn.ModuleList(ResidualBlock(width) for width in reversed(channels[:-1]))
        self.tail = nn.Conv2d(channels[0], 6 if gains else 3, 3, padding=1)
        for layer in (self.head, *self.downs, *self.ups):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×3×H×W pictures in [0, 1] to N×3×H×W, about in [0, 1]."""
        height, width = x.shape[2:]
        multiple = 2 ** len(self.downs)
        whole = F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        made, kept = F.relu(self.head(whole)), []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            made = encoder(made)
            kept.append(made)
            made = F.relu(down(made))
        made = self.middle(made)
        if self.context is not None:
            made = made + F.relu(self.context(made.mean((2, 3))))[:, :, None, None]
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            made = F.interpolate(made, scale_factor=2, mode="bilinear", align_corners=False)
            made = decoder(F.relu(up(made)) + kept.pop())
        made = self.tail(made)[:, :, :height, :width]
        if made.shape[1] == 3:
            return x + made
        gain, offset = made.chunk(2, 1)
        return x * (1 + gain) + offset

    def probe(self) -> torch.Tensor:
        """Return what becomes of a small picture, to check loaded weights."""
        return self(torch.linspace(0, 1, 32, device=self.head.weight.device).expand(1, 3, 32, 32))


class GatedBlock(nn.Module):
    """Two 3×3 convolutions between which half of the channels gates the other half; it begins as the identity.

    The simple gate of NAFNet (Chen et al. 2022, section 3.3). Unlike there no mean of the whole picture comes in, so
    that tiles of a picture become what the whole does.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.conv1 = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.scale = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×channels×H×W to the same."""
        even = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # over the channels of each place
        value, gate = self.conv1(even).chunk(2, 1)
        return x + self.scale * self.conv2(value * gate)


class GatedUNet(nn.Module):
    """A U-Net of gated blocks at half the picture's size and below, which corrects it; it begins as the identity.

    Pixels are folded into channels first, 2×2 to one place. Resolution rises by bilinear interpolation, as in
    `RestorationUNet`.

    Args:
        inputs: Channels of what it sees; the first three are the picture that it corrects.
        channels: Width at each level, each at half the resolution of the one before.
        blocks: Gated blocks at each level on the way down.
        up_blocks: On the way up, from the coarsest level but one to the finest.
    """

    def __init__(
        self,
        inputs: int = 3,
        channels: Sequence[int] = (24, 48, 96, 128),
        blocks: Sequence[int] = (1, 2, 2, 5),
        up_blocks: Sequence[int] = (1, 1, 2),
    ):
        super().__init__()
        self.inputs, self.multiple = inputs, 2 ** len(channels)
        pairs = list(pairwise(channels))

        def level(width: int, count: int) -> nn.Sequential:
            return nn.Sequential(*(GatedBlock(width) for _ in range(count)))

        self.head = nn.Conv2d(4 * inputs, channels[0], 3, padding=1)
        self.encoders = nn.ModuleList(map(level, channels, blocks))
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in pairs)
        self.ups = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in reversed(pairs))
        self.decoders = nn.ModuleList(map(level, channels[-2::-1], up_blocks))
        self.tail = nn.Conv2d(channels[0], 12, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×inputs×H×W to N×3×H×W."""
        height, width = x.shape[2:]
        whole = F.pad(x, (0, -width % self.multiple, 0, -height % self.multiple), mode="replicate")
        made, kept = self.head(F.pixel_unshuffle(whole, 2)), []
        for encoder, down in zip(self.encoders, self.downs, strict=False):
            made = encoder(made)
            kept.append(made)
            made = down(made)
        made = self.encoders[-1](made)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            made = F.interpolate(up(made), scale_factor=2, mode="bilinear", align_corners=False)
            made = decoder(made + kept.pop())
        return x[:, :3] + F.pixel_shuffle(self.tail(made), 2)[:, :, :height, :width]

    def probe(self) -> torch.Tensor:
        """Return what becomes of a small picture, to check loaded weights."""
        return self(torch.linspace(0, 1, 32, device=self.head.weight.device).expand(1, self.inputs, 32, 32))
