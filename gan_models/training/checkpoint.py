"""Checkpoints of a training run: everything that is needed to go on as if it had never stopped."""

import os
import pickle
from pathlib import Path
from typing import Any

import torch

NAME = "checkpoint.pt"


def save(path: Path, step: int, parts: dict[str, Any]) -> None:
    """Write the state dicts of `parts` (networks, optimisers, ...) and torch's random state, all or nothing."""
    state = {name: part.state_dict() for name, part in parts.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    random = {"rng": torch.get_rng_state(), "cuda_rng": torch.cuda.get_rng_state_all()}
    torch.save({"step": step, **random, **state}, unfinished)
    os.replace(unfinished, path)


def load(path: Path, parts: dict[str, Any]) -> int:
    """Restore `parts` in place and return the step that the checkpoint was written after.

    Raises:
        FileNotFoundError: There is no checkpoint at `path`.
        ValueError: It can't be read, or is of another training.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
    except (pickle.UnpicklingError, EOFError, KeyError, RuntimeError, ValueError):
        text = "The training that should go on has other data or options, or is damaged; begin a new one."
        raise ValueError(text) from None
    torch.set_rng_state(state["rng"])
    cuda_states = state.get("cuda_rng", [])
    if torch.cuda.device_count() == len(cuda_states):  # else it is another machine's
        torch.cuda.set_rng_state_all(cuda_states)
    return state["step"]


class About:
    """What a checkpoint is of, so that it is not taken for another training's.

    Args:
        facts: Numbers, strings and lists of these, by name.
    """

    def __init__(self, **facts: Any):
        self.facts = facts

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` compares."""
        return self.facts

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Compare.

        Raises:
            ValueError: It is of another training.
        """
        if state != self.facts:
            raise ValueError("The checkpoint is of another training.")


class Values(dict):
    """Tensors and numbers by name that a checkpoint keeps as they are."""

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` restores."""
        return dict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that `state_dict` gave."""
        self.update(state)
