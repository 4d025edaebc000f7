"""Super-resolution networks under the parameter names of their published releases."""

import torch
import torch.nn.functional as F
from torch import nn


class Enlarger(nn.Module):
    """A network that maps N×3×H×W in [0, 1] to N×3×(scale·H)×(scale·W), about [0, 1].

    Attributes:
        scale: How many times larger the result is.
        receptive_radius: Number of input pixels on each side that an output pixel depends on.
    """

    scale: int
    receptive_radius: int

    def probe(self) -> torch.Tensor:
        """Return what becomes of an 8×8 ramp from black to white, to check loaded weights."""
        like = next(self.parameters())
        ramp = torch.linspace(0, 1, 64, device=like.device, dtype=like.dtype)
        return self(ramp.view(1, 1, 8, 8).expand(1, 3, 8, 8))


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with a skip and no normalisation (Lim et al. 2017, EDSR, section 3.1)."""

    def __init__(self, num_feat: int):
        super().__init__()
        self.conv1 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv2 = nn.Conv2d(num_feat, num_feat, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×num_feat×H×W to the same shape."""
        return x + self.conv2(F.relu(self.conv1(x)))


class CompactSRResNet(Enlarger):
    """A small SRResNet that works at the low resolution throughout and unfolds its pixels at the very end.

    One sub-pixel convolution (Shi et al. 2016, ESPCN) takes the place of SRResNet's two and of the layers at
    full size behind them, where most of its time goes.
    """

    def __init__(self, num_feat: int = 48, num_block: int = 8, scale: int = 4):
        super().__init__()
        self.scale = scale
        self.conv_first = nn.Conv2d(3, num_feat, 3, padding=1)
        self.body = nn.Sequential(*[ResidualBlock(num_feat) for _ in range(num_block)])
        self.conv_last = nn.Conv2d(num_feat, 3 * scale**2, 3, padding=1)
        self.receptive_radius = 2 * num_block + 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×3×H×W in [0, 1] to N×3×(scale·H)×(scale·W): what the network adds to the bilinear enlargement."""
        detail = F.pixel_shuffle(self.conv_last(self.body(self.conv_first(x))), self.scale)
        return detail + F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)


class MSRResNet(Enlarger):
    """SRResNet without batch normalisation (Ledig et al. 2017, as modified by Wang et al. 2018), ×4.

    Parameter names of BasicSR's MSRResNet.
    """

    scale = 4

    def __init__(self, num_feat: int = 64, num_block: int = 16):
        super().__init__()
        self.conv_first = nn.Conv2d(3, num_feat, 3, padding=1)
        self.body = nn.Sequential(*[ResidualBlock(num_feat) for _ in range(num_block)])
        self.upconv1 = nn.Conv2d(num_feat, num_feat * 4, 3, padding=1)
        self.upconv2 = nn.Conv2d(num_feat, num_feat * 4, 3, padding=1)
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_last = nn.Conv2d(num_feat, 3, 3, padding=1)
        self.receptive_radius = 2 * num_block + 3

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×3×H×W in [0, 1] to N×3×4H×4W: what the network adds to the bilinear enlargement."""
        features = self.body(F.leaky_relu(self.conv_first(x), 0.1))
        features = F.leaky_relu(F.pixel_shuffle(self.upconv1(features), 2), 0.1)
        features = F.leaky_relu(F.pixel_shuffle(self.upconv2(features), 2), 0.1)
        detail = self.conv_last(F.leaky_relu(self.conv_hr(features), 0.1))
        return detail + F.interpolate(x, scale_factor=4, mode="bilinear", align_corners=False)


