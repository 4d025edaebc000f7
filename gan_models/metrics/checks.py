"""What every measure asks of its pictures."""

import numpy as np


def require_alike(a: np.ndarray, b: np.ndarray) -> None:
    """Pass two uint8 pictures of equal shape, H×W or H×W×C.

    Raises:
        ValueError: They are not that, or they are empty.
    """
    if a.dtype != np.uint8 or b.dtype != np.uint8:
        raise ValueError(f"Both pictures must be uint8, not {a.dtype} and {b.dtype}.")
    if a.shape != b.shape:
        raise ValueError(f"The pictures must have equal shapes, not {shape_name(a)} and {shape_name(b)}.")
    if a.ndim not in (2, 3) or a.size == 0:
        raise ValueError(f"A picture has the shape H×W or H×W×C, not {shape_name(a)}.")


def shape_name(array: np.ndarray) -> str:
    """Return the shape of `array` as people write it: "480×640×3"."""
    return "×".join(map(str, array.shape)) or "a single number"
