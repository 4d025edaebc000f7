"""Pictures from files and folders to files and folders."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gan_models.images import decode
from gan_models.images.archives import SUFFIXES


def list_pictures(folder: Path) -> list[Path]:
    """Return the picture files anywhere below `folder`, sorted.

    Raises:
        ValueError: There are none.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise ValueError(f"No pictures in {folder}.")
    return paths


def each_file(source: Path, output: Path, function: Callable[[np.ndarray, Path], None], suffix: str = ".png") -> int:
    """Call `function` with the picture, or with each of the folder `source`, and the path of its result.

    A folder's results keep their places and names below `output`, with `suffix`. Returns 1 if any file failed, after
    naming each and why; the others are done all the same.

    Raises:
        ValueError: There are no pictures, or the output would overwrite one of them or has another suffix.
    """
    sources, targets = _sources_and_targets(source, output, suffix)
    failures = []
    for path, target in tqdm(list(zip(sources, targets, strict=True)), unit="picture", disable=None):
        try:
            picture = decode(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            function(picture, target)
        except (ValueError, OSError) as problem:
            failures.append(f"{path}: {problem}")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _sources_and_targets(source: Path, output: Path, suffix: str) -> tuple[list[Path], list[Path]]:
    """Return the pictures to read and, for each, the file to write.

    Raises:
        ValueError: There are no pictures, or a result would overwrite one of them or has another suffix.
    """
    sources, targets = _paired(source, output, suffix)
    originals = {_identity(path) for path in sources} - {None}
    for target in targets:
        if _identity(target) in originals:
            raise ValueError(f"The result would overwrite the original {target}; choose another name or folder.")
    return sources, targets


def _paired(source: Path, output: Path, suffix: str) -> tuple[list[Path], list[Path]]:
    if source.is_dir():
        if output.resolve() == source.resolve():
            raise ValueError("The output must be another folder, or the originals would be overwritten.")
        sources = _without_results(list_pictures(source), source, output)
        return sources, _distinct_names(sources, source, output, suffix)
    if output.is_dir() or not output.suffix:
        return [source], [output / f"{source.stem}{suffix}"]
    if output.suffix.lower() != suffix:
        raise ValueError(f"Results end in {suffix}, which {output.name} does not; name such a file, or a folder.")
    return [source], [output]


def _without_results(sources: list[Path], folder: Path, output: Path) -> list[Path]:
    """Drop what lies below `output` if that is inside `folder`: results of an earlier run."""
    output = output.resolve()
    if not output.is_relative_to(folder.resolve()):
        return sources
    kept = [source for source in sources if not source.parent.resolve().is_relative_to(output)]
    if not kept:
        raise ValueError(f"No pictures in {folder} but those in the output folder.")
    return kept


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from all others, whatever name or link leads to it; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _distinct_names(sources: list[Path], folder: Path, output: Path, suffix: str) -> list[Path]:
    """Return a path below `output` with `suffix` for each source; two that differ only in theirs both keep it."""
    names = [source.relative_to(folder) for source in sources]
    stems = [name.with_suffix("") for name in names]
    return [
        output / (f"{name}{suffix}" if stems.count(stem) > 1 or stem in names else f"{stem}{suffix}")
        for name, stem in zip(names, stems, strict=True)
    ]
