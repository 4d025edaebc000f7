"""`python -m gan_models measure INPUT --reference REFERENCE -o TABLE`: how near pictures come to others."""

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from tqdm import tqdm

from gan_models.images.folders import list_pictures
from gan_models.metrics.tasks import MeasureSets


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    text = "measure how near pictures come to others: one by one, or as two sets"
    parser = commands.add_parser("measure", help=text, description=text.capitalize() + ".")
    parser.add_argument("input", type=Path, help="a picture, or a folder of them")
    text = "what it should be: a picture, or a folder of pictures of the same names"
    parser.add_argument("--reference", type=Path, required=True, help=text)
    parser.add_argument("-o", "--output", type=Path, help="a .csv file for the table, which is printed too")
    parser.add_argument(
        "--sets", action="store_true", help="compare two folders, or ZIP archives, as sets: FID and so on"
    )
    model, side = (MeasureSets.parameters()[name] for name in ("model", "side"))
    text = f"--sets: {model.description} Default: the latter if it was fetched."
    parser.add_argument("--features", metavar="NAME", help=text)
    parser.add_argument("--side", type=int, choices=side.choices, help=f"--sets: {side.description}")
    parser.add_argument("--device", help="--sets: cuda, mps or cpu; default: the best there is")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure what the command line says, print a table, and write it where it says; return the exit code.

    Raises:
        ValueError: There are no pictures, a picture is compared with a folder, the output is no .csv file, or an
            option doesn't fit.
    """
    if options.output is not None and (options.output.is_dir() or options.output.suffix.lower() != ".csv"):
        raise ValueError(f"The table is a .csv file, which {options.output.name} is not; name such a file.")
    if not options.sets and (wrong := [name for name in ("features", "side", "device") if getattr(options, name)]):
        raise ValueError(f"--{wrong[0]} goes with --sets.")
    return _sets(options) if options.sets else _pairs(options)


def _pairs(options: argparse.Namespace) -> int:
    """Measure each picture by its reference; those that fail are named at the end, the others done all the same."""
    from gan_models.images import decode
    from gan_models.metrics.measure import MEASURES, measure

    rows, failures = [], []
    for source, reference in tqdm(_paired(options.input, options.reference), unit="picture", disable=None):
        try:
            if reference is None:
                raise ValueError(f"There is no picture of this name in {options.reference}.")
            rows.append({"name": str(source), **measure(decode(source), decode(reference))})
        except (ValueError, OSError) as problem:
            failures.append(f"{source}: {problem}")
    if len(rows) > 1:
        found = [name for name in MEASURES if all(name in row for row in rows)]
        rows.append({"name": "mean", **{name: fmean(row[name] for row in rows) for name in found}})
    if rows:
        _tell(rows, ["name", *(name for name in MEASURES if any(name in row for row in rows))], options.output)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _sets(options: argparse.Namespace) -> int:
    """Measure two sets."""
    from gan_models.metrics.sets import SIDE, measure_sets

    chosen = {"features": options.features, "side": options.side or SIDE, "device": options.device}
    sets = [list_pictures(path) if path.is_dir() else [path] for path in (options.input, options.reference)]
    with tqdm(unit="picture", disable=None, leave=False) as bar:
        for step in measure_sets(*sets, **chosen):
            bar.n = step.index
            bar.set_description(step.message, refresh=True)
    rows = [{"measure": name, "value": value} for name, value in step.result.items() if value is not None]
    _tell(rows, ["measure", "value"], options.output)
    return 0


def _paired(source: Path, reference: Path) -> list[tuple[Path, Path | None]]:
    """Return each picture with its reference: in folders the one of the same place and name, whatever its suffix.

    Raises:
        ValueError: A picture is given with a folder, or a folder has none.
    """
    if source.is_dir() != reference.is_dir():
        raise ValueError("Give a picture and a picture, or a folder and a folder.")
    if not source.is_dir():
        return [(source, reference)]
    there = {path.relative_to(reference): path for path in list_pictures(reference)}
    stems = {name.with_suffix(""): path for name, path in there.items()}
    names = {path: path.relative_to(source) for path in list_pictures(source)}
    return [(path, there.get(name, stems.get(name.with_suffix("")))) for path, name in names.items()]


def _tell(rows: Sequence[Mapping], columns: Sequence[str], output: Path | None) -> None:
    """Print a table, and write it as CSV."""
    shown = [list(columns), *([_shown(row.get(name, "")) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for line in shown:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, columns)
            table.writeheader()
            table.writerows(rows)


def _shown(value: str | float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
