"""Networks of image-to-image translation; CycleGAN's own generator is `gan_models.nn.layers.ResnetGenerator`."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from gan_models.nn.layers import NORMS, GatedUNet, NLayerDiscriminator, RestorationUNet

LUMA = (0.299, 0.587, 0.114)  # of ITU-R BT.601, by which OpenCV makes pictures grey


class UnetSkipConnectionBlock(nn.Module):
    """One level of the U-Net: down, what lies inside, and up again, beside the input itself.

    Args:
        outer: Channels that come in from outside, and go out.
        inner: Channels at the half resolution.
        inside: The next level; None at the bottleneck.
        inputs: Channels of the input, if it is not `outer`.
        outermost: Whether pictures come in and go out.
        norm: "instance", "batch" or "none".
        dropout: Drop half of the activations that come up.
        skips: Whether the level inside hands on its input beside its output.
    """

    def __init__(
        self,
        outer: int,
        inner: int,
        inside: nn.Module | None = None,
        *,
        inputs: int | None = None,
        outermost: bool = False,
        norm: str = "instance",
        dropout: bool = False,
        skips: bool = True,
    ):
        super().__init__()
        self.handed_on = skips and not outermost
        bias = norm != "batch"
        down = nn.Conv2d(inputs or outer, inner, 4, 2, 1, bias=bias)
        width = 2 * inner if skips and inside else inner
        up = nn.ConvTranspose2d(width, outer, 4, 2, 1, bias=bias or outermost)
        if outermost:
            layers = [down, inside, nn.ReLU(), up, nn.Tanh()]
        elif inside:
            layers = [nn.LeakyReLU(0.2), down, NORMS[norm](inner), inside, nn.ReLU(), up, NORMS[norm](outer)]
        else:
            layers = [nn.LeakyReLU(0.2), down, nn.ReLU(), up, NORMS[norm](outer)]
        self.model = nn.Sequential(*layers, *([nn.Dropout(0.5)] if dropout else []))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×inputs×H×W to N×outer×H×W, with the input before it unless this is the outermost level."""
        made = self.model(x)
        return torch.cat([x, made], 1) if self.handed_on else made


