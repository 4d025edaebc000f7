"""LPIPS: how different two pictures look to a network that was taught by people's judgements."""

import numpy as np

from gan_models.device import models
from gan_models.metrics.checks import require_alike

FEATURES, WEIGHTS = "vgg16", "lpips-vgg16"
SMALLEST, LARGEST = 16, 4_000_000


def lpips(a: np.ndarray, b: np.ndarray) -> float:
    """Return the learned perceptual distance of two uint8 pictures, H×W×3, 0 for equal ones.

    Zhang et al. 2018, equation 1, with VGG16 and the published weights of version 0.1. Files that are not on this
    machine are fetched from the Hub; `lpips_ready` tells.

    Raises:
        ValueError: The pictures differ in shape, are not H×W×3 uint8, have a side under 16 pixels, or more than four
            megapixels.
        WeightsError: The weights can't be had.
    """
    require_alike(a, b)
    if a.ndim != 3 or a.shape[2] != 3:
        raise ValueError("LPIPS takes pictures H×W×3.")
    height, width = a.shape[:2]
    if min(height, width) < SMALLEST or height * width > LARGEST:
        raise ValueError(
            f"LPIPS needs pictures of {SMALLEST}×{SMALLEST} pixels or more, and of {LARGEST / 1e6:g} megapixels or "
            f"fewer, not {height}×{width}."
        )
    import torch

    from gan_models import checkpoints
    from gan_models.images.tensors import to_tensor
    from gan_models.nn.features.lpips import LAYERS

    weights, features = (
        models.get(("features", name), lambda name=name: checkpoints.load(name, "cpu"))
        for name in (WEIGHTS, FEATURES)
    )
    with torch.inference_mode():
        seen = [list(features(to_tensor(picture), LAYERS).values()) for picture in (a, b)]
        return weights(*seen).item()


def lpips_ready() -> bool:
    """Say whether `lpips` can be measured without fetching anything."""
    from gan_models.checkpoints import hub, registry  # bring the Hub's client

    return all(hub.ready(registry.get(name)) for name in (WEIGHTS, FEATURES))
