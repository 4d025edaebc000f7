"""The networks of StyleGAN2 (Karras et al. 2020a), with the parameter names of NVIDIA's stylegan2-ada-pytorch.

Modulated convolutions scale the activations before and after one ordinary convolution, in place of one kernel
for each picture (Karras et al. 2020a, section 2.2, equations 1 to 3): the same numbers, with a whole batch in
one call. Resampling uses the filter [1, 3, 3, 1] of Karras et al. 2020a, appendix B.
"""

from itertools import pairwise
from math import log2, sqrt

import torch
import torch.nn.functional as F
from torch import nn

SLOPE, GAIN = 0.2, sqrt(2)  # of the leaky ReLU; the gain keeps its output's variance
NOISE_MODES = ("random", "const", "none")


def full_precision(device: torch.device) -> torch.autocast:
    """Return a context without autocast: latents and norms need float32."""
    return torch.autocast(device.type, enabled=False)


def resample_filter() -> torch.Tensor:
    """Return the 4×4 low-pass filter, of sum 1."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / 64


def _per_channel(x: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    return taps.to(x.dtype).expand(x.shape[1], 1, 4, 4)


def blur(x: torch.Tensor, taps: torch.Tensor, padding: int, stride: int = 1) -> torch.Tensor:
    """Filter each channel of N×C×H×W with the 4×4 `taps`."""
    return F.conv2d(x, _per_channel(x, taps), padding=padding, stride=stride, groups=x.shape[1])


def upsample(x: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Enlarge N×C×H×W twice: zeros between the pixels, then the filter."""
    with full_precision(x.device):
        return F.conv_transpose2d(
            x.float(), _per_channel(x.float(), 4 * taps), stride=2, padding=1, groups=x.shape[1]
        ).to(x.dtype)


def downsample(x: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Make N×C×H×W half as large: the filter, then every second pixel."""
    with full_precision(x.device):  # on CPUs the gradient in bfloat16 takes ten times as long
        return blur(x.float(), taps, padding=1, stride=2).to(x.dtype)


def composes(device: torch.device) -> bool:
    """Say whether a filter beside a convolution should be part of its kernel, as graphics cards are fast at that."""
    return device.type == "cuda"


def composed(weight: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Return O×I×(k+3)×(k+3) weights that filter with the 4×4 `taps` as well as O×I×k×k `weight` convolves."""
    kernel = weight.shape[2]
    with full_precision(weight.device):
        each = torch.eye(kernel**2, device=taps.device).view(-1, 1, kernel, kernel)
        spread = F.conv2d(each, taps[None, None], padding=3)  # the taps are symmetric
        return (weight.flatten(2) @ spread.flatten(1)).unflatten(2, spread.shape[2:])


def activate(x: torch.Tensor, clamp: float | None = None) -> torch.Tensor:
    """Apply the leaky ReLU in place, and clamp to ±`clamp`. Its gain is in what comes before, as a gain passes it."""
    x = F.leaky_relu_(x, SLOPE)
    return x if clamp is None else x.clamp(-clamp, clamp)


def normalize(x: torch.Tensor) -> torch.Tensor:
    """Scale each row of N×D to a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class FullyConnected(nn.Module):
    """Linear layer with an equalised learning rate (Karras et al. 2018, section 4.1), optionally activated."""

    def __init__(self, inputs: int, outputs: int, *, bias_init: float = 0, rate: float = 1, active: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full([outputs], float(bias_init)))
        self.weight_gain, self.bias_gain, self.active = rate / sqrt(inputs), rate, active

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×inputs to N×outputs."""
        with full_precision(x.device):
            x = F.linear(x.float(), self.weight * self.weight_gain, self.bias * self.bias_gain)
        return F.leaky_relu(x, SLOPE) * GAIN if self.active else x


class Mapping(nn.Module):
    """From the latent z, and a label c, to the intermediate latent w, once for each layer that takes one."""

    def __init__(self, z_dim: int, c_dim: int, w_dim: int, num_ws: int | None, num_layers: int):
        super().__init__()
        self.z_dim, self.c_dim, self.num_ws, self.num_layers = z_dim, c_dim, num_ws, num_layers
        if c_dim:
            self.embed = FullyConnected(c_dim, w_dim)
        widths = [z_dim + (w_dim if c_dim else 0)] + [w_dim] * num_layers
        for index, (inputs, outputs) in enumerate(pairwise(widths)):
            setattr(self, f"fc{index}", FullyConnected(inputs, outputs, rate=0.01, active=True))
        if num_ws:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: torch.Tensor | None,
        c: torch.Tensor | None = None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
    ) -> torch.Tensor:
        """N×z_dim and N×c_dim to N×num_ws×w_dim, or to N×w_dim where `num_ws` is None.

        `truncation_psi` moves w towards the average: 1 leaves it, 0 gives the average. `truncation_cutoff` is the
        number of layers that this applies to; None for all.
        """
        parts = [normalize(z)] if self.z_dim else []
        if self.c_dim:
            parts.append(normalize(self.embed(c)))
        w = torch.cat(parts, 1)
        for index in range(self.num_layers):
            w = getattr(self, f"fc{index}")(w)
        if self.num_ws is None:
            return w
        return for_layers(w, self.num_ws, self.w_avg, truncation_psi, truncation_cutoff)

    @torch.no_grad()
    def track(self, w: torch.Tensor, beta: float = 0.995) -> None:
        """Move the average of w towards the mean of a batch N×w_dim, as training does."""
        self.w_avg.lerp_(w.mean(0), 1 - beta)


