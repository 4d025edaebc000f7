"""Writing weights: safetensors, in half precision for what ships with the app."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save, save_file

from gan_models.checkpoints.errors import WeightsError


def save_half(state_dict: Mapping[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> str:
    """Write `state_dict` as safetensors, floating-point tensors in half precision and the others as they are.

    Args:
        state_dict: Tensors by name, on any device.
        path: The file to write, all or nothing.
        metadata: Kept in the file's header.

    Returns:
        The file's SHA-256, in hexadecimal digits.

    Raises:
        WeightsError: A number is too large for half precision; the message names its tensor.
    """
    halves = {name: value.half() if value.is_floating_point() else value for name, value in state_dict.items()}
    for name, half in halves.items():
        if half.is_floating_point() and not torch.equal(half.isfinite(), state_dict[name].isfinite()):
            raise WeightsError(f"The parameter {name} is too large for half precision.")
    return save_full(halves, path, metadata)


def content(state_dict: Mapping[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
    """Return what `save_full` would write."""
    return save({name: value.detach().cpu().contiguous().clone() for name, value in state_dict.items()}, metadata)


def save_full(state_dict: Mapping[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> str:
    """Write `state_dict` as safetensors in its own precision; arguments and result as for `save_half`."""
    # Clones, because safetensors refuses tensors that share memory.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state_dict.items()}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    save_file(tensors, unfinished, metadata)
    with unfinished.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    os.replace(unfinished, path)
    return digest