class UnetGenerator(nn.Module):
    """The generator of pix2pix (Isola et al. 2017, section 6.1.1).

    Parameter names are those of pytorch-CycleGAN-and-pix2pix (`model.model.0.weight`, ...).

    Args:
        input_nc: Channels of the input.
        output_nc: Channels of the output.
        num_downs: How often the resolution is halved; the sides must be multiples of that power of two.
        ngf: Channels of the first level; then twice, four times and eight times as many.
        norm: "instance" or "batch".
        use_dropout: Drop half of the activations in the levels between the bottleneck and the four finest.
        skips: Whether the levels are joined by skip connections; without them it is the encoder–decoder.

    Raises:
        ValueError: `num_downs` is below five.
    """

    def __init__(
        self,
        input_nc: int = 3,
        output_nc: int = 3,
        num_downs: int = 8,
        ngf: int = 64,
        norm: str = "batch",
        use_dropout: bool = True,
        skips: bool = True,
    ):
        super().__init__()
        if num_downs < 5:
            raise ValueError(f"This U-Net has five levels or more, not {num_downs}.")
        self.multiple = 2**num_downs
        options = {"norm": norm, "skips": skips}
        block = UnetSkipConnectionBlock(8 * ngf, 8 * ngf, **options)
        for _ in range(num_downs - 5):
            block = UnetSkipConnectionBlock(8 * ngf, 8 * ngf, block, dropout=use_dropout, **options)
        for width in (4 * ngf, 2 * ngf, ngf):
            block = UnetSkipConnectionBlock(width, 2 * width, block, **options)
        self.model = UnetSkipConnectionBlock(output_nc, ngf, block, inputs=input_nc, outermost=True, **options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×input_nc×H×W in [-1, 1] to N×output_nc×H×W in [-1, 1]."""
        return self.model(x)

    def probe(self) -> torch.Tensor:
        """Return what becomes of a ramp, to check loaded weights."""
        first = self.model.model[0].weight
        ramp = torch.linspace(-1, 1, self.multiple).to(first)
        return self(ramp.expand(1, first.shape[1], self.multiple, self.multiple))


class Colourer(GatedUNet):
    """Gives a grey picture its colours: what it draws has the grey values that it saw, and training begins with none.

    It takes colours from interpolated layers, so that no lattice of blots shows at fixed places.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×3×H×W in [-1, 1], three times the same, to N×3×H×W, about in [-1, 1]."""
        tint = super().forward(x) - x
        luma = tint.new_tensor(LUMA).view(1, 3, 1, 1)
        return x + tint - (tint * luma).sum(1, keepdim=True)


class HoleFiller(GatedUNet):
    """Corrects what was carried on into a hole, which its last channel tells: 1 there, else -1; the rest stays."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×4×H×W in [-1, 1] to N×3×H×W, about in [-1, 1]."""
        return torch.lerp(x[:, :3], super().forward(x).to(x.dtype), (x[:, 3:] + 1) / 2)


class Redrawer(RestorationUNet):
    """A generator of CycleGAN whose resolution rises by interpolation, which leaves no lattice.

    The residual network of the paper raises it by transposed convolutions of three pixels at a stride of two, and
    after a short training their lattice is seen. Unlike in restoration nothing carries the picture to the end: else
    training would begin and stay where both generators leave everything as it is, for nothing comes back better.
    """

    def __init__(self, **options: Sequence[int] | int | bool):
        super().__init__(**options)
        nn.init.normal_(self.tail.weight, 0, 0.02)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×3×H×W in [-1, 1] to N×3×H×W in [-1, 1]."""
        return torch.tanh(super().forward(x) - x)


class PixelDiscriminator(nn.Module):
    """The PatchGAN of 1×1 patches ("PixelGAN", Isola et al. 2017, section 6.1.2), in the official names (`net.0`)."""

    def __init__(self, input_nc: int = 6, ndf: int = 64, norm: str = "instance"):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(input_nc, ndf, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(ndf, 2 * ndf, 1, bias=norm != "batch"),
            NORMS[norm](2 * ndf),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * ndf, 1, 1, bias=norm != "batch"),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Score N×input_nc×H×W pictures: N×1×H×W logits."""
        return self.net(x)


LAYERS = {16: 1, 34: 2, 70: 3, 142: 4, 286: 5}  # of the discriminator that judges patches of so many pixels a side


def patch_discriminator(patch: int, input_nc: int, ndf: int, norm: str) -> nn.Module:
    """Return a discriminator of `patch`×`patch` patches; 1, 16, 70 and 286 are those that the paper compares.

    Raises:
        ValueError: There is none of that size.
    """
    if patch == 1:
        return PixelDiscriminator(input_nc, ndf, norm)
    if patch not in LAYERS:
        raise ValueError(f"The patch must be 1, {', '.join(map(str, LAYERS))} pixels, not {patch}.")
    return NLayerDiscriminator(input_nc, ndf, LAYERS[patch], norm)


# --- Layouts of files on the Hub


class HalvingBlock(nn.Module):
    """Convolution, normalisation, leaky ReLU, dropout, under the name `model`."""

    def __init__(self, inputs: int, outputs: int, *, normalize: bool = True, dropout: bool = False):
        super().__init__()
        norm = [nn.InstanceNorm2d(outputs)] if normalize else []
        drop = [nn.Dropout(0.5)] if dropout else []
        convolution = nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)
        self.model = nn.Sequential(convolution, *norm, nn.LeakyReLU(0.2), *drop)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×inputs×H×W to N×outputs×H/2×W/2."""
        return self.model(x)


class DoublingBlock(nn.Module):
    """Transposed convolution, normalisation, ReLU, dropout, under the name `model`, and the skip connection."""

    def __init__(self, inputs: int, outputs: int, *, dropout: bool = False):
        super().__init__()
        convolution = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)
        drop = [nn.Dropout(0.5)] if dropout else []
        self.model = nn.Sequential(convolution, nn.InstanceNorm2d(outputs), nn.ReLU(), *drop)

    def forward(self, x: torch.Tensor, skipped: torch.Tensor) -> torch.Tensor:
        """N×inputs×H×W and N×C×2H×2W to N×(outputs + C)×2H×2W."""
        return torch.cat([self.model(x), skipped], 1)


class HugganUnet(nn.Module):
    """The U-Net of the Hub's `huggan/pix2pix-*`, which follow github.com/eriklindernoren/PyTorch-GAN.

    Parameter names are theirs (`down1.model.0.weight`, `up1.model.0.weight`, `final.2.weight`).

    Args:
        width: Channels of the first level.
    """

    multiple = 256  # of which the sides must be multiples

    def __init__(self, width: int = 64):
        super().__init__()
        widths = [width * factor for factor in (1, 2, 4, 8, 8, 8, 8, 8)]
        for index, (before, after) in enumerate(zip([3, *widths], widths, strict=False)):
            block = HalvingBlock(before, after, normalize=index not in (0, 7), dropout=index > 2)
            self.add_module(f"down{index + 1}", block)
        for index in range(7):
            inputs = widths[7] if index == 0 else 2 * widths[7 - index]
            self.add_module(f"up{index + 1}", DoublingBlock(inputs, widths[6 - index], dropout=index < 4))
        convolution = nn.Conv2d(2 * width, 3, 4, padding=1)
        self.final = nn.Sequential(nn.Upsample(scale_factor=2), nn.ZeroPad2d((1, 0, 1, 0)), convolution, nn.Tanh())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map N×3×H×W in [-1, 1] to the same."""
        levels = []
        for index in range(8):
            x = self.get_submodule(f"down{index + 1}")(x)
            levels.append(x)
        for index in range(7):
            x = self.get_submodule(f"up{index + 1}")(x, levels[6 - index])
        return self.final(x)

    def probe(self) -> torch.Tensor:
        """Return what becomes of a ramp, to check loaded weights."""
        ramp = torch.linspace(-1, 1, self.multiple).to(self.final[2].weight)
        return self(ramp.expand(1, 3, self.multiple, self.multiple))


def generator_a(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the generator from B to A of a UPIT CycleGAN (github.com/tmabraham/UPIT), under the official names."""
    return _part(state, "G_A.")


def generator_b(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return its generator from A to B."""
    return _part(state, "G_B.")


def _part(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.replace(prefix, "model.", 1): value for name, value in state.items() if name.startswith(prefix)}