def for_layers(w: torch.Tensor, num_ws: int, w_avg: torch.Tensor, psi: float, cutoff: int | None) -> torch.Tensor:
    """Return N×w_dim once for each layer, N×num_ws×w_dim; the first `cutoff` moved towards the average by `psi`."""
    ws = w.unsqueeze(1).repeat(1, num_ws, 1)
    if psi != 1:
        ws[:, :cutoff] = w_avg.lerp(ws[:, :cutoff], psi)
    return ws


def modulated(
    x: torch.Tensor,
    weight: torch.Tensor,
    styles: torch.Tensor,
    bias: torch.Tensor,
    demodulate: bool = True,
    gain: float = 1,
    up_taps: torch.Tensor | None = None,
) -> torch.Tensor:
    """Convolve N×I×H×W with O×I×k×k weights that each picture's N×I `styles` scale, times `gain`, plus `bias`.

    With `up_taps` the result is twice as large, upsampled by zeros between the pixels and that filter. With
    `demodulate` each output channel of each picture is divided by the norm of its scaled kernel.
    """
    scales = torch.full_like(bias, gain).expand(len(x), -1)
    if demodulate:
        with full_precision(x.device):
            norms = F.linear(styles.square(), weight.square().sum([2, 3]))
        scales = gain * (norms + 1e-8).rsqrt()
    scale_kernel = len(x) == 1 and weight.numel() < x.numel()  # whichever has fewer numbers
    if scale_kernel:
        weight = weight * (scales[0, :, None] * styles[0])[:, :, None, None]
    else:
        x = x * styles.to(x.dtype)[:, :, None, None]
    conv_bias = bias.to(x.dtype) if scale_kernel else None
    if up_taps is None:
        x = F.conv2d(x, weight, conv_bias, padding=weight.shape[2] // 2)
    elif composes(x.device):
        x = F.conv_transpose2d(x, composed(weight, 4 * up_taps).transpose(0, 1), conv_bias, stride=2, padding=2)
    else:
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        x = F.conv2d(x, _per_channel(x, 4 * up_taps), conv_bias, padding=1, groups=x.shape[1])
    if scale_kernel:
        return x
    return torch.addcmul(bias.to(x.dtype)[:, None, None], x, scales.to(x.dtype)[:, :, None, None])


class SynthesisLayer(nn.Module):
    """Modulated 3×3 convolution, noise, bias, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, resolution: int, up: bool, clamp: float | None):
        super().__init__()
        self.resolution, self.up, self.clamp = resolution, up, clamp
        self.affine = FullyConnected(w_dim, inputs, bias_init=1)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", resample_filter())

    def forward(
        self,
        x: torch.Tensor,
        w: torch.Tensor,
        noise_mode: str,
        rng: torch.Generator | None = None,
        gain: float = 1,
    ) -> torch.Tensor:
        """N×inputs×H×W and N×w_dim to N×outputs×resolution×resolution."""
        total = gain * GAIN
        taps = self.resample_filter if self.up else None
        x = modulated(x, self.weight, self.affine(w), self.bias * total, gain=total, up_taps=taps)
        if noise_mode != "none":
            noise = self.noise_const
            if noise_mode == "random":
                shape = [len(x), 1, self.resolution, self.resolution]
                noise = torch.randn(shape, generator=rng, device=x.device)
            x = x.add_((noise * (self.noise_strength * total)).to(x.dtype))
        return activate(x, None if self.clamp is None else self.clamp * gain)


class ToRGB(nn.Module):
    """Modulated 1×1 convolution to colours, without demodulation."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, clamp: float | None):
        super().__init__()
        self.affine = FullyConnected(w_dim, inputs, bias_init=1)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain, self.clamp = 1 / sqrt(inputs), clamp

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """N×inputs×H×W and N×w_dim to N×outputs×H×W."""
        x = modulated(x, self.weight, self.affine(w) * self.gain, self.bias, demodulate=False)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class Conv(nn.Module):
    """Convolution with an equalised learning rate, optionally half or twice as large, optionally activated."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        resample: str | None = None,
        bias: bool = True,
        active: bool = True,
        clamp: float | None = None,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.register_buffer("resample_filter", resample_filter())
        self.gain, self.resample, self.active, self.clamp = 1 / sqrt(inputs * kernel**2), resample, active, clamp

    def forward(self, x: torch.Tensor, gain: float = 1) -> torch.Tensor:
        """N×inputs×H×W to N×outputs×H×W, H/2×W/2 with `resample` "down" or 2H×2W with "up"."""
        kernel, total = self.weight.shape[2], gain * GAIN if self.active else gain
        weight, bias = self.weight * (self.gain * total), None if self.bias is None else self.bias * total
        if self.resample == "down" and composes(x.device):
            x = F.conv2d(x, composed(weight, self.resample_filter), bias, stride=2, padding=1 + kernel // 2)
        elif self.resample == "down" and kernel == 1:
            x = F.conv2d(downsample(x, self.resample_filter), weight, bias)
        elif self.resample == "down":
            x = F.conv2d(blur(x, self.resample_filter, padding=2), weight, bias, stride=2)
        else:
            x = F.conv2d(x, weight, bias, padding=kernel // 2)
        if self.resample == "up":
            x = upsample(x, self.resample_filter)
        return activate(x, None if self.clamp is None else self.clamp * gain) if self.active else x


class SynthesisBlock(nn.Module):
    """The layers of one resolution: two convolutions (at 4×4 a constant and one), and colours.

    Args:
        inputs: Channels of the resolution below; 0 for the first block.
        architecture: "skip" (colours of each resolution are added up), "resnet" (residual blocks, colours at the
            end) or "orig" (plain).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        w_dim: int,
        resolution: int,
        img_channels: int,
        last: bool,
        architecture: str,
        clamp: float | None,
    ):
        super().__init__()
        self.residual = inputs > 0 and architecture == "resnet"
        self.register_buffer("resample_filter", resample_filter())
        if inputs == 0:
            self.const = nn.Parameter(torch.randn(outputs, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(inputs, outputs, w_dim, resolution, True, clamp)
        self.conv1 = SynthesisLayer(outputs, outputs, w_dim, resolution, False, clamp)
        self.torgb = ToRGB(outputs, img_channels, w_dim, clamp) if last or architecture == "skip" else None
        if self.residual:
            self.skip = Conv(inputs, outputs, 1, resample="up", bias=False, active=False)
        self.num_conv = 1 if inputs == 0 else 2

    def forward(
        self,
        x: torch.Tensor | None,
        img: torch.Tensor | None,
        ws: torch.Tensor,
        noise_mode: str,
        rng: torch.Generator | None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Take activations and picture of the resolution below and N×(layers)×w_dim; return both at this one."""
        gain = sqrt(0.5) if self.residual else 1
        if self.num_conv == 1:
            x = self.const.expand(len(ws), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        else:
            shortcut = self.skip(x, gain) if self.residual else 0
            x = self.conv0(x, ws[:, 0], noise_mode, rng)
        x = self.conv1(x, ws[:, self.num_conv - 1], noise_mode, rng, gain)
        if self.residual:
            x = shortcut + x
        if img is not None:
            img = upsample(img, self.resample_filter)
        if self.torgb is not None:
            colours = self.torgb(x, ws[:, self.num_conv]).float()
            img = colours if img is None else img + colours
        return x, img


class Synthesis(nn.Module):
    """From one w for each layer to a picture, resolution by resolution from 4×4 up."""

    def __init__(
        self,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        channel_base: int,
        channel_max: int,
        architecture: str,
        clamp: float | None,
    ):
        super().__init__()
        check_architecture(architecture)
        self.resolutions = resolutions(img_resolution)
        self.num_ws, inputs = 0, 0
        for resolution in self.resolutions:
            outputs, last = channels(resolution, channel_base, channel_max), resolution == img_resolution
            block = SynthesisBlock(inputs, outputs, w_dim, resolution, img_channels, last, architecture, clamp)
            setattr(self, f"b{resolution}", block)
            self.num_ws += block.num_conv + last  # a block's colours share the next block's first w
            inputs = outputs

    def forward(
        self, ws: torch.Tensor, noise_mode: str = "random", rng: torch.Generator | None = None
    ) -> torch.Tensor:
        """N×num_ws×w_dim to N×img_channels×H×W in about [-1, 1].

        Args:
            ws: A w for each layer.
            noise_mode: "random", "const" (the noise maps that the weights carry) or "none".
            rng: Where random noise comes from; None: torch's global one.
        """
        if noise_mode not in NOISE_MODES:
            raise ValueError(f"The noise mode must be one of {', '.join(NOISE_MODES)}, not “{noise_mode}”.")
        x = img = None
        first = 0
        for resolution in self.resolutions:
            block = getattr(self, f"b{resolution}")
            last = first + block.num_conv + (block.torgb is not None)
            x, img = block(x, img, ws[:, first:last], noise_mode, rng)
            first += block.num_conv
        return img


class Generator(nn.Module):
    """Mapping and synthesis; see `Mapping` and `Synthesis`."""

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        num_mapping_layers: int = 8,
        channel_base: int = 32768,
        channel_max: int = 512,
        architecture: str = "skip",
        conv_clamp: float | None = None,
    ):
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim = z_dim, c_dim, w_dim
        self.img_resolution, self.img_channels = img_resolution, img_channels
        self.synthesis = Synthesis(
            w_dim, img_resolution, img_channels, channel_base, channel_max, architecture, conv_clamp
        )
        self.num_ws = self.synthesis.num_ws
        self.mapping = Mapping(z_dim, c_dim, w_dim, self.num_ws, num_mapping_layers)

    def forward(
        self,
        z: torch.Tensor,
        c: torch.Tensor | None = None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        noise_mode: str = "random",
        rng: torch.Generator | None = None,
    ) -> torch.Tensor:
        """N×z_dim, and N×c_dim where there are labels, to pictures N×img_channels×H×W in about [-1, 1]."""
        return self.synthesis(self.mapping(z, c, truncation_psi, truncation_cutoff), noise_mode, rng)

    def probe(self) -> torch.Tensor:
        """Return the picture of some latent, to check loaded weights."""
        like = self.mapping.w_avg
        z, c = (torch.ones(1, size, device=like.device) for size in (self.z_dim, self.c_dim))
        return self(z, c, noise_mode="const")


class DiscriminatorBlock(nn.Module):
    """The layers of one resolution: two convolutions, the second one to half the size, round a residual path."""

    def __init__(
        self, inputs: int, middle: int, outputs: int, img_channels: int, architecture: str, clamp: float | None
    ):
        super().__init__()
        self.architecture = architecture
        self.register_buffer("resample_filter", resample_filter())
        if inputs == 0 or architecture == "skip":
            self.fromrgb = Conv(img_channels, middle, 1, clamp=clamp)
        self.conv0 = Conv(middle, middle, 3, clamp=clamp)
        self.conv1 = Conv(middle, outputs, 3, resample="down", clamp=clamp)
        if architecture == "resnet":
            self.skip = Conv(middle, outputs, 1, resample="down", bias=False, active=False)

    def forward(self, x: torch.Tensor | None, img: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Take activations of the resolution above and the picture at this one; return both half as large."""
        if hasattr(self, "fromrgb"):
            colours = self.fromrgb(img)
            x = colours if x is None else x + colours
        if self.architecture == "skip":
            img = downsample(img, self.resample_filter)
        if self.architecture == "resnet":
            shortcut = self.skip(x, sqrt(0.5))
            return shortcut + self.conv1(self.conv0(x), sqrt(0.5)), img
        return self.conv1(self.conv0(x)), img


class MinibatchStd(nn.Module):
    """Append a channel with the deviation within groups of a batch (Karras et al. 2018, section 3)."""

    def __init__(self, group_size: int = 4):
        super().__init__()
        self.group_size = group_size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×(C+1)×H×W; N must be at most, or a multiple of, the group size."""
        size = min(self.group_size, len(x))
        groups = x.unflatten(0, (size, -1))  # group k holds the pictures k, k + N/size, k + 2N/size, ...
        deviation = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean([1, 2, 3])
        return torch.cat([x, deviation.repeat(size).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])], 1)


class DiscriminatorEpilogue(nn.Module):
    """The last layers, at 4×4: minibatch deviation, one convolution, two linear layers."""

    def __init__(
        self, inputs: int, cmap_dim: int, img_channels: int, architecture: str, group_size: int, clamp: float | None
    ):
        super().__init__()
        self.cmap_dim = cmap_dim
        self.fromrgb = Conv(img_channels, inputs, 1) if architecture == "skip" else None
        self.mbstd = MinibatchStd(group_size)
        self.conv = Conv(inputs + 1, inputs, 3, clamp=clamp)
        self.fc = FullyConnected(inputs * 16, inputs, active=True)
        self.out = FullyConnected(inputs, cmap_dim or 1)

    def forward(self, x: torch.Tensor, img: torch.Tensor, cmap: torch.Tensor | None) -> torch.Tensor:
        """N×inputs×4×4 and, where there are labels, N×cmap_dim to N×1 logits."""
        with full_precision(x.device):
            x = x.float()
            if self.fromrgb is not None:
                x = x + self.fromrgb(img)
            x = self.out(self.fc(self.conv(self.mbstd(x)).flatten(1)))
        return x if cmap is None else (x * cmap).sum(1, keepdim=True) / sqrt(self.cmap_dim)


class Discriminator(nn.Module):
    """Real or drawn? Residual by default; with labels, by projection on the mapped label."""

    def __init__(
        self,
        c_dim: int,
        img_resolution: int,
        img_channels: int,
        channel_base: int = 32768,
        channel_max: int = 512,
        architecture: str = "resnet",
        conv_clamp: float | None = None,
        mbstd_group_size: int = 4,
    ):
        super().__init__()
        check_architecture(architecture)
        self.resolutions = resolutions(img_resolution)[:0:-1]
        inputs = 0
        for resolution in self.resolutions:
            middle, outputs = (channels(size, channel_base, channel_max) for size in (resolution, resolution // 2))
            block = DiscriminatorBlock(inputs, middle, outputs, img_channels, architecture, conv_clamp)
            setattr(self, f"b{resolution}", block)
            inputs = outputs
        cmap_dim = inputs if c_dim else 0
        self.mapping = Mapping(0, c_dim, cmap_dim, None, 8) if c_dim else None
        self.b4 = DiscriminatorEpilogue(inputs, cmap_dim, img_channels, architecture, mbstd_group_size, conv_clamp)

    def forward(self, img: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
        """N×img_channels×H×W in [-1, 1], and N×c_dim where there are labels, to N×1 logits."""
        x = None
        for resolution in self.resolutions:
            x, img = getattr(self, f"b{resolution}")(x, img)
        return self.b4(x, img, None if self.mapping is None else self.mapping(None, c))


def resolutions(img_resolution: int) -> list[int]:
    """Return 4, 8, ... `img_resolution`.

    Raises:
        ValueError: It is not a power of 2, or less than 8.
    """
    if img_resolution < 8 or img_resolution & (img_resolution - 1):
        raise ValueError(f"The resolution must be a power of 2 from 8 up, not {img_resolution}.")
    return [2**exponent for exponent in range(2, int(log2(img_resolution)) + 1)]


def check_architecture(architecture: str) -> None:
    """Refuse what is none of the three architectures.

    Raises:
        ValueError: It is none.
    """
    if architecture not in ("orig", "skip", "resnet"):
        raise ValueError(f"The architecture must be orig, skip or resnet, not “{architecture}”.")


def channels(resolution: int, channel_base: int, channel_max: int) -> int:
    """Return the number of channels at `resolution`."""
    return min(channel_base // resolution, channel_max)
