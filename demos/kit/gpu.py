"""The one GPU lane: work that computes shares a queue, so that two visitors never compete for the memory."""

from collections.abc import Callable
from typing import TypeVar

try:
    import spaces
except ImportError:
    spaces = None

LANE = "gpu"
SEARCH = "search"  # takes a minute or so, step by step: others get the device in between
TRAINING = "training"  # takes long, likewise
Function = TypeVar("Function", bound=Callable)


def on_gpu(function: Function) -> Function:
    """Mark `function` as work for the GPU. On a ZeroGPU Space it gets one for up to two minutes a call."""
    return spaces.GPU(duration=120)(function) if spaces else function
