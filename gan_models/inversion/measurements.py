"""What is known of a picture: the operator A of `argmin ½‖y − A·G(w)‖²`, for N×3×H×W pictures in [0, 1].

An inversion compares A of the drawn picture with A of the given one: colourisation knows the grey values alone,
inpainting the pixels outside the hole, and a partial measurement some pixels (Ma et al. 2018, section 4).
"""

from collections.abc import Callable

import numpy as np
import torch

from gan_models.images.blend import LUMA

UNKNOWN = 0.5

Operator = Callable[[torch.Tensor], torch.Tensor]


def everything(picture: torch.Tensor) -> torch.Tensor:
    """Return the picture as it is."""
    return picture


def grey(picture: torch.Tensor) -> torch.Tensor:
    """Return the grey picture, in three equal channels."""
    weights = torch.tensor(LUMA, device=picture.device, dtype=picture.dtype).view(1, 3, 1, 1)
    return (picture * weights).sum(1, keepdim=True).expand(-1, 3, -1, -1)


def known(mask: torch.Tensor) -> Operator:
    """Return the operator that leaves pixels where `mask`, H×W or broadcastable, is 1, and makes the others grey."""
    return lambda picture: picture * mask + UNKNOWN * (1 - mask)


def sampled(scheme: str, share: float, side: int, seed: int = 0) -> np.ndarray:
    """Return which pixels are measured, side×side float32 of 0 and 1.

    Args:
        scheme: "strided", a regular grid; "random", pixels anywhere; or "block", a rectangle in the middle.
        share: Of the pixels, from 0.01 to 1; a grid has the nearest share that it can have.
        side: Of the picture.
        seed: Of the random pixels.
    """
    mask = np.zeros((side, side), np.float32)
    if scheme == "strided":
        stride = max(1, round(share**-0.5))
        mask[stride // 2 :: stride, stride // 2 :: stride] = 1
    elif scheme == "random":
        chosen = np.random.default_rng(seed).permutation(side * side)[: round(share * side * side)]
        mask.flat[chosen] = 1
    else:
        length = max(1, round(side * share**0.5))
        first = (side - length) // 2
        mask[first : first + length, first : first + length] = 1
    return mask


def checked_hole(mask: np.ndarray | None, face: np.ndarray) -> np.ndarray:
    """Return `mask`, S×S bool.

    Raises:
        ValueError: There is none, it is of another size than the face, empty or full.
    """
    if mask is None or mask.shape != face.shape[:2]:
        raise ValueError("Inpainting takes a mask of the picture's own size.")
    if not mask.any():
        raise ValueError("The mask is empty: mark what should be painted anew.")
    if mask.all():
        raise ValueError("The mask covers the whole face: leave something of it to go by.")
    return mask
