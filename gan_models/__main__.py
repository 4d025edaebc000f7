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
    _add_generate(commands)
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
    from gan_models.super_resolution import Upscaler, check_factor

    check_factor(options.factor, options.model)  # before anything is downloaded
    upscaler = Upscaler(options.model, options.device)
    settings = {"task": "super-resolution", "model": options.model, "factor": options.factor}
    return over_files(options, lambda picture: upscaler(picture, factor=options.factor), settings)


def _add_generate(commands: argparse._SubParsersAction) -> None:
    text = "draw faces of people who do not exist"
    parser = commands.add_parser("generate", help=text, description=text.capitalize() + ".")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a folder, or a .png file for one face")
    parser.add_argument("--model", default="faces-compact", help="weights; `weights list` shows all")
    parser.add_argument("--seed", default="random", help="a number, a list such as 1,5,20-23, or random (default)")
    parser.add_argument("--count", type=int, default=1, help="faces from a single seed on, 1 to 16")
    parser.add_argument("--truncation", type=float, default=0.7, help="0, the average face, to 1.5; default 0.7")
    parser.add_argument("--noise", choices=("const", "random", "none"), default="const")
    parser.add_argument("--film", type=int, metavar="FRAMES", help="write an MP4: so many pictures from seed to seed")
    parser.add_argument("--device", help="cuda, mps or cpu; default: the best there is")
    parser.set_defaults(run=_generate)


def _generate(options: argparse.Namespace) -> int:
    from gan_models.images.provenance import write_png
    from gan_models.runtime import finish
    from gan_models.stylegan2 import FaceGenerator, parse_seeds

    seeds = parse_seeds(options.seed, options.count)
    filmed, suffix = options.film is not None, "" if options.output.is_dir() else options.output.suffix.lower()
    if suffix not in ("", ".mp4" if filmed else ".png") or (suffix == ".png" and len(seeds) > 1):
        kind = "a film is a .mp4 file" if filmed else "one face is a .png file, several are a folder"
        raise ValueError(f"{options.output} does not fit: {kind}.")
    faces = FaceGenerator(options.model, options.device)
    record = {"task": "faces", "model": options.model, "truncation": options.truncation}
    folder = options.output.parent if suffix else options.output
    try:
        if filmed:
            target = options.output if suffix else folder / "faces.mp4"
            styles = faces.between(seeds, frames=options.film, truncation=options.truncation)
            folder.mkdir(parents=True, exist_ok=True)
            film = faces.film(styles, target, noise=options.noise, seeds=seeds, frames=options.film, **record)
            finish(tqdm(film, total=len(styles) + 1, unit="picture", disable=None))
            return 0
        steps = faces.steps(seeds=seeds, truncation=options.truncation, noise=options.noise)
        for step in tqdm(steps, total=len(seeds) + 1, unit="picture", disable=None):
            if step.result is None:
                seed = seeds[step.index - 1]
                target = options.output if suffix else folder / f"{options.model}-{seed}.png"
                folder.mkdir(parents=True, exist_ok=True)
                write_png(target, step.preview, seed=seed, noise=options.noise, generated=True, **record)
    except OSError as problem:
        raise ValueError(f"{options.output} can't be written: {problem}.") from None
    return 0


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
        ValueError: There are no pictures, or the output would overwrite one of them or is not a PNG.
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
    """Return the pictures to read and, for each, the PNG to write.

    Raises:
        ValueError: There are no pictures, or a result would overwrite one of them or is not a PNG.
    """
    sources, targets = _paired(source, output)
    originals = {_identity(path) for path in sources} - {None}
    for target in targets:
        if _identity(target) in originals:
            raise ValueError(f"The result would overwrite the original {target}; choose another name or folder.")
    return sources, targets


def _paired(source: Path, output: Path) -> tuple[list[Path], list[Path]]:
    if source.is_dir():
        if output.resolve() == source.resolve():
            raise ValueError("The output must be another folder, or the originals would be overwritten.")
        sources = _without_results(list_pictures(source), source, output)
        return sources, _distinct_names(sources, source, output)
    if output.is_dir() or not output.suffix:
        return [source], [output / f"{source.stem}.png"]
    if output.suffix.lower() != ".png":
        raise ValueError(f"Results are PNG files; {output.name} should end in .png, or be a folder.")
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
