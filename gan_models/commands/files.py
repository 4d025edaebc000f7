"""Pictures from files and folders to files and folders."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from gan_models.training.datasets import list_pictures


def picture_parser(commands: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    """Add a command that turns pictures into pictures: `name INPUT -o OUTPUT`."""
    parser = commands.add_parser(name, help=text, description=text.capitalize() + ".")
    parser.add_argument("input", type=Path, help="a picture, or a folder of them")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .png file, or a folder")
    parser.add_argument("--device", help="cuda, mps or cpu; default: the best there is")
    return parser


def over_files(options: argparse.Namespace, function: Callable, settings: dict) -> int:
    """Write what `function` makes of the picture or of each picture of the folder `options.input`, as PNG.

    See `each_file`; `settings` are what `write_png` keeps of how the results were made.
    """
    from gan_models.images.provenance import write_png

    return each_file(options, lambda picture, target: write_png(target, function(picture), **settings))


def each_file(options: argparse.Namespace, function: Callable, suffix: str = ".png") -> int:
    """Call `function` with the picture, or with each of the folder `options.input`, and the path of its result.

    A folder's results keep their places and names below `options.output`, with `suffix`. Returns 1 if any file
    failed, after naming each and why; the others are done all the same.

    Raises:
        ValueError: There are no pictures, or the output would overwrite one of them or has another suffix.
    """
    from gan_models.images import decode

    sources, targets = _sources_and_targets(options.input, options.output, suffix)
    failures = []
    for source, target in tqdm(list(zip(sources, targets, strict=True)), unit="picture", disable=None):
        try:
            picture = decode(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            function(picture, target)
        except (ValueError, OSError) as problem:
            failures.append(f"{source}: {problem}")
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
