"""Pickles of the structure that NVIDIA's stylegan2-ada-pytorch writes, made of networks of ours."""

import io
import pickle
import sys
from collections import OrderedDict
from contextlib import contextmanager
from types import ModuleType

import numpy as np
import torch
from torch import nn


class EasyDict(dict):
    """A mapping whose items are attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    __setattr__ = dict.__setitem__


def _reconstruct_persistent_obj(meta):
    """What NVIDIA's code has under this name runs the source code in `meta`."""
    exec(meta["module_src"])


class Persistent:
    """Pickled as an object of a class that `persistence.persistent_class` decorates."""

    def __init__(self, class_name, state, source="raise SystemExit"):
        self.meta = {"type": "class", "version": 6, "module_src": source, "class_name": class_name, "state": state}

    def __reduce__(self):
        return _reconstruct_persistent_obj, (self.meta,), None


def persistent(module: nn.Module, *args, source="raise SystemExit", **kwargs) -> Persistent:
    """Return a network, made of persistent objects, as if its constructor had got these arguments."""
    children = OrderedDict(
        (name, persistent(child, source=source)) for name, child in module._modules.items() if child
    )
    state = module.__dict__ | {
        "_modules": children,
        "_init_args": args,
        "_init_kwargs": kwargs,
        "activation": "lrelu",
        "act_gain": np.sqrt(2),
        "taps": np.float32([1, 3, 3, 1]),
        "shape": torch.Size([4, 4]),
        "dtype": torch.float32,
        "device": torch.device("cpu"),
    }
    return Persistent(type(module).__name__, state, source)


@contextmanager
def nvidia_modules():
    """Let the names of NVIDIA's modules stand for what is here, while a pickle is written."""
    found = {
        "dnnlib": ModuleType("dnnlib"),
        "dnnlib.util": ModuleType("dnnlib.util"),
        "torch_utils": ModuleType("torch_utils"),
        "torch_utils.persistence": ModuleType("torch_utils.persistence"),
    }
    found["dnnlib.util"].EasyDict = EasyDict
    found["torch_utils.persistence"]._reconstruct_persistent_obj = _reconstruct_persistent_obj
    homes = {EasyDict: "dnnlib.util", _reconstruct_persistent_obj: "torch_utils.persistence"}
    before = {thing: thing.__module__ for thing in homes}
    sys.modules.update(found)
    try:
        for thing, home in homes.items():
            thing.__module__ = home
        yield
    finally:
        for thing, home in before.items():
            thing.__module__ = home
        for name in found:
            del sys.modules[name]


def pickled(content: object, protocol: int = 4) -> bytes:
    """Return the pickle that NVIDIA's code would write."""
    stream = io.BytesIO()
    with nvidia_modules():
        pickle.dump(content, stream, protocol)
    return stream.getvalue()


def snapshot(generator: nn.Module, *others: nn.Module, **kwargs) -> dict:
    """Return what is pickled during training: networks, the data set's settings, maybe no augmentation."""
    networks = {"G": generator, "G_ema": generator} | dict(zip(("D",), others, strict=False))
    entries = {name: persistent(network, **kwargs) for name, network in networks.items()}
    data = EasyDict(class_name="training.dataset.ImageFolderDataset", path="x.zip", max_size=70000, xflip=False)
    return {"training_set_kwargs": data, "augment_pipe": None} | entries
