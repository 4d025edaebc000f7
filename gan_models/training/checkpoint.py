"""Checkpoints of a training run: everything that is needed to go on as if it had never stopped."""

import os
from pathlib import Path
from typing import Any

import torch


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
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["rng"])
    cuda_states = state.get("cuda_rng", [])
    if torch.cuda.device_count() == len(cuda_states):  # else it is another machine's
        torch.cuda.set_rng_state_all(cuda_states)
    return state["step"]
