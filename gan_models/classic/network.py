"""Networks of the classic families: perceptrons for points; DCGAN's and progressive convolutions for pictures."""

from collections.abc import Iterable
from itertools import pairwise
from math import sqrt

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from gan_models.nn.layers import BatchNorm, batch_variance

LEAK = 0.2
NORMS = ("spectral", "batch", "none")  # of a discriminator
MOST = 8  # times as many channels at small sizes as at the largest


class Perceptron(nn.Module):
    """Fully connected layers, for points in the plane: a generator, a discriminator or an encoder.

    Args:
        inputs: Numbers in.
        outputs: Numbers out.
        width: Of each hidden layer.
        depth: Hidden layers.
        classes: Kinds of points; the label goes in beside the rest (Mirza and Osindero 2014). 0 for none.
    """

    def __init__(self, inputs: int, outputs: int, width: int = 128, depth: int = 2, classes: int = 0):
        super().__init__()
        self.classes = classes
        widths = [inputs + classes, *[width] * depth]
        hidden = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.LeakyReLU(LEAK))]
        self.layers = nn.Sequential(*hidden, nn.Linear(width, outputs))

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Map N×inputs, and N labels if there are classes, to N×outputs."""
        return self.layers(with_labels(x, labels, self.classes))


def with_labels(x: torch.Tensor, labels: torch.Tensor | None, classes: int) -> torch.Tensor:
    """Return N×C with a number for each class behind the others: 1 for that of the label, else 0."""
    return torch.cat([x, F.one_hot(labels, classes).to(x.dtype)], 1) if classes else x


def widths(side: int, width: int) -> list[int]:
    """Return the channels at side/2, side/4, … 4 pixels a side: `width`, twice as many each time, at most 8 times.

    Raises:
        ValueError: The side is no power of two, or below 16.
    """
    if side < 16 or side & (side - 1):
        raise ValueError(f"Pictures must have a power of two as their side, from 16 pixels, not {side}.")
    return [width * min(2**level, MOST) for level in range(side.bit_length() - 3)]


class DCGANGenerator(nn.Module):
    """Pictures from latents by transposed convolutions (Radford et al. 2016, figure 1).

    Args:
        z_dim: Numbers of a latent.
        side: Of the pictures, a power of two.
        width: Channels at half of the side; twice as many at each level below, up to eight times.
        classes: Kinds of pictures; the label goes in beside the latent. 0 for none.

    Raises:
        ValueError: The side is no power of two, or below 16.
    """

    def __init__(self, z_dim: int = 128, side: int = 64, width: int = 32, classes: int = 0):
        super().__init__()
        self.z_dim, self.width, self.classes = z_dim, width, classes
        channels = widths(side, width)[::-1]
        layers = [nn.ConvTranspose2d(z_dim + classes, channels[0], 4, bias=False)]
        for a, b in pairwise(channels):
            layers += [BatchNorm(a), nn.ReLU(), nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False)]
        last = nn.ConvTranspose2d(channels[-1], 3, 4, 2, 1)
        self.layers = nn.Sequential(*layers, BatchNorm(channels[-1]), nn.ReLU(), last, nn.Tanh())
        self.layers.apply(_begin)

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Map N×z_dim latents, and N labels if there are classes, to N×3×side×side in [-1, 1]."""
        return self.layers(with_labels(z, labels, self.classes)[:, :, None, None]).float()

    def probe(self) -> torch.Tensor:
        """Return what becomes of two latents, to check loaded weights."""
        z = torch.linspace(-1, 1, 2 * self.z_dim, device=self.layers[0].weight.device).view(2, self.z_dim)
        return self(z, z.new_zeros(2, dtype=torch.long) if self.classes else None)


