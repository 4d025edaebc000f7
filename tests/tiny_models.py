"""Small networks with random weights, embedded in a registry that a test points the app at."""

import json
from importlib import import_module
from pathlib import Path

import torch

from gan_models.checkpoints.save import save_full


def embed(folder: Path, name: str, network: str, task: str = "super-resolution", **config) -> None:
    """Save a new network of the class `network` ("module:Class") in `folder`, and register it there."""
    module, _, kind = network.partition(":")
    torch.manual_seed(0)
    state = getattr(import_module(module), kind)(**config).state_dict()
    entry = {
        "title": name,
        "task": task,
        "network": network,
        "file": f"{name}.safetensors",
        "format": "safetensors",
        "sha256": save_full(state, folder / f"{name}.safetensors", {}),
        "licence": "MIT",
        "size_mb": 0.1,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
    lines += [f"config.{key} = {json.dumps(value)}" for key, value in config.items()]
    with (folder / "registry.toml").open("a", encoding="utf-8") as registry:
        registry.write("\n".join([f"[{name}]", *lines, "", ""]))
