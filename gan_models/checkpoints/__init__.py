"""Weights: which there are (`registry`), where they come from (`hub`), and networks loaded with them (`load`)."""

from __future__ import annotations

from typing import Any

from gan_models.checkpoints.errors import WeightsError
from gan_models.checkpoints.registry import Model

__all__ = ["Model", "WeightsError", "load"]


def load(name: str, device: str | None = None) -> Any:
    """Return the network of the model `name` with its weights, fetching them first if they aren't here yet.

    Args:
        name: A model that `weights/registry.toml` lists.
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Returns:
        The network on its device, in eval mode, in float32, without gradients. For the format "npy" an array,
        for "onnx" the path of the file.

    Raises:
        WeightsError: The weights can't be had, or are not what they should be.
        ValueError: No such model, or no such device.
    """
    from gan_models.checkpoints import loading  # brings PyTorch and the Hub's client

    return loading.load(name, device)
