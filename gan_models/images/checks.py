"""What tasks and metrics ask of what they are given."""

from typing import Any

import numpy as np


def require_picture(image: Any) -> None:
    """Do nothing if `image` is a picture: H×W×3, or H×W×4 with alpha, uint8, each side at least one pixel.

    Raises:
        ValueError: It is anything else.
    """
    if not isinstance(image, np.ndarray):
        found = type(image).__name__
    elif image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] in (3, 4) and image.size:
        return
    else:
        found = f"{image.dtype} of shape {image.shape}"
    raise ValueError(f"A picture is an array, H×W×3 or H×W×4 uint8, with at least one pixel; this is {found}.")
