"""What a picture in a style is judged by: Gram matrices, activations, smoothness."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F

from gan_models.nn.features.network import VGG
from gan_models.style_transfer import STYLE_LAYERS


def gram(x: torch.Tensor, region: torch.Tensor | None = None) -> torch.Tensor:
    """Return the mean products of the channels of N×C×H×W, N×C×C (Gatys et al. 2016, equation 3, divided by H·W).

    With a `region`, 1×1×h×w in [0, 1] of the whole picture, pixels count as much as they lie in it (Gatys et al.
    2017, section 4).
    """
    # Channels last, as networks compute on a CPU: so gradients come in the layout that the network goes on with.
    flat = x.permute(0, 2, 3, 1).flatten(1, 2).float()
    if region is None:
        return flat.transpose(1, 2) @ flat / flat.shape[1]
    share = F.adaptive_avg_pool2d(region, x.shape[2:]).flatten(2).transpose(1, 2)
    return (share * flat).transpose(1, 2) @ flat / share.sum().clamp(min=1e-6)


def grams(features: VGG, style: torch.Tensor, layers: tuple[str, ...] = STYLE_LAYERS) -> dict[str, torch.Tensor]:
    """Return the Gram matrices, 1×C×C, of a picture 1×3×H×W in [0, 1]."""
    with torch.no_grad():
        return {name: gram(x) for name, x in features(style, layers).items()}


def style_loss(
    found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], region: torch.Tensor | None = None
) -> torch.Tensor:
    """Return how far activations, perhaps in a region, are from Gram matrices: the mean squared distance over layers.

    Each layer's is divided by the squared norm of the wanted matrix, so that layers and feature networks of any scale
    weigh alike: 0 is the style itself, 1 a picture without any activation.
    """
    losses = [
        (gram(found[name], region) - target).square().sum((1, 2)).mean() / target.square().sum()
        for name, target in wanted.items()
    ]
    return torch.stack(losses).mean()


def content_loss(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the squared distance of activations, divided by the wanted ones' mean square."""
    return (found - wanted).float().square().mean() / wanted.float().square().mean()


def total_variation(picture: torch.Tensor) -> torch.Tensor:
    """Return the mean squared difference of neighbouring pixels of N×3×H×W."""
    across = (picture[..., 1:] - picture[..., :-1]).square().mean()
    return across + (picture[..., 1:, :] - picture[..., :-1, :]).square().mean()
