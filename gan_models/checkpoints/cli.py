"""`python -m gan_models weights list | fetch | convert | verify`."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from tqdm import tqdm

from gan_models.checkpoints import registry
from gan_models.checkpoints.errors import WeightsError
from gan_models.checkpoints.registry import Model

FROM_ROSINALITY = "gan_models.stylegan2.convert:from_rosinality"  # named as in the registry: no family is imported


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the `weights` command."""
    text = "list, fetch, convert or verify weights"
    parser = commands.add_parser("weights", help=text, description=text.capitalize() + ".")
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    action = actions.add_parser("list", help="show every model and whether its weights are here")
    action.add_argument("--task", help="only models of this task")
    action.add_argument("--json", action="store_true", help="for programs")
    action.set_defaults(run=show)

    action = actions.add_parser("fetch", help="download weights from the Hugging Face Hub")
    action.add_argument("names", nargs="+", metavar="NAME")
    action.set_defaults(run=fetch)

    action = actions.add_parser(
        "convert",
        help="turn PyTorch, NVIDIA or safetensors weights into safetensors",
        description="Turn weights into safetensors. Of NVIDIA's pickles G_ema is kept, with the arguments of "
        "its constructor; generators of rosinality/stylegan2-pytorch get NVIDIA's names, unless --unwrap is given.",
    )
    action.add_argument("source", type=Path, metavar="SOURCE", help="a .safetensors, .pth, .pt or .pkl file")
    action.add_argument("target", type=Path, metavar="DEST", help="the .safetensors file to write")
    action.add_argument("--unwrap", metavar="KEY", help="where the weights lie in SOURCE")
    action.add_argument("--full", action="store_true", help="keep the precision; default: half")
    action.set_defaults(run=convert)

    action = actions.add_parser("verify", help="check weights: hash, fit, finite output")
    action.add_argument("names", nargs="*", metavar="NAME", help="default: all that are here")
    action.set_defaults(run=verify)


def show(options: argparse.Namespace) -> int:
    """Print the models as a table or as JSON."""
    from gan_models.checkpoints import hub

    rows = hub.listing(options.task)
    if options.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    table = [("NAME", "TASK", "READY", "MB", "LICENCE", "SOURCE")]
    for row in rows:
        ready = "yes" if row["ready"] else "no"
        table.append((row["name"], row["task"], ready, f"{row['size_mb']:g}", row["licence"], row["source"]))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    return 0


def fetch(options: argparse.Namespace) -> int:
    """Download the named models, each with a progress bar."""
    from gan_models.checkpoints import hub

    def fetch_one(model: Model) -> None:
        with tqdm(desc=model.name, unit="B", unit_scale=True, disable=None) as bar:

            def report(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            hub.fetch(model, report)

    return _each([registry.get(name) for name in options.names], fetch_one)


def verify(options: argparse.Namespace) -> int:
    """Check the named models, or all embedded and downloaded ones."""
    from gan_models.checkpoints import hub, loading

    if options.names:
        models = [registry.get(name) for name in options.names]
    else:
        models = [model for model in registry.models() if model.embedded or (hub.ready(model) and not model.formula)]
    return _each(models, loading.verify)


def convert(options: argparse.Namespace) -> int:
    """Rewrite a file of weights as safetensors and print the hash of the result.

    Raises:
        WeightsError: The source can't be read safely, or the target can't be written.
    """
    from safetensors import SafetensorError
    from torch import Tensor

    from gan_models.checkpoints.save import save_full, save_half

    if options.target.suffix != ".safetensors":
        raise WeightsError(f"The name of the file to write must end in .safetensors, unlike {options.target}.")
    state, about = _weights_in(options.source, [options.unwrap] if options.unwrap else [])
    if others := [key for key, value in state.items() if not isinstance(value, Tensor)]:
        keys = ", ".join(others[:8])
        raise WeightsError(f"{options.source} holds more than tensors; choose with --unwrap among {keys}.")
    save = save_full if options.full else save_half
    try:
        digest = save(state, options.target, {"converted_from": options.source.name} | about)
    except (OSError, SafetensorError) as problem:
        raise WeightsError(f"{options.target} can't be written: {problem}.") from None
    print(f"{options.target}: {options.target.stat().st_size / 1e6:.1f} MB, sha256 {digest}")
    return 0


def _weights_in(source: Path, unwrap: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the state dict in a file, by the names that the networks here have, and what else is worth keeping."""
    from gan_models.checkpoints import loading

    if source.suffix == ".pkl":
        record = loading.load_record(source, unwrap)
        return record.state_dict, {"class_name": record.class_name, "kwargs": json.dumps(record.kwargs)}
    format = "safetensors" if source.suffix == ".safetensors" else "state-dict"
    state = loading.load_state_dict_file(source, format, unwrap)
    generator = state.get("g_ema", state)
    if not unwrap and isinstance(generator, Mapping) and "input.input" in generator:
        try:
            return loading.converted(resolve_name(FROM_ROSINALITY), state), {}
        except WeightsError as problem:
            raise WeightsError(f"“{source.name}” can't be converted: {problem}") from None
    return state, {}


def _each(models: list[Model], action: Callable[[Model], None]) -> int:
    """Do `action` on each model, name those that fail, and return the exit code."""
    failed = False
    for model in models:
        try:
            action(model)
            print(f"{model.name}: ready")
        except WeightsError as problem:
            print(f"{model.name}: {problem}", file=sys.stderr)
            failed = True
    return 1 if failed else 0
