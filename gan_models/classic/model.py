"""A trained generator as one file, which says itself how it is built; nothing in it is ever run."""

import json
import os
from pathlib import Path

import torch
from torch import nn

from gan_models.checkpoints.loading import load_state_dict_file, read_metadata
from gan_models.checkpoints.save import save_half
from gan_models.classic.network import Autoencoder, DCGANGenerator, ProgressiveGenerator

NETWORKS = {network.__name__: network for network in (Autoencoder, DCGANGenerator, ProgressiveGenerator)}
LIMITS = {"z_dim": (2, 512), "side": (16, 256), "width": (1, 256), "classes": (0, 1000)}
MAX_KIND = 60  # characters of the name of a kind
REFUSAL = "This file is not a generator that this app has trained."


def save(network: nn.Module, config: dict[str, int], kinds: tuple[str, ...], path: str | os.PathLike) -> str:
    """Write a generator with the arguments it was built with, in half precision, and return the file's path."""
    save_half(network.state_dict(), Path(path), metadata(network, config, kinds))
    return str(path)


def metadata(network: nn.Module, config: dict[str, int], kinds: tuple[str, ...]) -> dict[str, str]:
    """Return what the header of a generator's file says."""
    about = {"network": type(network).__name__, "config": config, "kinds": kinds}
    return {"task": "pictures", "about": json.dumps(about)}


def load(path: str | os.PathLike) -> tuple[nn.Module, tuple[str, ...]]:
    """Read a file that `save` wrote, or anybody else: the generator, in eval mode, and the names of its kinds.

    Raises:
        ValueError: It is no generator of these families, or not one of a sensible size.
    """
    try:
        about = json.loads(read_metadata(Path(path))["about"])
        build, config = NETWORKS[about["network"]], about["config"]
        kinds = tuple(str(kind)[:MAX_KIND] for kind in about["kinds"])
        fits = all(LIMITS[name][0] <= int(value) <= LIMITS[name][1] for name, value in config.items())
        if not fits or len(kinds) != config.get("classes", 0):
            raise ValueError(REFUSAL)
        with torch.device("meta"):  # what the file claims takes no memory before its tensors are known to fit
            network = build(**config)
        network.load_state_dict(load_state_dict_file(Path(path), "safetensors"), strict=True, assign=True)
        network = network.float().eval().requires_grad_(False)
        sound = all(value.isfinite().all() for value in (*network.state_dict().values(), network.probe()))
        grown = 0 <= float(getattr(network, "grown", 0)) <= len(getattr(network, "levels", ()))
    except (ValueError, TypeError, AttributeError, ArithmeticError, LookupError, RuntimeError):  # and WeightsError
        raise ValueError(REFUSAL) from None
    if not sound or not grown:
        raise ValueError(REFUSAL)
    return network, kinds
