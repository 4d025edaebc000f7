"""The networks that rate faces, and tell them apart."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

SIDE = 64


class FaceAttributes(nn.Module):
    """Rates tightly cropped faces: seven convolutions, an average, a linear layer.

    Scores are in units of a deviation of the labels from their mean: of 20 years from 33 for the age, of the rated
    faces for smile and hair, of the measured ones for the pose (positive: turned to the picture's right). That of the
    gender is a logit, positive for men.

    Args:
        channels: After the first two convolutions and after each further two.
        attributes: How many are rated.
    """

    def __init__(self, channels: tuple[int, ...] = (32, 64, 128, 160), attributes: int = 6):
        super().__init__()
        self.features = convolutions(channels)
        self.scores = nn.Linear(channels[-1], attributes)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Return N×6 scores, in the order of `attributes.NAMES`, of N×3×H×W faces in [0, 1] in UTKFace's crop."""
        return self.scores(self.features(resized(faces) * 2 - 1).mean((2, 3)))


class FaceIdentity(nn.Module):
    """Says which faces are alike, as far as one picture of each person teaches that.

    Args:
        channels: As for `FaceAttributes`.
        dimensions: Of what it says of a face.
    """

    def __init__(self, channels: tuple[int, ...] = (32, 64, 128, 160), dimensions: int = 64):
        super().__init__()
        self.features = convolutions(channels)
        self.embedding = nn.Linear(channels[-1], dimensions)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Return N×64 unit vectors, near where faces are alike, of N×3×H×W faces in [0, 1] in UTKFace's crop."""
        return F.normalize(self.embedding(self.features(resized(faces) * 2 - 1).mean((2, 3))))


def convolutions(channels: Sequence[int]) -> nn.Sequential:
    """Return two 3×3 convolutions for each width in `channels`, of which the first halves the size."""
    layers, width = [], 3
    for outputs in channels:
        for stride in (2, 1):
            layers += [nn.Conv2d(width, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            width = outputs
    return nn.Sequential(*layers)


def resized(faces: torch.Tensor) -> torch.Tensor:
    """Return N×3×H×W faces as N×3×64×64."""
    if faces.shape[2:] == (SIDE, SIDE):
        return faces
    return F.interpolate(faces, (SIDE, SIDE), mode="bilinear", antialias=True)
