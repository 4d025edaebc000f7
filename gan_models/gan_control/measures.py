"""What a face looks like, in numbers that a gradient can follow: what the controls are learned from and judged by."""

from collections.abc import Mapping

import torch
from torch import nn

from gan_models import checkpoints
from gan_models.attributes import NAMES

RATER, IDENTITY = "face-attributes-compact", "face-identity-compact"
RATED = {"age": "age", "pose": "pose", "expression": "smile", "hair": "dark_hair"}  # by the names of its scores
CONTROLS = {**dict.fromkeys(RATED, 1), "illumination": 3}  # numbers that the value of each has
LIGHT_MEANS, LIGHT_DEVIATIONS = (0.295, 0.0, 0.07), (0.127, 0.75, 0.285)  # of every twelfth face of UTKFace
ROUND = 1.15  # how far the ellipsoid that stands for a face reaches beyond the crop
SKIN = (0.6, 0.8)  # the half axes of what is looked at of it, which leaves the background out
GAMMA = 2.2
LUMA = (0.2126, 0.7152, 0.0722)


class Measures(nn.Module):
    """Measures faces in UTKFace's crop.

    Args:
        rater: Gives `attributes.NAMES`.
        identity: Gives unit vectors that are near for faces that are alike.
    """

    def __init__(self, rater: nn.Module, identity: nn.Module):
        super().__init__()
        self.rater, self.identity = rater, identity
        self.register_buffer("means", torch.tensor(LIGHT_MEANS), persistent=False)
        self.register_buffer("deviations", torch.tensor(LIGHT_DEVIATIONS), persistent=False)

    def forward(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return N×1 or N×3 values of each control, in units of real faces' deviations, and N×64 for the identity.

        Args:
            faces: N×3×H×W in [0, 1].
        """
        scores = self.rater(faces).float()
        found = {name: scores[:, NAMES.index(score), None] for name, score in RATED.items()}
        found["illumination"] = (light(faces.float()) - self.means) / self.deviations
        return found | {"identity": self.identity(faces).float()}


def load_measures(device: torch.device) -> Measures:
    """Return the embedded networks as measures."""
    return Measures(*(checkpoints.load(name, str(device)) for name in (RATER, IDENTITY)))


def light(faces: torch.Tensor) -> torch.Tensor:
    """Return how bright N×3×H×W faces in [0, 1] are, and how much more so to the right and to the top, N×3.

    As if a face were an ellipsoid of one colour: its brightness, made linear, is fitted by the spherical harmonics of
    order 0 and 1 of its normals (Basri and Jacobs 2003, section 3.1); the last two are divided by the first.
    """
    colours = torch.tensor(LUMA, device=faces.device)
    bright = torch.einsum("nchw,c->nhw", faces.clamp(min=1e-3) ** GAMMA, colours)
    inside, fit = _harmonics(*faces.shape[2:])
    coefficients = bright[:, inside.to(faces.device)] @ fit.T.to(faces.device)
    whole, across, up = coefficients[:, 0], coefficients[:, 1], coefficients[:, 2]
    return torch.stack([whole, across / whole.clamp(min=1e-2), up / whole.clamp(min=1e-2)], 1)


def _harmonics(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the pixels that are looked at, H×W, and the matrix 4×P that fits 1, x, y and z of the normals there."""
    y, x = torch.meshgrid(torch.linspace(1, -1, height), torch.linspace(-1, 1, width), indexing="ij")
    inside = (x / SKIN[0]).square() + (y / SKIN[1]).square() < 1
    x, y = x[inside] / ROUND, y[inside] / ROUND
    z = (1 - x.square() - y.square()).sqrt()
    return inside, torch.linalg.pinv(torch.stack([torch.ones_like(x), x, y, z - z.mean()], 1))


def distances(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return how far apart measured faces are, N×M for N and M of them.

    Root mean squares of the differences of values; for the identity 1 minus the cosine.
    """
    found = {name: (a[name][:, None] - b[name]).square().mean(2).add(1e-8).sqrt() for name in CONTROLS}
    return found | {"identity": 1 - a["identity"] @ b["identity"].T}