class NormalizedBlock(nn.Module):
    """Two 3×3 convolutions with batch normalisation, PReLU between them, and a skip (Ledig et al. 2017)."""

    def __init__(self, num_feat: int):
        super().__init__()
        self.rcb = nn.Sequential(
            nn.Conv2d(num_feat, num_feat, 3, padding=1, bias=False),
            nn.BatchNorm2d(num_feat),
            nn.PReLU(),
            nn.Conv2d(num_feat, num_feat, 3, padding=1, bias=False),
            nn.BatchNorm2d(num_feat),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×num_feat×H×W to the same shape."""
        return x + self.rcb(x)


class UpsampleBlock(nn.Module):
    """A sub-pixel convolution that doubles the size, with PReLU."""

    def __init__(self, num_feat: int):
        super().__init__()
        self.upsample_block = nn.Sequential(
            nn.Conv2d(num_feat, num_feat * 4, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×num_feat×H×W to N×num_feat×2H×2W."""
        return self.upsample_block(x)


class SRResNet(Enlarger):
    """SRResNet, SRGAN's generator too, as in the paper: Ledig et al. 2017, figure 4; ×4.

    Parameter names of the SRGAN-PyTorch release (`conv1.0`, `trunk.0.rcb.0`, `upsampling.0.upsample_block.0`).
    """

    scale = 4

    def __init__(self, num_feat: int = 64, num_block: int = 16):
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(3, num_feat, 9, padding=4), nn.PReLU())
        self.trunk = nn.Sequential(*[NormalizedBlock(num_feat) for _ in range(num_block)])
        self.conv2 = nn.Sequential(nn.Conv2d(num_feat, num_feat, 3, padding=1, bias=False), nn.BatchNorm2d(num_feat))
        self.upsampling = nn.Sequential(UpsampleBlock(num_feat), UpsampleBlock(num_feat))
        self.conv3 = nn.Conv2d(num_feat, 3, 9, padding=4)
        self.receptive_radius = 2 * num_block + 8

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×3×H×W in [0, 1] to N×3×4H×4W in [0, 1]."""
        features = self.conv1(x)
        features = features + self.conv2(self.trunk(features))
        return self.conv3(self.upsampling(features)).clamp(0, 1)


class ResidualDenseBlock(nn.Module):
    """Five convolutions, each seeing what all before it made (Wang et al. 2018, ESRGAN, figure 4)."""

    def __init__(self, num_feat: int, num_grow_ch: int):
        super().__init__()
        self.conv1 = nn.Conv2d(num_feat, num_grow_ch, 3, padding=1)
        self.conv2 = nn.Conv2d(num_feat + num_grow_ch, num_grow_ch, 3, padding=1)
        self.conv3 = nn.Conv2d(num_feat + 2 * num_grow_ch, num_grow_ch, 3, padding=1)
        self.conv4 = nn.Conv2d(num_feat + 3 * num_grow_ch, num_grow_ch, 3, padding=1)
        self.conv5 = nn.Conv2d(num_feat + 4 * num_grow_ch, num_feat, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×num_feat×H×W to the same shape."""
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat([seen, F.leaky_relu(conv(seen), 0.2)], dim=1)
        return x + 0.2 * self.conv5(seen)


class RRDB(nn.Module):
    """A residual block of three residual dense blocks."""

    def __init__(self, num_feat: int, num_grow_ch: int):
        super().__init__()
        self.rdb1 = ResidualDenseBlock(num_feat, num_grow_ch)
        self.rdb2 = ResidualDenseBlock(num_feat, num_grow_ch)
        self.rdb3 = ResidualDenseBlock(num_feat, num_grow_ch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×num_feat×H×W to the same shape."""
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBNet(Enlarger):
    """ESRGAN's and Real-ESRGAN's generator (Wang et al. 2018; Wang et al. 2021), ×4 or ×2.

    Parameter names of BasicSR's RRDBNet. For ×2 the picture is first folded 2×2 into channels, so an odd
    height or width is padded by repeating its last row or column, and the result cropped.
    """

    def __init__(self, num_feat: int = 64, num_block: int = 23, num_grow_ch: int = 32, scale: int = 4):
        super().__init__()
        self.scale = scale
        self.fold = 4 // scale
        self.conv_first = nn.Conv2d(3 * self.fold**2, num_feat, 3, padding=1)
        self.body = nn.Sequential(*[RRDB(num_feat, num_grow_ch) for _ in range(num_block)])
        self.conv_body = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_up1 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_up2 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_last = nn.Conv2d(num_feat, 3, 3, padding=1)
        self.receptive_radius = self.fold * (15 * num_block + 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×3×H×W in [0, 1] to N×3×(scale·H)×(scale·W)."""
        height, width = x.shape[2] * self.scale, x.shape[3] * self.scale
        x = F.pad(x, (0, -x.shape[3] % self.fold, 0, -x.shape[2] % self.fold), mode="replicate")
        features = self.conv_first(F.pixel_unshuffle(x, self.fold))
        features = features + self.conv_body(self.body(features))
        for conv in (self.conv_up1, self.conv_up2):
            features = F.leaky_relu(conv(F.interpolate(features, scale_factor=2, mode="nearest")), 0.2)
        picture = self.conv_last(F.leaky_relu(self.conv_hr(features), 0.2))
        return picture[:, :, :height, :width]


class Discriminator(nn.Module):
    """SRGAN's discriminator (Ledig et al. 2017, figure 4) with the mean in place of the dense layers.

    Eight 3×3 convolutions, every second one with stride 2 and twice the channels; any size from 16 pixels up.
    Spectral norm (Miyato et al. 2018) replaces batch normalisation, which small batches make unsteady.
    """

    def __init__(self, width: int = 32):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for stage in range(4):
            following = width * 2**stage
            for stride in (1, 2):
                conv = nn.Conv2d(channels, following, 3, stride=stride, padding=1)
                layers += [nn.utils.parametrizations.spectral_norm(conv), nn.LeakyReLU(0.2)]
                channels = following
        layers.append(nn.Conv2d(channels, 1, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×3×H×W in [0, 1] to N realness logits."""
        return self.layers(2 * x - 1).mean(dim=(1, 2, 3))
