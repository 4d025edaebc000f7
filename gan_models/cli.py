"""Ask for any task on files and folders, train, and manage weights: `python -m gan_models --help`.

Each command is made from its tasks: what can be asked for, within which bounds and with what defaults, they say.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gan_models.checkpoints import cli as weights_cli
from gan_models.checkpoints.hub import file_hash
from gan_models.images.folders import each_file
from gan_models.jobs import Step
from gan_models.metrics import cli as measure_cli
from gan_models.restoration import SUFFIXES, Restoration, filmed
from gan_models.results import Results
from gan_models.singan import cli as singan_training
from gan_models.task import Parameter, Task
from gan_models.training import cli as training_cli


@dataclass(frozen=True)
class Command:
    """Tasks behind one name of the command line.

    Attributes:
        text: What they do.
        tasks: "module:Class" of each, by what `--task` calls it; without that option, the first one counts that takes
            all options given and needs no others.
        source: What INPUT is: "picture", "model", or None if there is no INPUT.
    """

    text: str
    tasks: Mapping[str, str]
    source: str | None = "picture"


SINGAN = {
    task: Command(text, {task: f"gan_models.singan:Singan{task.capitalize()}"}, source)
    for task, source, text in (
        ("sample", "model", "draw random pictures"),
        ("harmonize", "picture", "redraw what was pasted in, to fit the training picture"),
        ("edit", "picture", "hide the seams of copied pieces, to fit the training picture"),
        ("paint", "picture", "turn rough paintings into pictures like the training picture"),
        ("animate", "model", "set the training picture in motion"),
        ("upscale", "picture", "enlarge pictures by what can be learned from themselves"),
    )
}
COMMANDS = {
    "upscale": Command("enlarge pictures or a film", {"": "gan_models.super_resolution:Upscale"}),
    "dehaze": Command("remove haze from pictures or a film", {"": "gan_models.dehazing:Dehaze"}),
    "deblur": Command("sharpen blurred pictures or a film", {"": "gan_models.deblurring:Deblur"}),
    "stylize": Command(
        "draw pictures in a style that was learned, or, with --style, in that of a picture",
        {"learned": "gan_models.style_transfer:FastStylize", "optimised": "gan_models.style_transfer:Stylize"},
    ),
    "translate": Command("turn pictures of one kind into another", {"": "gan_models.translation:Translate"}),
    "invert": Command(
        "find the latents that draw a face, and by them colour it or mend it",
        {
            task: f"gan_models.inversion:{task.capitalize()}Face"
            for task in ("invert", "colorize", "inpaint", "measure")
        }
        | {"align": "gan_models.inversion:AlignFace"},
    ),
    "generate": Command(
        "draw faces of people who do not exist",
        {
            "faces": "gan_models.stylegan2:GenerateFaces",
            "film": "gan_models.stylegan2:InterpolateFaces",
            "mix": "gan_models.stylegan2:MixStyles",
            "edit": "gan_models.stylegan2:EditFace",
            "combine": "gan_models.stylegan2:CombineFaces",
            "control": "gan_models.gan_control:ControlFace",
            "sheet": "gan_models.gan_control:ControlSheet",
        },
        source=None,
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the command, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m gan_models", description=__doc__.partition("\n\n")[0])
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        _add(commands, name, command)
    text = "train on single pictures, and use what was trained"
    singan = commands.add_parser("singan", help=text, description=text.capitalize() + ".")
    singan_tasks = singan.add_subparsers(metavar="TASK", required=True)
    singan_training.add_parser(singan_tasks)
    for name, command in SINGAN.items():
        _add(singan_tasks, name, command)
    for further in (measure_cli, training_cli, weights_cli):
        further.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


def _add(commands: argparse._SubParsersAction, name: str, command: Command) -> None:
    """Add a command: an option for each parameter of its tasks, which is left out where it isn't given."""
    parser = commands.add_parser(
        name, help=command.text, description=command.text.capitalize() + ".", argument_default=argparse.SUPPRESS
    )
    tasks = {key: imported(path) for key, path in command.tasks.items()}
    if command.source == "model":
        parser.add_argument("input", help="a .safetensors file, or a name that `weights list` shows")
    elif command.source:
        film = " or a film" if issubclass(next(iter(tasks.values())), Restoration) else ""
        parser.add_argument("input", type=Path, help=f"a picture, or a folder of them{film}")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a file, or a folder")
    parser.add_argument("--device", default=None, help="cuda, mps or cpu; default: the best there is")
    if len(tasks) > 1:
        text = f"default: {next(iter(tasks))}, or what the options ask for"
        parser.add_argument("--task", choices=list(tasks), help=text)
    taken = set()
    for key, task in tasks.items():
        for one in task.parameters().values():
            if one.name != _input(task, command) and one.name not in taken:
                taken.add(one.name)
                add_option(parser, one, key if len(tasks) > 1 else "")
    parser.set_defaults(run=lambda options: _run(options, command, tasks))


def imported(path: str) -> type[Task]:
    """Return the task at "module:Class"."""
    module, name = path.split(":")
    return getattr(import_module(module), name)


def _input(task: type[Task], command: Command) -> str | None:
    """Return the parameter that INPUT is for."""
    if command.source == "picture":
        return next(name for name, one in task.parameters().items() if one.picture)
    return command.source


