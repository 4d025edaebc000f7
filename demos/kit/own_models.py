"""Models that visitors train or bring along: files that only who knows their name can use, for an hour or so."""

import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gan_models.checkpoints import hub, registry
from gan_models.jobs import check_wanted

PREFIX = "trained-"
MODEL, STATE, SHEET, HISTORY = "model.safetensors", "checkpoint.pt", "sheet.png", "history.json"
PATIENCE = 30  # seconds
GONE = "This model is not here any more: bring the file that you downloaded back, or train again."
UNFINISHED = "The training of this model has not come far enough to leave one; go on with it."

_claimed: set[str] = set()
_guard = threading.Lock()


def is_own(name: str | None) -> bool:
    """Say whether `name` is one of a visitor's model, or None, a model that is being made."""
    return name is None or name.startswith(PREFIX)


def short(name: str | None) -> str:
    """Return the model's name as it may stand in the name of a file: not that of a visitor's own, which opens it."""
    return "own" if is_own(name) else name


def new(root: str) -> str:
    """Return the name of a new model, and make its folder in `root`."""
    name = PREFIX + secrets.token_hex(16)
    (Path(root) / name).mkdir(mode=0o700)
    return name


def folder(name: str, root: str) -> Path:
    """Return the folder of the model `name` in `root`, and let its files live as long as new ones.

    Raises:
        ValueError: It is not there.
    """
    path = Path(root) / name
    if not re.fullmatch(PREFIX + "[0-9a-f]{32}", name) or not path.is_dir():
        raise ValueError(GONE)
    for kept in (path / MODEL, path / STATE, path / HISTORY):
        with suppress(FileNotFoundError):  # it may be swept away, or written anew, at any moment
            os.utime(kept)
    return path


def file(name: str, root: str) -> Path:
    """Return the file of the model `name`.

    Raises:
        ValueError: It is not there, or its training has left none yet.
    """
    path = folder(name, root)
    if not (path / MODEL).exists():
        raise ValueError(UNFINISHED if goes_on(name, root) else GONE)
    return path / MODEL


def goes_on(name: str, root: str) -> bool:
    """Say whether there is a training of the model `name` to go on with, or one that is under way.

    Raises:
        ValueError: The model is not there.
    """
    return (folder(name, root) / STATE).exists() or name in _claimed


@contextmanager
def claim(name: str) -> Iterator[None]:
    """Keep other trainings of the model `name` away; wait for one that was cancelled to write its state.

    Raises:
        ValueError: Another one goes on.
    """
    for _ in range(PATIENCE * 10):
        with _guard:
            if name not in _claimed:
                _claimed.add(name)
                break
        time.sleep(0.1)
        check_wanted()
    else:
        raise ValueError("A training of this model is still under way; try again when it has ended.")
    try:
        yield
    finally:
        with _guard:
            _claimed.discard(name)


def title(name: str | None) -> str:
    """Return what pages call the model `name`, registered or a visitor's own."""
    return "your own model" if is_own(name) else registry.get(name).title


def record(name: str | None, root: str) -> dict[str, Any]:
    """Return what `write_png` shall keep of the weights: never the name of a visitor's own."""
    if name is None:
        return {}
    if not is_own(name):
        return {"model": name}
    return {"model": None, "sha256": hub.file_hash(file(name, root))}