class DCGANDiscriminator(nn.Module):
    """The same the other way round, with strided convolutions: from pictures to numbers.

    Args:
        side: Of the pictures, a power of two.
        width: Channels at half of the side; twice as many at each level below, up to eight times.
        classes: Kinds of pictures; the last layer judges a picture as one of its kind by projection (Miyato and
            Koyama 2018, equation 3), which learns kinds faster than planes beside the picture do. 0 for none.
        outputs: Numbers for a picture: one logit, or as many as a latent has for an encoder.
        norm: "spectral" (Miyato et al. 2018), "batch" as published, or "none", as gradient penalties need it.

    Raises:
        ValueError: The side is no power of two, or below 16.
    """

    def __init__(self, side: int = 64, width: int = 32, classes: int = 0, outputs: int = 1, norm: str = "spectral"):
        super().__init__()
        self.classes = classes
        channels = widths(side, width)
        wrap = spectral_norm if norm == "spectral" else lambda layer: layer
        layers = [wrap(nn.Conv2d(3, channels[0], 4, 2, 1)), nn.LeakyReLU(LEAK)]
        for a, b in pairwise(channels):
            layers.append(wrap(nn.Conv2d(a, b, 4, 2, 1)))
            layers += [BatchNorm(b)] * (norm == "batch") + [nn.LeakyReLU(LEAK)]
        self.layers = nn.Sequential(*layers, wrap(nn.Conv2d(channels[-1], outputs, 4)))
        if classes:
            self.kinds = wrap(nn.Embedding(classes, channels[-1] * 4**2))
        if norm == "batch":
            self.apply(_begin)

    def forward(self, pictures: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Map N×3×side×side in [-1, 1], and N labels if there are classes, to N×outputs."""
        features = self.layers[:-1](pictures)
        score = self.layers[-1](features).flatten(1)
        if self.classes:
            score = score + (self.kinds(labels) * features.flatten(1)).sum(1, keepdim=True)
        return score.float()


def _begin(module: nn.Module) -> None:
    """Draw the weights that a training begins with (Radford et al. 2016, section 4)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Embedding):
        nn.init.normal_(module.weight, 0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1, 0.02)
        nn.init.zeros_(module.bias)


class Autoencoder(nn.Module):
    """A generator with the encoder that goes the other way: what AEGAN (Lazarou 2020) leaves.

    Arguments are those of `DCGANGenerator`; latents of pictures are normally distributed as those that are drawn.
    """

    def __init__(self, z_dim: int = 128, side: int = 64, width: int = 32):
        super().__init__()
        self.z_dim, self.width, self.classes = z_dim, width, 0
        self.generator = DCGANGenerator(z_dim, side, width)
        self.encoder = DCGANDiscriminator(side, width, outputs=z_dim, norm="batch")

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Map N×z_dim latents to N×3×side×side in [-1, 1]."""
        return self.generator(z)

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """Map N×3×side×side in [-1, 1] to N×z_dim latents."""
        return self.encoder(pictures)

    def probe(self) -> torch.Tensor:
        """Return what becomes of two latents that go there and back, to check loaded weights."""
        return self.generator(self.encode(self.generator.probe()))


# --- Progressive growing


class Equalised(nn.Module):
    """A convolution whose weights are normal and scaled when used, so that all learn at one rate.

    Karras et al. 2018, section 4.1. The scale is He's, sqrt(gain / inputs).
    """

    def __init__(self, inputs: int, outputs: int, size: int = 3, gain: float = 2.0, padding: int | None = None):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale, self.padding = sqrt(gain / (inputs * size**2)), size // 2 if padding is None else padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×inputs×H×W to N×outputs×H×W, or less where there is no padding."""
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


