"""Published dehazing networks; the compact ones are `gan_models.nn.layers.RestorationUNet`."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn


def block(inputs: int, outputs: int, *, up: bool = False, activate: bool = True, **options: int) -> nn.Module:
    """Return convolution, instance normalisation and ReLU under the names that ClarityGAN gives them."""
    if up:
        convolution = nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1)
    else:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect", **options)
    norm, activation = nn.InstanceNorm2d(outputs), nn.ReLU() if activate else nn.Identity()
    return Named(conv_block=nn.Sequential(convolution, norm, activation))


class Named(nn.Module):
    """A module inside another, for the sake of its name; adds its input to its output if it is a residual block."""

    def __init__(self, **parts: nn.Module):
        super().__init__()
        ((self.name, part),) = parts.items()
        self.add_module(self.name, part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply what is inside."""
        made = getattr(self, self.name)(x)
        return x + made if self.name == "residual_block" else made


class ClarityGenerator(nn.Module):
    """The generator of ClarityGAN, a CycleGAN trained on RESIDE (github.com/GR-Menon/ClarityGAN).

    Parameter names are its own (`base.0.weight`, `residual_blocks.0.residual_block.0.conv_block.0.weight`, ...).

    Args:
        num_features: Width of the first layer.
        num_residuals: Residual blocks, four times as wide.
    """

    def __init__(self, num_features: int = 64, num_residuals: int = 6):
        super().__init__()
        width = num_features
        self.base = nn.Sequential(nn.Conv2d(3, width, 7, padding=3, padding_mode="reflect"), nn.ReLU())
        self.down_blocks = nn.Sequential(block(width, 2 * width, stride=2), block(2 * width, 4 * width, stride=2))
        self.residual_blocks = nn.Sequential(
            *(
                Named(
                    residual_block=nn.Sequential(
                        block(4 * width, 4 * width), block(4 * width, 4 * width, activate=False)
                    )
                )
                for _ in range(num_residuals)
            )
        )
        self.up_blocks = nn.Sequential(block(4 * width, 2 * width, up=True), block(2 * width, width, up=True))
        self.head = nn.Conv2d(width, 3, 7, padding=3, padding_mode="reflect")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×3×H×W pictures in [0, 1] to the same; H and W are multiples of four."""
        made = self.up_blocks(self.residual_blocks(self.down_blocks(self.base(x))))
        return torch.tanh(self.head(made))

    def probe(self) -> torch.Tensor:
        """Return what becomes of a small picture, to check loaded weights."""
        ramp = torch.linspace(0, 1, 32, device=self.head.weight.device)
        return self(ramp.expand(1, 3, 32, 32))


class RevisedNorm(nn.Module):
    """RescaleNorm (section 3.2 of DehazeFormer's paper): normalises a whole picture, and tells what it took away.

    Attributes:
        meta1: Makes of the deviation a factor for each channel.
        meta2: Makes of the mean a summand for each channel.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.meta1, self.meta2 = nn.Conv2d(1, channels, 1), nn.Conv2d(1, channels, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Map N×channels×H×W to the same, normalised, and the factors and summands, N×channels×1×1, to undo it."""
        variance, mean = torch.var_mean(x, (1, 2, 3), correction=0, keepdim=True)
        deviation = (variance + 1e-5).sqrt()
        return (x - mean) / deviation * self.weight + self.bias, self.meta1(deviation), self.meta2(mean)


class WindowAttention(nn.Module):
    """Attention among the pixels of a window, with a bias by their distance that a network of its own gives."""

    def __init__(self, heads: int, window: int):
        super().__init__()
        self.heads = heads
        places = torch.cartesian_prod(torch.arange(window), torch.arange(window))
        distances = places[:, None] - places[None]
        self.register_buffer("relative_positions", distances.sign() * distances.abs().float().log1p())
        self.meta = nn.Sequential(nn.Linear(2, 256), nn.ReLU(), nn.Linear(256, heads))

    def forward(self, qkv: torch.Tensor) -> torch.Tensor:
        """Map queries, keys and values, M×window²×3·channels, to M×window²×channels."""
        windows, pixels, _ = qkv.shape
        query, key, value = qkv.reshape(windows, pixels, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self.meta(self.relative_positions).permute(2, 0, 1).to(query.dtype)
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return out.transpose(1, 2).reshape(windows, pixels, -1)


class Attention(nn.Module):
    """Attention in windows, which may be shifted by half of one, beside a depthwise convolution of the values."""

    def __init__(self, channels: int, heads: int, window: int, shift: int):
        super().__init__()
        self.window, self.shift = window, shift
        self.conv = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, padding_mode="reflect")
        self.V, self.proj = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)
        self.QK = nn.Conv2d(channels, 2 * channels, 1)
        self.attn = WindowAttention(heads, window)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×channels×H×W to the same; H and W are larger than a window."""
        height, width = x.shape[2:]
        values = self.V(x)
        before, side = self.shift, self.window
        right, below = (-(length + before) % side for length in (width, height))
        padded = F.pad(torch.cat([self.QK(x), values], 1), (before, right, before, below), mode="reflect")
        count, channels, rows, columns = padded.shape
        grid = padded.reshape(count, channels, rows // side, side, columns // side, side)
        windows = self.attn(grid.permute(0, 2, 4, 3, 5, 1).reshape(-1, side * side, channels))
        grid = windows.reshape(count, rows // side, columns // side, side, side, -1).permute(0, 5, 1, 3, 2, 4)
        seen = grid.reshape(count, -1, rows, columns)[:, :, before : before + height, before : before + width]
        return self.proj(self.conv(values) + seen)


class TransformerBlock(nn.Module):
    """Attention on the normalised picture, which gets its brightness and contrast back; then two 1×1 convolutions."""

    def __init__(self, channels: int, heads: int, hidden: int, window: int, shift: int):
        super().__init__()
        self.norm1 = RevisedNorm(channels)
        self.attn = Attention(channels, heads, window, shift)
        self.mlp = Named(mlp=nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, channels, 1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×channels×H×W to the same."""
        normalised, factor, summand = self.norm1(x)
        x = x + self.attn(normalised) * factor + summand
        return x + self.mlp(x)


class Fusion(nn.Module):
    """SKFusion: the sum of two pictures in shares that depend on what is in them, channel by channel."""

    def __init__(self, channels: int):
        super().__init__()
        hidden = max(channels // 8, 4)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False), nn.ReLU(), nn.Conv2d(hidden, 2 * channels, 1, bias=False)
        )

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Two of N×channels×H×W to one."""
        shares = self.mlp((first + second).mean((2, 3), keepdim=True)).unflatten(1, (2, -1)).softmax(1)
        return first * shares[:, 0] + second * shares[:, 1]


class DehazeFormer(nn.Module):
    """A U-Net of transformer blocks (Song, He, Qian and Du 2023): three levels, each half as large as the one before.

    Args:
        outputs: Channels that it makes.
        dims: Channels at the three levels.
        depths: Blocks at the three levels, and at the second and the first on the way back.
        heads: Of the attention in those blocks.
        ratios: Of the width inside their 1×1 convolutions.
        window: Side of a window.
    """

    def __init__(
        self,
        outputs: int,
        dims: Sequence[int],
        depths: Sequence[int],
        heads: Sequence[int],
        ratios: Sequence[int],
        window: int,
    ):
        super().__init__()
        low, middle, high = dims
        layers = []
        for channels, depth, count, ratio in zip((*dims, middle, low), depths, heads, ratios, strict=True):
            shifts = (index % 2 * window // 2 for index in range(depth))
            blocks = [TransformerBlock(channels, count, ratio * channels, window, shift) for shift in shifts]
            layers.append(Named(blocks=nn.Sequential(*blocks)))
        self.layer1, self.layer2, self.layer3, self.layer4, self.layer5 = layers
        self.patch_embed = Named(proj=nn.Conv2d(3, low, 3, padding=1, padding_mode="reflect"))
        self.patch_merge1 = Named(proj=nn.Conv2d(low, middle, 2, 2))
        self.patch_merge2 = Named(proj=nn.Conv2d(middle, high, 2, 2))
        self.skip1, self.skip2 = nn.Conv2d(low, low, 1), nn.Conv2d(middle, middle, 1)
        self.patch_split1 = Named(proj=nn.Sequential(nn.Conv2d(high, 4 * middle, 1), nn.PixelShuffle(2)))
        self.patch_split2 = Named(proj=nn.Sequential(nn.Conv2d(middle, 4 * low, 1), nn.PixelShuffle(2)))
        self.fusion1, self.fusion2 = Fusion(middle), Fusion(low)
        last = nn.Conv2d(low, outputs, 3, padding=1, padding_mode="reflect")
        self.patch_unembed = Named(proj=nn.Sequential(last))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×3×H×W in [-1, 1] to N×outputs×H×W; H and W are multiples of four and above four windows."""
        first = self.layer1(self.patch_embed(x))
        second = self.layer2(self.patch_merge1(first))
        x = self.patch_split1(self.layer3(self.patch_merge2(second)))
        x = self.patch_split2(self.layer4(self.fusion1(x, self.skip2(second)) + x))
        return self.patch_unembed(self.layer5(self.fusion2(x, self.skip1(first)) + x))


class DehazeFormerMCT(nn.Module):
    """DehazeFormer as its authors' demonstration has it: it draws curves, which are applied to the whole picture.

    It sees 256×256 pixels, and for each of them draws nine curves of eight knots each, from each channel to each. A
    pixel of the picture itself is looked up in the curves of its place: trilinear sampling of a bilateral grid.
    Parameter names are those of huggingface.co/spaces/IDKiro/DehazeFormer_Demo (`basenet.layer1.blocks.0...`).

    Args:
        dims, depths, heads, ratios, window: As `DehazeFormer`; the published ones.
        knots: Of each curve.
        side: Pixels a side that it sees.
    """

    def __init__(
        self,
        dims: Sequence[int] = (24, 48, 96),
        depths: Sequence[int] = (4, 4, 8, 4, 4),
        heads: Sequence[int] = (2, 4, 6, 4, 2),
        ratios: Sequence[int] = (2, 2, 4, 2, 2),
        window: int = 8,
        knots: int = 8,
        side: int = 256,
    ):
        super().__init__()
        self.side = side
        self.basenet = DehazeFormer(9 * knots, dims, depths, heads, ratios, window)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×3×H×W pictures in [0, 1] to the same."""
        x = 2 * x - 1
        count, _, height, width = x.shape
        drawn = self.basenet(F.interpolate(x, (self.side, self.side), mode="area"))
        curves = drawn.unflatten(1, (3, 3, -1)).float()  # to which channel, from which, knots
        down = torch.linspace(-1, 1, height, device=x.device)
        across = torch.linspace(-1, 1, width, device=x.device)
        down, across = (part.expand(count, -1, -1) for part in torch.meshgrid(down, across, indexing="ij"))
        made = 0
        for channel in range(3):
            places = torch.stack([across, down, x[:, channel].float()], 3)[:, None]
            options = {"mode": "bilinear", "padding_mode": "border", "align_corners": True}
            made = made + F.grid_sample(curves[:, :, channel], places, **options)[:, :, 0]
        return ((made + 1) / 2).clamp(0, 1)

    def probe(self) -> torch.Tensor:
        """Return what becomes of a small picture, to check loaded weights."""
        ramp = torch.linspace(0, 1, 32, device=self.basenet.skip1.weight.device)
        return self(ramp.expand(1, 3, 32, 32))