def add_option(parser: argparse.ArgumentParser, one: Parameter, task: str = "") -> None:
    """Add the option for a parameter; `task` says in the help to which it belongs, if there are several."""
    name = f"--{one.name.replace('_', '-')}"
    default = "" if one.required or one.default in (None, "", [], {}) else f" Default: {_written(one.default)}."
    text = f"{task and f'{task}: '}{one.description or one.title}{default}".replace("%", "%%")
    metavar = "NAME" if one.kind == "model" else one.name.upper()
    read = {"integer": int, "number": float, "values": json.loads, "seeds": str, "model": str, "text": str}
    if one.kind == "flag":
        parser.add_argument(name, action=argparse.BooleanOptionalAction, help=text)
    elif one.kind == "choice":
        parser.add_argument(name, type=type(one.choices[0]), choices=one.choices, help=text)
    elif one.kind == "choices":
        parser.add_argument(name, nargs="+", metavar=metavar, help=text)
    else:
        parser.add_argument(name, type=read.get(one.kind, Path), metavar=metavar, help=text)


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _run(options: argparse.Namespace, command: Command, tasks: Mapping[str, type[Task]]) -> int:
    """Do what the command line says; return the exit code.

    Raises:
        ValueError: An option doesn't go with the task, or is out of its bounds; or the output doesn't fit.
    """
    known = {name for task in tasks.values() for name in task.parameters()}
    asked = {name: value for name, value in vars(options).items() if name in known}
    task = _chosen(tasks, getattr(options, "task", None), asked, command)
    if command.source == "model":
        asked["model"] = options.input
    weights, record = _weights(asked)

    def deliver(ask: Task, target: Path) -> None:
        _deliver(ask, target, weights, options.device, record)

    if command.source != "picture":
        if options.output.suffix and "count" in task.parameters():
            asked = {"count": 1} | asked  # as one file holds one picture
        deliver(task.ask(**asked), options.output)
        return 0
    if issubclass(task, Restoration) and options.input.suffix.lower() in SUFFIXES and options.output.suffix == ".mp4":
        if options.output.exists() and options.output.samefile(options.input):
            raise ValueError(f"The result would overwrite the original {options.output}; choose another name.")
        deliver(filmed(task).ask(film=options.input, **asked), options.output)
        return 0
    single = [name for name in asked if task.parameters()[name].kind in ("mask", "file") or name == "reference"]
    if options.input.is_dir() and single:
        raise ValueError(f"--{single[0]} is that of one picture, not of a folder.")
    task.check(**asked)
    if hasattr(task, "backend"):  # so that what is wrong with the weights is told once
        task.backend_class().cached(weights or asked.get("model", task.parameters()["model"].default), options.device)
    first = _input(task, command)
    return each_file(
        options.input, options.output, lambda picture, target: deliver(task.ask(**{first: picture}, **asked), target)
    )


def _chosen(
    tasks: Mapping[str, type[Task]], name: str | None, asked: Mapping[str, Any], command: Command
) -> type[Task]:
    """Return the task of that name, or the first that takes all options given and needs no others.

    Raises:
        ValueError: An option doesn't go with it.
    """
    if name is None:
        fitting = [task for task in tasks.values() if asked.keys() <= task.parameters().keys()]
        for task in fitting:
            needed = {key for key, one in task.parameters().items() if one.required}
            if needed <= asked.keys() | {_input(task, command)}:
                return task
        if fitting:
            return fitting[0]
        name = next(iter(tasks))
    task = tasks[name]
    if wrong := sorted(asked.keys() - task.parameters().keys()):
        takers = [key for key, other in tasks.items() if wrong[0] in other.parameters()]
        option = f"--{wrong[0].replace('_', '-')}"
        raise ValueError(f"{option} doesn't go with these options: it is for the task {' or '.join(takers)}.")
    return task


def _weights(asked: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Return the file of a model that is in no registry, if such is asked for, and what records keep of it."""
    path = Path(asked.get("model") or "")
    if not path.is_file():
        return None, {}
    return str(path), {"model": None, "sha256": file_hash(path)}


def _deliver(ask: Task, target: Path, weights: str | None, device: str | None, record: dict[str, Any]) -> None:
    """Write the result of `ask` to `target`, a file or a folder, and the files that belong to it beside.

    Raises:
        ValueError: The target doesn't fit the result, or what the backend says.
    """
    returns = ask.returns
    fitting = [name for name, one in returns.items() if one.suffix == target.suffix.lower()]
    folder = target.is_dir() or not target.suffix
    main = next(iter(returns)) if folder or not fitting else fitting[0]
    if not folder and not fitting:
        alike = dict.fromkeys(one.suffix for one in returns.values() if one.kind == returns[main].kind)
        several = ", several are a folder" if returns[main].kind == "images" else ""
        raise ValueError(f"{target} does not fit: the result is a {' or a '.join(alike)} file{several}.")
    written: list[Path] = []

    def new_file(name: str) -> Path:
        path = target / name if folder else target.with_suffix(Path(name).suffix)
        if path in written:
            path.unlink()
            raise ValueError(f"{target} is one file: for several pictures, name a folder.")
        written.append(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    beside = {"plot", "figure", "images", "video", "archive"}  # what a page shows besides the result
    skipped = [name for name, one in returns.items() if name != main and one.kind in beside]
    results = Results(ask, new_file, skipped, **record)
    for _ in _shown(results.follow(ask.run(weights, device))):
        pass


def _shown(steps: Iterator[Step]) -> Iterator[Step]:
    """Yield `steps` with a progress bar."""
    with closing(steps), tqdm(unit="step", disable=None, leave=False) as bar:
        for step in steps:
            bar.total, bar.n = step.total, step.index
            bar.set_description(step.message, refresh=True)
            yield step
