"""Adaptive discriminator augmentation (Karras et al. 2020b, on training with limited data).

The pipeline is the paper's "bgc" (appendix B): quarter turns and shifts by whole pixels, general affine maps,
colour. Pictures are resampled bilinearly from their reflected continuation, where the paper filters with wavelets;
drawn and real pictures go through the same, so neither stands out by it.
"""

from math import pi, sqrt

import torch
import torch.nn.functional as F
from torch import nn

LUMA = 1 / sqrt(3)  # each coordinate of the grey axis


class AdaptiveAugment(nn.Module):
    """Random changes of pictures, each with the probability `p`, which follows how far the discriminator overfits.

    Args:
        target: The mean sign of the discriminator's logits for real pictures that `adapt` aims at.
        speed: Pictures after which `p` can have gone from 0 to 1.
    """

    def __init__(self, target: float = 0.6, speed: float = 500_000):
        super().__init__()
        self.target, self.speed = target, speed
        self.register_buffer("p", torch.zeros([]))

    def adapt(self, sign: float, pictures: int) -> None:
        """Raise `p` if `sign`, the mean sign of the logits of real pictures, is above the target; else lower it."""
        direction = (sign > self.target) - (sign < self.target)
        self.p.add_(direction * pictures / self.speed).clamp_(0, 1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Change N×3×H×H pictures in [-1, 1] at random, differentiably."""
        if self.p == 0:
            return pictures
        with torch.autocast(pictures.device.type, enabled=False):  # places in bfloat16 are pixels off
            pictures = pictures.float()
            grid = F.affine_grid(self._placement(pictures)[:, :2], list(pictures.shape), align_corners=False)
            moved = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
            matrix, offset = self._colours(pictures)
            return torch.einsum("nij,njhw->nihw", matrix, moved) + offset

    def _chosen(self, values: torch.Tensor, otherwise: float, p: torch.Tensor | None = None) -> torch.Tensor:
        """Return each of N `values` with the probability `p`, and `otherwise` in place of the rest."""
        keep = torch.rand(len(values), device=values.device) < (self.p if p is None else p)
        return torch.where(keep, values, otherwise)

    def _placement(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return N×3×3 matrices from places in the result to places in the picture, both in [-1, 1]."""
        count, side, device = len(pictures), pictures.shape[2], pictures.device

        def normal(deviation: float) -> torch.Tensor:
            return torch.randn(count, device=device) * deviation

        def uniform(limit: float) -> torch.Tensor:
            return (torch.rand(count, device=device) * 2 - 1) * limit

        whole_shift = [self._chosen(torch.round(uniform(0.125) * side) * 2 / side, 0) for _ in "xy"]
        turn_share = 1 - torch.sqrt(1 - self.p)  # of either turn, so that p is the share of pictures with one
        zoom = self._chosen(torch.exp2(normal(0.2)), 1)
        stretch = self._chosen(torch.exp2(normal(0.2)), 1)
        # A place in the result goes through the last change first, back to where it was in the picture.
        matrix = rotation(self._chosen(torch.randint(0, 4, (count,), device=device) * pi / 2, 0))
        matrix = matrix @ translation(*whole_shift) @ scaling(zoom, zoom)
        matrix = matrix @ rotation(self._chosen(uniform(pi), 0, turn_share))
        matrix = matrix @ scaling(stretch, 1 / stretch)
        matrix = matrix @ rotation(self._chosen(uniform(pi), 0, turn_share))
        return matrix @ translation(*[self._chosen(normal(0.125) * 2, 0) for _ in "xy"])

    def _colours(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return N×3×3 matrices and N×1×1×1 offsets: brightness, contrast, luma flip, hue, saturation."""
        count, device = len(pictures), pictures.device
        brightness = self._chosen(torch.randn(count, device=device) * 0.2, 0)
        contrast = self._chosen(torch.exp2(torch.randn(count, device=device) * 0.5), 1)
        flip = self._chosen(torch.randint(0, 2, (count,), device=device).float(), 0)
        hue = self._chosen((torch.rand(count, device=device) * 2 - 1) * pi, 0)
        saturation = self._chosen(torch.exp2(torch.randn(count, device=device)), 1)

        identity, grey = torch.eye(3, device=device), torch.full((3, 3), LUMA**2, device=device)
        turn = hue_turns(hue)
        mirror = identity - 2 * grey * flip.view(-1, 1, 1)
        saturate = grey + (identity - grey) * saturation.view(-1, 1, 1)
        matrix = saturate @ turn @ mirror * contrast.view(-1, 1, 1)
        grey_offset = brightness * contrast * (1 - 2 * flip)  # an equal change of all channels lies on the grey axis
        return matrix, grey_offset.view(-1, 1, 1, 1)


def hue_turns(angles: torch.Tensor) -> torch.Tensor:
    """Return N×3×3 matrices that turn colours round the grey axis by N angles in radians (Rodrigues' formula)."""
    identity, grey = torch.eye(3).to(angles), torch.full((3, 3), LUMA**2).to(angles)
    cross = LUMA * torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]).to(angles)
    cosine, sine = angles.cos().view(-1, 1, 1), angles.sin().view(-1, 1, 1)
    return cosine * identity + sine * cross + (1 - cosine) * grey


def _matrices(*rows: tuple) -> torch.Tensor:
    like = next(value for row in rows for value in row if isinstance(value, torch.Tensor))
    full = [
        value if isinstance(value, torch.Tensor) else torch.full_like(like, value) for row in rows for value in row
    ]
    return torch.stack(full, 1).view(-1, 3, 3)


def rotation(angle: torch.Tensor) -> torch.Tensor:
    """Return N×3×3 matrices that turn the plane by N angles in radians."""
    return _matrices((angle.cos(), -angle.sin(), 0.0), (angle.sin(), angle.cos(), 0.0), (0.0, 0.0, 1.0))


def scaling(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return N×3×3 matrices that stretch the plane by N factors along each axis."""
    return _matrices((x, 0.0, 0.0), (0.0, y, 0.0), (0.0, 0.0, 1.0))


def translation(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return N×3×3 matrices that shift the plane by N distances along each axis."""
    return _matrices((1.0, 0.0, x), (0.0, 1.0, y), (0.0, 0.0, 1.0))
