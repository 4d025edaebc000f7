"""The mean opinion score: what people think of results, by the model that made them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

SCALE = {5: "Excellent", 4: "Good", 3: "Fair", 2: "Poor", 1: "Bad"}  # ITU-T P.910, absolute category rating
LEVEL = 0.95


@dataclass(frozen=True)
class Opinion:
    """What was thought of the results of one model.

    Attributes:
        model: Its name.
        ratings: How many of its results were rated.
        mean: The mean opinion score, 1 to 5; None without ratings.
        low: Where the 95 % confidence interval of the mean begins; None with fewer than two ratings.
        high: Where it ends.
        comparisons: How many pairs one of its results was in.
        preferred: The share of these in which it was preferred, 0 to 1; None without any.
    """

    model: str
    ratings: int
    mean: float | None
    low: float | None
    high: float | None
    comparisons: int
    preferred: float | None


def opinions(ratings: Sequence[tuple[str, int]], preferences: Sequence[tuple[str, str]]) -> list[Opinion]:
    """Return what was thought of each model, the best first: by mean, then by how often it was preferred.

    Args:
        ratings: Model and score, 1 (bad) to 5 (excellent), of each result that was rated.
        preferences: Of each pair the model whose result was found better, and the other.

    Raises:
        ValueError: A score is no whole number from 1 to 5, or a model is compared with itself.
    """
    for _, score in ratings:
        if score not in SCALE:
            raise ValueError(f"A rating is a whole number from 1 to 5, not {score}.")
    for better, other in preferences:
        if better == other:
            raise ValueError(f"“{better}” can't be compared with itself.")
    models = {model for model, _ in ratings} | {model for pair in preferences for model in pair}
    found = []
    for model in models:
        scores = [score for name, score in ratings if name == model]
        pairs = [pair for pair in preferences if model in pair]
        preferred = sum(better == model for better, _ in pairs) / len(pairs) if pairs else None
        found.append(Opinion(model, len(scores), *mean_with_interval(scores), len(pairs), preferred))
    return sorted(found, key=lambda one: (-(one.mean or 0), -(one.preferred or 0), one.model))


def mean_with_interval(scores: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Return the mean of `scores`, and the ends of its 95 % confidence interval by Student's t distribution.

    mean ± t·s/√n, where s is the deviation with n - 1 and t the 97.5 % quantile with n - 1 degrees of freedom.
    None for what can't be said: all of no scores, the ends of a single one.
    """
    from scipy.stats import t  # takes a moment

    if not scores:
        return None, None, None
    count, mean = len(scores), math.fsum(scores) / len(scores)
    if count == 1:
        return mean, None, None
    deviation = math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / (count - 1))
    half = float(t.ppf((1 + LEVEL) / 2, count - 1)) * deviation / math.sqrt(count)
    return mean, mean - half, mean + half
