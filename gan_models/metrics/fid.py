"""Distances between two sets of pictures, each given by the features of a network."""

import numpy as np


def fid(x: np.ndarray, y: np.ndarray) -> float:
    """Return the Fréchet distance of N×D and M×D features (Heusel et al. 2017, equation 6), 0 for equal sets.

    |μx - μy|² + tr(Σx) + tr(Σy) - 2 tr((Σx Σy)^½). The last trace is the sum of the roots of the eigenvalues of
    Σx^½ Σy Σx^½, a symmetric matrix: it stays real and finite where a matrix root of Σx Σy does not, as with fewer
    pictures than features. Distances of few pictures are too large; figures compare from 2,048 up.

    Raises:
        ValueError: The features differ in number, are not finite, or a set has fewer than 2 rows.
    """
    x, y = checked(x, y)
    mean_x, mean_y = x.mean(0), y.mean(0)
    covariance_x, covariance_y = np.cov(x, rowvar=False, ddof=1), np.cov(y, rowvar=False, ddof=1)
    covariance_x, covariance_y = np.atleast_2d(covariance_x), np.atleast_2d(covariance_y)
    values, vectors = np.linalg.eigh(covariance_x)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ covariance_y @ root)
    cross = np.sqrt(product.clip(0)).sum()
    distance = np.square(mean_x - mean_y).sum() + np.trace(covariance_x) + np.trace(covariance_y) - 2 * cross
    return float(max(distance, 0.0))


def kid(x: np.ndarray, y: np.ndarray) -> float:
    """Return the kernel distance of N×D and M×D features (Bińkowski et al. 2018), about 0 for equal distributions.

    The unbiased estimate of the squared maximum mean discrepancy with the kernel (a·b / D + 1)³, over all pairs
    rather than over random subsets. Unlike `fid` it does not grow where pictures are few, and it may be negative.

    Raises:
        ValueError: The features differ in number, are not finite, or a set has fewer than 2 rows.
    """
    x, y = checked(x, y)

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: np.ndarray) -> float:
        matrix = kernel(a, a)
        return (matrix.sum() - np.trace(matrix)) / (len(a) * (len(a) - 1))

    return float(within(x) + within(y) - 2 * kernel(x, y).mean())


def checked(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both sets of features in float64.

    Raises:
        ValueError: They are not N×D and M×D with N and M at least 2, or not finite.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"Features must be N×D and M×D, not {x.shape} and {y.shape}.")
    if min(len(x), len(y)) < 2:
        raise ValueError("Each set needs two pictures at least.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("The features must be finite.")
    return x, y
