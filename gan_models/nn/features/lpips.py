"""The weights that LPIPS gives the channels of VGG16 (Zhang et al. 2018)."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
SCALE = 1e-10  # keeps activations that are all zero from being divided by zero


class ChannelWeights(nn.Module):
    """A weight for each channel of each layer.

    Args:
        channels: Of the layers.
    """

    def __init__(self, channels: Sequence[int] = (64, 128, 256, 512, 512)):
        super().__init__()
        self.layers = nn.ParameterList(nn.Parameter(torch.full((width,), 1 / width)) for width in channels)

    def forward(self, a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the distance, N, between activations N×C×H×W of each layer (equation 1 of the paper)."""
        distances = []
        for weights, one, other in zip(self.layers, a, b, strict=True):
            difference = (_unit(one) - _unit(other)).square()
            distances.append((difference * weights[:, None, None]).sum(1).mean((1, 2)))
        return torch.stack(distances).sum(0)


def _unit(activations: torch.Tensor) -> torch.Tensor:
    return activations / (activations.square().sum(1, keepdim=True).sqrt() + SCALE)


def from_published(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the published 1×1 convolutions `linN.model.1.weight`, 1×C×1×1, as the parameters of `ChannelWeights`."""
    return {f"layers.{index}": state[f"lin{index}.model.1.weight"].flatten() for index in range(len(state))}
