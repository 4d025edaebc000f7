"""The encoder: from a face to the latents that draw it."""

import torch
from torch import nn


class Encoder(nn.Module):
    """A guess at the latents w+ of a face, from which an inversion starts (as in Richardson et al. 2021, in small).

    Residual blocks halve the picture down to 4×4; two linear layers lead from there to the difference from the
    average w, for each layer of the generator.

    Args:
        layers: That take a w.
        w_dim: Numbers of a w.
        side: Pixels of the faces, a power of 2.
        channels: At `side`, and after each halving.
        hidden: Numbers between the two linear layers.
    """

    def __init__(
        self,
        layers: int,
        w_dim: int,
        side: int = 64,
        channels: tuple[int, ...] = (32, 64, 96, 128, 128),
        hidden: int = 512,
    ):
        super().__init__()
        self.layers, self.w_dim, self.side = layers, w_dim, side
        self.stem = nn.Conv2d(3, channels[0], 3, padding=1)
        self.blocks = nn.Sequential(*map(Halving, channels, channels[1:]))
        last = side // 2 ** (len(channels) - 1)
        self.hidden = nn.Linear(channels[-1] * last**2, hidden)
        self.latents = nn.Linear(hidden, layers * w_dim)
        self.register_buffer("w_avg", torch.zeros(w_dim))
        nn.init.zeros_(self.latents.weight)
        nn.init.zeros_(self.latents.bias)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Return N×layers×w_dim latents of N×3×side×side faces in [0, 1]."""
        x = self.blocks(self.stem(faces * 2 - 1))
        x = torch.nn.functional.leaky_relu(self.hidden(x.flatten(1)), 0.2)
        return self.w_avg + self.latents(x).unflatten(1, (self.layers, self.w_dim))

    def probe(self) -> torch.Tensor:
        """Return the latents of a grey picture, to check loaded weights."""
        return self(torch.full((1, 3, self.side, self.side), 0.5, device=self.w_avg.device))


class Halving(nn.Module):
    """Two convolutions, the second one to half the size, round an averaged path."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv0 = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.gain = nn.Parameter(torch.zeros([]))  # begins as the path alone (Bachlechner et al. 2020)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×inputs×H×W to N×outputs×H/2×W/2."""
        inner = nn.functional.leaky_relu(self.conv0(nn.functional.leaky_relu(x, 0.2)), 0.2)
        return self.skip(nn.functional.avg_pool2d(x, 2)) + self.gain * self.conv1(inner)
