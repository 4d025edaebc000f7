"""The FCN score: how well a segmentation network recognises in a picture what should be there."""

from typing import NamedTuple

import numpy as np

from gan_models.metrics.checks import shape_name

FACADES = "facades-segmentation-compact"


class FCNScore(NamedTuple):
    """Three shares from 0 to 1 (Long et al. 2015, section 5).

    Attributes:
        pixel_accuracy: Of all pixels, those whose label is right.
        class_accuracy: Of the pixels of a class, those that are labelled so, averaged over the classes.
        class_iou: Of the pixels that are of a class or labelled so, those that are both, averaged over the classes.
    """

    pixel_accuracy: float
    class_accuracy: float
    class_iou: float


def fcn_score(found: np.ndarray, wanted: np.ndarray) -> FCNScore:
    """Return the scores of label maps of any equal shape; of many pictures, stack them, for counts are added up.

    Averages are over the classes that `wanted` holds. With a network's labels of a translated picture as `found`, and
    those that it was translated from as `wanted`, it is the score of Isola et al. 2017, section 3.

    Args:
        found: What a network says, whole numbers from 0 up.
        wanted: What is right; pixels below 0 count for nothing.

    Raises:
        ValueError: The maps differ in shape, hold no whole numbers, or nothing counts.
    """
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.shape != wanted.shape:
        sizes = f"{shape_name(found)} and {shape_name(wanted)}"
        raise ValueError(f"The label maps must have equal shapes, not {sizes}.")
    if not (np.issubdtype(found.dtype, np.integer) and np.issubdtype(wanted.dtype, np.integer)):
        raise ValueError("Label maps hold whole numbers.")
    counts = wanted >= 0
    found, wanted = found[counts].astype(np.int64), wanted[counts].astype(np.int64)
    if not wanted.size:
        raise ValueError("No pixel has a label.")
    if found.min() < 0:
        raise ValueError("Every pixel that counts needs a label of 0 or more.")
    classes = int(max(found.max(), wanted.max())) + 1
    confusion = np.bincount(wanted * classes + found, minlength=classes**2).reshape(classes, classes)
    right, of_class, labelled = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    there = of_class > 0
    right, of_class, labelled = right[there], of_class[there], labelled[there]
    return FCNScore(
        pixel_accuracy=float(right.sum() / of_class.sum()),
        class_accuracy=float(np.mean(right / of_class)),
        class_iou=float(np.mean(right / (of_class + labelled - right))),
    )


def segmented(picture: np.ndarray, network: str = FACADES) -> np.ndarray:
    """Return the label of each pixel of a uint8 picture, H×W×3, as H×W whole numbers.

    The picture is resized to the network's own side, the scores back to the picture's size.

    Args:
        picture: What is looked at.
        network: A name that /models lists for the task "segmentation"; the labels of the embedded one are the places
            in `gan_models.images.facades.FACADE_LABELS`.

    Raises:
        ValueError: The picture is not H×W×3 uint8, or there is no such network.
        WeightsError: The weights can't be had.
    """
    import torch
    import torch.nn.functional as F

    from gan_models import checkpoints
    from gan_models.checkpoints import registry
    from gan_models.device import models
    from gan_models.images.tensors import to_tensor

    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"What is segmented is a picture H×W×3 of 8 bits, not {shape_name(picture)}.")
    registry.get(network, "segmentation")
    loaded = models.get(("segmentation", network), lambda: checkpoints.load(network, "cpu"))
    with torch.inference_mode():
        small = F.interpolate(to_tensor(picture), (loaded.side, loaded.side), mode="bilinear", antialias=True)
        scores = F.interpolate(loaded(small), picture.shape[:2], mode="bilinear")
    return scores[0].argmax(0).numpy()
