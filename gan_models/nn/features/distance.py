"""A perceptual distance between pictures of faces: LPIPS (Zhang et al. 2018) without its learned weights."""

import torch
from torch import nn

from gan_models.nn.features.network import VGG

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


class FeatureDistance(nn.Module):
    """The squared distance between unit activations, averaged over the places of each layer, summed over the layers.

    Args:
        features: A feature network, of which this takes no gradient.
    """

    def __init__(self, features: VGG):
        super().__init__()
        self.features = features.requires_grad_(False)

    def describe(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return what the squared Euclidean distance is taken of, N×D, of N×3×H×W pictures in [0, 1]."""
        parts = []
        for x in self.features(pictures, LAYERS).values():
            unit = x * (x.square().sum(1, keepdim=True) + 1e-10).rsqrt()
            parts.append(unit.flatten(1) / (x.shape[2] * x.shape[3]) ** 0.5)
        return torch.cat(parts, 1)

    def forward(self, pictures: torch.Tensor, described: torch.Tensor) -> torch.Tensor:
        """Return the distance, N, of N×3×H×W pictures in [0, 1] from those that `described` describes."""
        return (self.describe(pictures) - described).square().sum(1)
