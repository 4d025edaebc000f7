"""Mean squared error."""

import numpy as np

from gan_models.metrics.checks import require_alike


def mse(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean squared difference of two uint8 pictures of equal shape, in squared levels of 0 to 255.

    The mean is over all pixels and channels.

    Raises:
        ValueError: The pictures differ in shape, or are not uint8.
    """
    require_alike(a, b)
    return float(np.mean(np.square(a.astype(np.float64) - b)))
