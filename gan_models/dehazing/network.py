"""A published dehazing network; the compact ones are `gan_models.layers.RestorationUNet`."""

import torch
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
