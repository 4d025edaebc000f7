"""Pictures: any upload to an array, alpha, tiles, and results that tell how they were made."""

from gan_models.images.alpha import bright, flatten, join_alpha, split_alpha
from gan_models.images.decode import decode
from gan_models.images.provenance import read_provenance, save_result
from gan_models.images.thumbnail import thumbnail

__all__ = [
    "bright",
    "decode",
    "flatten",
    "join_alpha",
    "read_provenance",
    "save_result",
    "split_alpha",
    "thumbnail",
]
