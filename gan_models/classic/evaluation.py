"""What a small generator draws, and how good it is."""

import numpy as np
import torch
from torch import nn

from gan_models import checkpoints
from gan_models.classic.pictures import Pictures
from gan_models.metrics import fid, inception_score

HELD_OUT = 0.1  # share of the pictures that FID compares with and that nothing is learned from
PART = 32  # pictures that are drawn at once
SAMPLES = 256  # pictures by which FID and IS are estimated while a training goes on
FEATURES = "features-compact"


class Evaluator:
    """Scores a generator by the features of our compact network, which is not Inception.

    Args:
        reference: The pictures to compare with.
        device: Where the network computes.
        count: How many of them count at most.
    """

    def __init__(self, reference: Pictures, device: torch.device, count: int = SAMPLES):
        self.features = checkpoints.load(FEATURES, str(device))
        self.device = device
        self.wanted = self._seen(reference.pixels[:count].float() / 255)[0]

    @torch.inference_mode()
    def _seen(self, pictures: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return features, N×D, and probabilities of classes, N×10, of N×3×H×W in [0, 1]."""
        found = [self.features.pooled(part.to(self.device)) for part in pictures.split(64)]
        classes = [self.features.classifier(part).softmax(1) for part in found]
        return torch.cat(found).cpu().numpy(), torch.cat(classes).cpu().numpy()

    def __call__(self, pictures: torch.Tensor) -> dict[str, float]:
        """Return FID and the Inception Score of N×3×H×W in [-1, 1]."""
        features, classes = self._seen((pictures.cpu() + 1).clamp(0, 2) / 2)
        return {"FID": fid(features, self.wanted), "IS": inception_score(classes, splits=1)[0]}


@torch.inference_mode()
def draw(network: nn.Module, latents: torch.Tensor, labels: torch.Tensor, side: int) -> torch.Tensor:
    """Return pictures of N×z_dim latents and N labels, N×3×side×side in [-1, 1], on the CPU.

    What a growing generator draws smaller is enlarged.
    """
    pairs = zip(latents.split(PART), labels.split(PART), strict=True)
    drawn = torch.cat([network(z, label).clamp(-1, 1).cpu() for z, label in pairs])
    return drawn.repeat_interleave(side // drawn.shape[2], 2).repeat_interleave(side // drawn.shape[3], 3)
