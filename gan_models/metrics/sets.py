"""How near a set of pictures comes to another set: FID, KID, Inception Score and sliced Wasserstein distance."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gan_models.device import computing, models, pick_device
from gan_models.images.archives import read_pictures
from gan_models.images.squares import squared
from gan_models.jobs import Step, watch_layers
from gan_models.metrics.fid import fid, kid
from gan_models.metrics.inception_score import inception_score
from gan_models.metrics.sifid import COMPACT, PUBLISHED, sifid_features
from gan_models.metrics.sliced_wasserstein import sliced_wasserstein

SIDES, SIDE = (32, 64, 128), 64
ENOUGH = 2048  # pictures of each set from which distances compare with others
BATCH = 32
PAIRED = 5000  # pictures of each set by which KID is measured: it takes the memory of their square
SLICED = 1024  # those for the sliced Wasserstein distance
PARTS, WHOLE = 10, 100  # equal parts of a set for the Inception Score, and pictures below which it is one
SHORT_OF_MEMORY = "The memory of this device is too short for these pictures; try again later."


@dataclass(frozen=True)
class Seen:
    """A set of pictures as a network sees it.

    Attributes:
        features: N×D.
        classes: N×K probabilities.
        squares: The pictures, N×side×side×3 uint8.
        smallest: The shortest side that one of them had, in pixels.
    """

    features: np.ndarray
    classes: np.ndarray
    squares: np.ndarray
    smallest: int


def measure_sets(
    images: Sequence[str | Path],
    references: Sequence[str | Path],
    *,
    features: str | None = None,
    side: int = SIDE,
    most: int | None = None,
    device: str | None = None,
) -> Iterator[Step]:
    """Compare two sets of pictures, each given as files and ZIP archives of them.

    Our compact network sees the middle square of each picture at side×side pixels, Inception the whole at 299×299, as
    published. Yields a `Step` for every few pictures. The last one's result has these values by name: "fid", "kid"
    (of 5,000 pictures of each set at most, chosen at random but always alike), "inception_score" of the images and
    "inception_score_deviation" over ten parts of them (None under 100 pictures, which are one part),
    "sliced_wasserstein" (the average over the levels, of 1,024 squares of each set at most; left out where a picture
    is smaller than the square), how many "images" and "references" there were, the name of the network under
    "features", and a "note" that says what the figures are good for.

    Args:
        images: The pictures that are judged.
        references: Those that they should resemble.
        features: "features-compact" or "inception-fid"; None for Inception if its file is here, else ours.
        side: 32, 64 or 128: pixels of the squares.
        most: Pictures of a set that are accepted; None for any number.
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Raises:
        ValueError: The network or the side is none of these, a set can't be read (see `read_pictures`) or has fewer
            than two pictures.
        WeightsError: Inception is asked for and can't be had.
    """
    from gan_models import checkpoints  # brings PyTorch

    name = features or sifid_features()
    if name not in (COMPACT, PUBLISHED):
        raise ValueError(f"Sets are compared by the features of {COMPACT} or {PUBLISHED}, not of “{name}”.")
    if side not in SIDES:
        raise ValueError(f"The side must be one of {', '.join(map(str, SIDES))} pixels, not {side}.")
    watch_layers()
    place = pick_device(device)
    network = models.get(("features", name, str(place)), lambda: checkpoints.load(name, str(place)))
    sets = []
    for title, paths in (("The first set", images), ("The second set", references)):
        sets.append((yield from _seen(title, paths, network, name, side, most)))
    ours, theirs = sets
    counts = len(ours.features), len(theirs.features)
    yield Step(sum(counts), sum(counts), message="Comparing the sets")
    parts = PARTS if counts[0] >= WHOLE else 1
    score, deviation = inception_score(ours.classes, splits=parts)
    found: dict[str, Any] = {
        "fid": fid(ours.features, theirs.features),
        "kid": kid(_some(ours.features, PAIRED), _some(theirs.features, PAIRED)),
        "inception_score": score,
        "inception_score_deviation": deviation if parts > 1 else None,
    }
    sliced = min(ours.smallest, theirs.smallest) >= side
    if sliced:
        yield Step(sum(counts), sum(counts), message="Comparing details at each scale")
        found["sliced_wasserstein"] = sliced_wasserstein(
            _some(ours.squares, SLICED), _some(theirs.squares, SLICED)
        ).average
    found |= {"images": counts[0], "references": counts[1], "features": name, "note": _note(name, counts, sliced)}
    yield Step(sum(counts), sum(counts), result=found)


def _seen(
    title: str, paths: Sequence[str | Path], network: Any, name: str, side: int, most: int | None
) -> Generator[Step, None, Seen]:
    """Read a set and show it to the network; returns it as `Seen`."""
    squares, batch, found = [], [], []
    smallest = side
    for picture, _ in read_pictures(paths, most):
        smallest = min(smallest, *picture.shape[:2])
        squares.append(squared(picture, side))
        batch.append(_view(picture, squares[-1], name))
        if len(batch) == BATCH:
            found.append(_features(batch, network, name))
            batch = []
            yield Step(len(squares), 0, message=f"{title}: {len(squares)} pictures")
    if len(squares) < 2:
        few = "only one" if squares else "none"
        raise ValueError(f"Each set needs two pictures at least, better thousands; {title.lower()} has {few}.")
    if batch:
        found.append(_features(batch, network, name))
        yield Step(len(squares), 0, message=f"{title}: {len(squares)} pictures")
    features, classes = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Seen(features, classes, np.stack(squares), smallest)


def _view(picture: np.ndarray, square: np.ndarray, name: str) -> Any:
    """Return what a network looks at of a picture, 1×3×S×S in [0, 1]."""
    import torch.nn.functional as F

    from gan_models.images.tensors import to_tensor
    from gan_models.nn.features import inception

    if name == PUBLISHED:
        return F.interpolate(to_tensor(picture), (inception.SIDE, inception.SIDE), mode="bilinear")
    return to_tensor(square)


def _features(batch: list, network: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return features, N×D, and probabilities of classes, N×K, of N tensors 1×3×S×S."""
    import torch
    import torch.nn.functional as F

    device = next(network.parameters()).device
    with torch.inference_mode(), computing(device, SHORT_OF_MEMORY):
        pooled = network.pooled(torch.cat(batch).to(device))
        scores = F.linear(pooled, network.fc.weight) if name == PUBLISHED else network.classifier(pooled)
        return pooled.cpu().numpy(), scores.softmax(1).cpu().numpy()


def _some(rows: np.ndarray, most: int) -> np.ndarray:
    """Return `most` rows at most, always the same."""
    return rows if len(rows) <= most else rows[np.random.default_rng(0).permutation(len(rows))[:most]]


def _note(name: str, counts: tuple[int, int], sliced: bool) -> str:
    if name == PUBLISHED:
        sentences = ["By the features of Inception, as published figures are."]
    else:
        sentences = ["By our compact features, not Inception's: these figures compare with each other only."]
    if min(counts) < ENOUGH:
        few = f"With fewer than {ENOUGH:,} pictures in a set ({counts[0]:,} and {counts[1]:,} here)"
        sentences.append(f"{few} FID comes out too large and all of this is rough.")
    if not sliced:
        sentences.append("A picture is smaller than the squares, so details are not compared.")
    return " ".join(sentences)
