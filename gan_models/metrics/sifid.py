"""Single-image Fréchet distance: how much alike the textures of two pictures are, wherever they lie."""

import numpy as np

from gan_models.device import models
from gan_models.metrics.fid import fid

PUBLISHED, COMPACT = "inception-fid", "features-compact"
LAYER = "relu2_2"
SMALLEST = 16


def sifid(a: np.ndarray, b: np.ndarray, *, features: str | None = None) -> float:
    """Return the Fréchet distance of the activations at all places of two uint8 pictures, H×W×3, of any sizes.

    Rott Shaham et al. 2019, section 3: the distance is that of `fid`, the samples are the places of one picture.
    The features are the 64 of Inception's first block at half the resolution, or the second block of
    `features-compact`, 64 at half the resolution too; the figures of one say nothing about those of the other.

    Args:
        a: A picture.
        b: Another.
        features: "inception-fid" or "features-compact"; None for what `sifid_features` says.

    Raises:
        ValueError: A picture is not H×W×3 uint8, or has a side under 16 pixels.
        WeightsError: Inception is asked for and can't be had.
    """
    name = features or sifid_features()
    return fid(_activations(a, name), _activations(b, name))


def sifid_features() -> str:
    """Return the name of the network that `sifid` takes by default: Inception if its file is here, else ours."""
    from gan_models.checkpoints import hub, registry  # bring the Hub's client

    return PUBLISHED if hub.ready(registry.get(PUBLISHED)) else COMPACT


def _activations(picture: np.ndarray, name: str) -> np.ndarray:
    """Return N×64 activations, one row for each place."""
    import torch

    from gan_models import checkpoints
    from gan_models.images.tensors import to_tensor

    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError("SIFID takes pictures H×W×3 of 8 bits.")
    if min(picture.shape[:2]) < SMALLEST:
        raise ValueError(f"SIFID needs pictures of {SMALLEST}×{SMALLEST} pixels or more.")
    network = models.get(("features", name), lambda: checkpoints.load(name, "cpu"))
    with torch.inference_mode():
        x = to_tensor(picture)
        found = network.first_block(x) if name == PUBLISHED else network(x, [LAYER])[LAYER]
    return found[0].flatten(1).T.double().numpy()
