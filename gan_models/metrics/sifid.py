"""Single-image Fréchet distance: how much alike the textures of two pictures are, wherever they lie."""

import numpy as np

from gan_models.metrics.fid import fid

LAYER = "relu2_2"
SMALLEST = 16


def sifid(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Fréchet distance of the activations at all places of two uint8 pictures, H×W×3, of any sizes.

    Rott Shaham et al. 2019, section 3: the distance is that of `fid`, the samples are the places of one picture. The
    paper takes Inception's first block; this takes the second block of `features-compact`, 64 activations at half the
    resolution, so its figures are on a scale of their own.

    Raises:
        ValueError: A picture is not H×W×3 uint8, or has a side under 16 pixels.
    """
    return fid(_activations(a), _activations(b))


def _activations(picture: np.ndarray) -> np.ndarray:
    """Return N×64 activations of `features-compact`, one row for each place."""
    import torch

    from gan_models import checkpoints
    from gan_models.images.tensors import to_tensor

    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError("SIFID takes pictures H×W×3 of 8 bits.")
    if min(picture.shape[:2]) < SMALLEST:
        raise ValueError(f"SIFID needs pictures of {SMALLEST}×{SMALLEST} pixels or more.")
    network = checkpoints.load("features-compact", "cpu")
    with torch.inference_mode():
        found = network(to_tensor(picture), [LAYER])[LAYER]
    return found[0].flatten(1).T.double().numpy()
