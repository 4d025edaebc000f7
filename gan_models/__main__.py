"""Run any backend on a file or a folder, train, and manage weights: `python -m gan_models --help`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from gan_models.checkpoints import cli as weights_cli
from gan_models.training import cli as training_cli
from gan_models.training.datasets import list_pictures


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the command, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m gan_models", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_upscale(commands)
    training_cli.add_parser(commands)
    weights_cli.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


def _add_upscale(commands: argparse._SubParsersAction) -> None:
    parser = picture_parser(commands, "upscale", "enlarge pictures two or four times")
    parser.add_argument("--model", default="sr-psnr-compact", help="weights; `weights list` shows all")
    parser.add_argument("--factor", type=int, choices=(2, 4), default=4)
    parser.set_defaults(run=_upscale)


def _upscale(options: argparse.Namespace) -> int:
    from gan_models.super_resolution import Upscaler

    upscaler = Upscaler(options.model, options.device)
    settings = {"task": "super-resolution", "model": options.model, "factor": options.factor}
    return over_files(options, lambda picture: upscaler(picture, factor=options.factor), settings)


def picture_parser(commands: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    """Add a command that turns pictures into pictures: `name INPUT -o OUTPUT`."""
    parser = commands.add_parser(name, help=text, description=text.capitalize() + ".")
    parser.add_argument("input", type=Path, help="a picture, or a folder of them")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .png file, or a folder")
    parser.add_argument("--device", help="cuda, mps or cpu; default: the best there is")
    return parser


def over_files(options: argparse.Namespace, function: Callable, settings: dict) -> int:
    """Apply `function` to the picture or to each picture of the folder `options.input`.

    A folder's results keep their places and names below `options.output`, as PNG. Returns 1 if any file failed,
    after naming each and why; the others are done all the same.

    Raises:
        ValueError: There are no pictures, or the output would overwrite them or is not a PNG.
    """
    from gan_models.images import decode
    from gan_models.images.provenance import write_png

    sources, targets = _sources_and_targets(options.input, options.output)
    failures = []
    for source, target in tqdm(list(zip(sources, targets, strict=True)), unit="picture", disable=None):
        try:
            result = function(decode(source))
            target.parent.mkdir(parents=True, exist_ok=True)
            write_png(target, result, **settings)
        except (ValueError, OSError) as problem:
            failures.append(f"{source}: {problem}")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _sources_and_targets(source: Path, output: Path) -> tuple[list[Path], list[Path]]:
    """Return the pictures to read and, for each, the PNG to write."""
    if source.is_dir():
        if output.resolve() == source.resolve():
            raise ValueError("The output must be another folder, or the originals would be overwritten.")
        sources = list_pictures(source)
        return sources, _distinct_names(sources, source, output)
    if output.is_dir() or not output.suffix:
        return [source], [output / f"{source.stem}.png"]
    if output.suffix.lower() != ".png":
        raise ValueError(f"Results are PNG files; {output.name} should end in .png, or be a folder.")
    return [source], [output]


def _distinct_names(sources: list[Path], folder: Path, output: Path) -> list[Path]:
    """Return a PNG path below `output` for each source; two that differ only in their suffix both keep it."""
    names = [source.relative_to(folder) for source in sources]
    stems = [name.with_suffix("") for name in names]
    return [
        output / (f"{name}.png" if stems.count(stem) > 1 or stem in names else f"{stem}.png")
        for name, stem in zip(names, stems, strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main())
