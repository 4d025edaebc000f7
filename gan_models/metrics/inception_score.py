"""The Inception Score: how sure a classifier is of each picture, and how varied a set is."""

from itertools import pairwise

import numpy as np


def inception_score(p: np.ndarray, splits: int = 10) -> tuple[float, float]:
    """Return mean and standard deviation, over parts of a set, of exp(mean KL(p(y|x) | p(y))) (Salimans et al. 2016).

    From 1, where all pictures are classified alike, to the number of classes. It is made for Inception's 1,000
    classes of ImageNet; scores by another classifier have another scale.

    Args:
        p: N×K probabilities of the classes of each picture.
        splits: Parts of the set, in its order, as equal as can be.

    Raises:
        ValueError: The rows are no probabilities, or there are fewer than parts.
    """
    p = np.asarray(p, np.float64)
    if p.ndim != 2 or not np.allclose(p.sum(1), 1, atol=1e-3) or (p < 0).any():
        raise ValueError("Each row must hold probabilities that add up to 1.")
    if not 1 <= splits <= len(p):
        raise ValueError(f"{len(p)} pictures can't be split into {splits} parts.")
    ends = [len(p) * index // splits for index in range(splits + 1)]
    scores = []
    for start, end in pairwise(ends):
        part = p[start:end]
        marginal = part.mean(0)
        terms = part * (np.log(part.clip(1e-16)) - np.log(marginal.clip(1e-16)))
        scores.append(np.exp(terms.sum(1).mean()))
    return float(np.mean(scores)), float(np.std(scores))
