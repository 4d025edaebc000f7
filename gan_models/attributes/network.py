"""The network that rates faces."""

import torch
import torch.nn.functional as F
from torch import nn

NAMES = ("age", "gender", "smile", "long_hair", "dark_hair", "pose")
SIDE = 64
MEANS, DEVIATIONS = (33.0, 0.0, 0.0, 0.0, 0.0, 0.0), (20.0, 1.0, 1.0, 1.0, 1.0, 1.0)


class FaceAttributes(nn.Module):
    """Rates tightly cropped faces: seven convolutions, an average, a linear layer.

    Scores are in units of a deviation of the labels from their mean: of 20 years from 33 for the age, of the rated
    faces for smile and hair, of the measured ones for the pose (positive: turned to the picture's right). That of the
    gender is a logit, positive for men.

    Args:
        channels: After the first two convolutions and after each further two.
    """

    def __init__(self, channels: tuple[int, ...] = (32, 64, 128, 160)):
        super().__init__()
        layers, width = [], 3
        for outputs in channels:
            for stride in (2, 1):
                layers += [nn.Conv2d(width, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
                width = outputs
        self.features = nn.Sequential(*layers)
        self.scores = nn.Linear(width, len(NAMES))

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Return N×6 scores, in the order of `NAMES`, of N×3×H×W faces in [0, 1] in UTKFace's crop."""
        if faces.shape[2:] != (SIDE, SIDE):
            faces = F.interpolate(faces, (SIDE, SIDE), mode="bilinear", antialias=True)
        return self.scores(self.features(faces * 2 - 1).mean((2, 3)))
