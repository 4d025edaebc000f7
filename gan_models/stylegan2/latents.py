"""What an inversion finds: the latents and noise maps that draw a picture, and their files."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from gan_models.checkpoints import save
from gan_models.checkpoints.errors import WeightsError
from gan_models.checkpoints.loading import load_state_dict_file

LATENTS, MODEL = "w", "model"  # in the file, besides the noise maps
MAX_BYTES = 100e6
UNREADABLE = "This file holds no latents that were saved here."


@dataclass(frozen=True)
class Latents:
    """What draws one picture.

    Attributes:
        model: The generator that they are of.
        w: layers×w_dim, float32.
        noises: The noise map, resolution×resolution float32, of each layer by the name of its buffer in `synthesis`;
            none: those that the weights carry.
    """

    model: str
    w: np.ndarray
    noises: dict[str, np.ndarray] = field(default_factory=dict)


def noise_names(synthesis: nn.Module) -> list[str]:
    """Return the names of the noise maps of a generator's `synthesis`."""
    return [name for name, _ in synthesis.named_buffers() if name.endswith("noise_const")]


def content(latents: Latents) -> bytes:
    """Return the content of a file with `latents`, safetensors."""
    name = np.frombuffer(latents.model.encode(), np.uint8).copy()
    arrays = {MODEL: name, LATENTS: latents.w, **latents.noises}
    return save.content({key: torch.from_numpy(value) for key, value in arrays.items()}, {"task": "face-inversion"})


def load(path: str | os.PathLike, model: str, network: nn.Module) -> Latents:
    """Return the latents in a file with what `content` gave for the generator `network`, called `model`.

    Raises:
        ValueError: The file is none, or of another generator.
    """
    if Path(path).stat().st_size > MAX_BYTES:
        raise ValueError(UNREADABLE)
    try:
        arrays = {name: value.numpy() for name, value in load_state_dict_file(Path(path), "safetensors").items()}
        made_by = arrays.pop(MODEL).tobytes().decode()
    except (WeightsError, KeyError, TypeError, UnicodeDecodeError):
        raise ValueError(UNREADABLE) from None
    if made_by != model:
        raise ValueError(f"These latents are of “{made_by[:60]}”, not of “{model}”.")
    buffers = dict(network.synthesis.named_buffers())
    shapes = {name: tuple(buffers[name].shape) for name in noise_names(network.synthesis)}
    shapes[LATENTS] = (network.num_ws, network.w_dim)
    if LATENTS not in arrays or any(not _fits(value, shapes.get(name)) for name, value in arrays.items()):
        raise ValueError("These latents don't fit the generator that they name.")
    return Latents(model, arrays.pop(LATENTS), arrays)


def _fits(values: np.ndarray, shape: tuple[int, ...] | None) -> bool:
    return values.shape == shape and values.dtype == np.float32 and bool(np.isfinite(values).all())
