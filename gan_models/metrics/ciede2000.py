"""CIEDE2000: how different colours look."""

import numpy as np

from gan_models.metrics.checks import require_alike


def ciede2000(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean colour difference of two uint8 sRGB pictures, H×W×3, under D65 light; about 1 is just visible.

    Sharma, Wu and Dalal 2005, by scikit-image.

    Raises:
        ValueError: The pictures differ in size or aren't uint8 H×W×3.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    require_alike(a, b)
    if a.ndim != 3 or a.shape[2] != 3:
        raise ValueError(f"Colour differences are of pictures H×W×3, not {a.shape}.")
    return float(deltaE_ciede2000(rgb2lab(a), rgb2lab(b)).mean())