def normalised(x: torch.Tensor) -> torch.Tensor:
    """Return N×C×H×W with a mean square of 1 over the channels of each pixel (section 4.2)."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class ProgressiveGenerator(nn.Module):
    """A generator that grows: 4 pixels a side at first, then twice as many, and so on (Karras et al. 2018, table 2).

    Args:
        z_dim: Numbers of a latent.
        side: Of the pictures when fully grown, a power of two.
        width: Channels at that side; twice as many at each level below, up to eight times.

    Attributes:
        grown: How far it is: 0 at 4 pixels, 1 at 8, …; in between the next level fades in.

    Raises:
        ValueError: The side is no power of two, or below 16.
    """

    classes = 0

    def __init__(self, z_dim: int = 128, side: int = 64, width: int = 16):
        super().__init__()
        self.z_dim, self.width = z_dim, width
        channels = widths(2 * side, width)[::-1]
        self.first = nn.ModuleList([Equalised(z_dim, channels[0], 4, padding=3), Equalised(channels[0], channels[0])])
        pairs = pairwise(channels)
        self.levels = nn.ModuleList(nn.ModuleList([Equalised(a, b), Equalised(b, b)]) for a, b in pairs)
        self.colours = nn.ModuleList(Equalised(width, 3, 1, 1.0) for width in channels)
        self.register_buffer("grown", torch.tensor(float(len(self.levels))))

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Map N×z_dim latents to N×3×h×h about in [-1, 1], where h is as large as the generator is grown."""
        x, (whole, share) = normalised(z[:, :, None, None]), progress(self.grown)
        x = _activated(self.first, x)
        for level in self.levels[:whole]:
            x = _activated(level, _doubled(x))
        picture = self.colours[whole](x)
        if share:
            x = _activated(self.levels[whole], _doubled(x))
            picture = torch.lerp(_doubled(picture), self.colours[whole + 1](x), share)
        return picture.float()

    def probe(self) -> torch.Tensor:
        """Return what becomes of two latents, to check loaded weights."""
        z = torch.linspace(-1, 1, 2 * self.z_dim, device=self.grown.device).view(2, self.z_dim)
        return self(z)


class ProgressiveDiscriminator(nn.Module):
    """The same the other way round; its last layers see how much a batch varies (section 3 of the paper)."""

    def __init__(self, side: int = 64, width: int = 16):
        super().__init__()
        channels = widths(2 * side, width)
        self.colours = nn.ModuleList(Equalised(3, width, 1) for width in channels)
        pairs = pairwise(channels)
        self.levels = nn.ModuleList(nn.ModuleList([Equalised(a, a), Equalised(a, b)]) for a, b in pairs)
        last = channels[-1]
        self.last = nn.ModuleList([Equalised(last + 1, last), Equalised(last, last, 4, padding=0)])
        self.score = Equalised(last, 1, 1, 1.0)
        self.register_buffer("grown", torch.tensor(float(len(self.levels))))

    def forward(self, pictures: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Map N×3×h×h, as large as the discriminator is grown, to N×1."""
        whole, share = progress(self.grown)
        depth = len(self.levels)
        x = _leaky(self.colours[depth - whole](_halved(pictures) if share else pictures))
        if share:
            finer = _leaky(self.colours[depth - whole - 1](pictures))
            x = torch.lerp(x, _halved(_reduced(self.levels[depth - whole - 1], finer)), share)
        for level in self.levels[depth - whole :]:
            x = _halved(_reduced(level, x))
        spread = (batch_variance(x.float()) + 1e-8).sqrt().mean().to(x.dtype)
        x = torch.cat([x, spread.expand(len(x), 1, *x.shape[2:])], 1)
        return self.score(_reduced(self.last, x)).flatten(1).float()


def progress(grown: torch.Tensor) -> tuple[int, float]:
    """Return how many levels have grown, and how far the next one has faded in."""
    value = round(float(grown), 4)
    return int(value), value - int(value)


def _activated(convolutions: Iterable[nn.Module], x: torch.Tensor) -> torch.Tensor:
    for convolution in convolutions:
        x = normalised(_leaky(convolution(x)))
    return x


def _reduced(convolutions: Iterable[nn.Module], x: torch.Tensor) -> torch.Tensor:
    for convolution in convolutions:
        x = _leaky(convolution(x))
    return x


def _leaky(x: torch.Tensor) -> torch.Tensor:
    return F.leaky_relu(x, LEAK)


def _doubled(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _halved(x: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(x, 2)
