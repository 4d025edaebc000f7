"""Files that tabs write: each in a folder that only its visitor knows of, and deleted in an hour or so."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from gradio.utils import get_upload_folder

from gan_models.images.provenance import result_path

DISPLAY_SIDE = 2048


class Files(set[str]):
    """Paths that tabs wrote, for Gradio to delete when they are an hour old.

    Gradio goes through them in a thread of its own while others are added: so it gets a copy, of those that are
    there. Paths may be added before they are written, and are forgotten once they have been there and are gone.
    """

    def __init__(self, paths: Iterable[str] = ()):
        super().__init__(paths)
        self._seen: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        paths = self.copy()
        there = {path for path in set.__iter__(paths) if Path(path).exists()}
        gone = self._seen - there
        self._seen = there
        self.difference_update(gone)
        return iter(there)


written = Files()


def new_file(name: str) -> Path:
    """Return a path for a new result that only this visitor knows of, and that is deleted in an hour or so."""
    path = result_path(name, cache_folder())
    written.add(str(path))
    return path


def cache_folder() -> str:
    """Return Gradio's own folder: what is written there is served without another copy."""
    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def view(picture: np.ndarray, path: Path) -> str:
    """Write `picture`, H×W×3 or 4, at a size for the screen, as its path says, and return the path."""
    side = max(picture.shape[:2])
    if side > DISPLAY_SIDE:
        size = [max(1, round(length * DISPLAY_SIDE / side)) for length in picture.shape[1::-1]]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    order = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    written.add(str(path))
    options = [cv2.IMWRITE_WEBP_QUALITY, 92] if Path(path).suffix == ".webp" else []
    cv2.imwrite(str(path), cv2.cvtColor(picture, order), options)
    return str(path)
