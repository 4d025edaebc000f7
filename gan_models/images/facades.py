"""Label maps of facades, as the pix2pix edition of the CMP facade database (Tyleček and Šára 2013) paints them."""

import numpy as np

# The colours are those of its JPEG files, which are not quite those of the database.
FACADE_LABELS = {
    "background": (0, 6, 217),
    "wall": (13, 61, 251),
    "window": (0, 117, 255),
    "entrance": (0, 201, 255),
    "head": (29, 255, 221),
    "sill": (104, 248, 152),
    "balcony": (184, 255, 56),
    "shutter": (238, 237, 40),
    "trim": (255, 146, 4),
    "cornice": (255, 68, 1),
    "column": (246, 0, 1),
    "shop": (165, 0, 0),
}


def label_map(picture: np.ndarray) -> np.ndarray:
    """Return the place in `FACADE_LABELS` of the colour nearest to each pixel of `picture`, H×W×3 uint8, as H×W."""
    palette = np.array(list(FACADE_LABELS.values()), np.int32)
    distances = [np.square(picture.astype(np.int32) - colour).sum(2) for colour in palette]
    return np.argmin(distances, 0)


def nearest_labels(picture: np.ndarray) -> np.ndarray:
    """Return `picture`, H×W×3 uint8, with each pixel in the nearest colour of `FACADE_LABELS`."""
    return np.array(list(FACADE_LABELS.values()), np.uint8)[label_map(picture)]
