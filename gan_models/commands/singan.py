"""`python -m gan_models singan TASK INPUT -o OUTPUT`: train on single pictures, and use what was trained."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gan_models.commands.files import each_file, over_files, picture_parser
from gan_models.jobs import Step

TASK = "single-image"
MODEL = "a .safetensors file, or a name that `weights list` shows"


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command, with a command of its own for each task."""
    text = "train on single pictures, and use what was trained"
    tasks = commands.add_parser("singan", help=text, description=text.capitalize() + ".")
    tasks = tasks.add_subparsers(metavar="TASK", required=True)

    train = picture_parser(tasks, "train", "train a model on a picture, or one on each of a folder")
    train.add_argument("--resume", action="store_true", help="go on with what was interrupted")
    _add_training(train, run_train)

    upscale = picture_parser(tasks, "upscale", "enlarge pictures by what can be learned from themselves")
    upscale.add_argument("--factor", type=float, default=4)
    _add_training(upscale, run_upscale)

    sample = _model_parser(tasks, "sample", "draw random pictures", "a folder, or a .png file for one", run_sample)
    sample.add_argument("--count", type=int, default=1, help="how many, 1 to 16")
    sample.add_argument("--width", type=float, default=1, help="in units of the training picture's")
    sample.add_argument("--height", type=float, default=1, help="in units of the training picture's")

    animate = _model_parser(tasks, "animate", "set the training picture in motion", ".mp4 or .gif file", run_animate)
    animate.add_argument("--alpha", type=float, default=0.1, help="how near to the picture, 0 to 1")
    animate.add_argument("--beta", type=float, default=0.9, help="how smooth, 0 to 1")
    animate.add_argument("--frames", type=int, default=60)
    animate.add_argument("--fps", type=float, default=12)
    animate.add_argument("--no-loop", dest="loop", action="store_false")

    for name, text in (("harmonize", "redraw what was pasted in"), ("edit", "hide the seams of copied pieces")):
        parser = picture_parser(tasks, name, f"{text}, to fit the training picture")
        parser.add_argument("--mask", type=Path, required=True, help="a picture that is white where that is")
        _add_drawing(parser, run_redraw, model=True)
        parser.set_defaults(task=name)

    paint = picture_parser(tasks, "paint", "turn rough paintings into pictures like the training picture")
    paint.add_argument("--quantize", action="store_true", help="first take the picture's five main colours")
    _add_drawing(paint, run_paint, model=True)


def _model_parser(
    tasks: argparse._SubParsersAction, name: str, text: str, output: str, run: Callable
) -> argparse.ArgumentParser:
    parser = tasks.add_parser(name, help=text, description=text.capitalize() + ".")
    parser.add_argument("input", help=MODEL)
    parser.add_argument("-o", "--output", type=Path, required=True, help=output)
    parser.add_argument("--device", help="cuda, mps or cpu; default: the best there is")
    _add_drawing(parser, run, model=False)
    return parser


def _add_drawing(parser: argparse.ArgumentParser, run: Callable, *, model: bool) -> None:
    if model:
        parser.add_argument("--model", required=True, help=MODEL)
    parser.add_argument("--start-scale", type=int, help="the first scale that is drawn anew; default: by the task")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run)


def _add_training(parser: argparse.ArgumentParser, run: Callable) -> None:
    parser.add_argument("--preset", default="quick", help="quick (for a CPU), balanced or paper (for a GPU)")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run)


def run_train(options: argparse.Namespace) -> int:
    """Train on what the command line says; return the exit code."""
    from gan_models.images import flatten
    from gan_models.singan.model import save
    from gan_models.singan.trainer import train

    def learn(picture: Any, target: Path) -> None:
        state = target.with_suffix(".training")
        if options.resume and target.exists() and not state.exists():
            return
        if not options.resume:
            state.unlink(missing_ok=True)
        steps = train(flatten(picture), preset=options.preset, seed=options.seed, out=state, device=options.device)
        save(_last(steps), target)
        state.unlink()

    return each_file(options, learn, ".safetensors")


def run_upscale(options: argparse.Namespace) -> int:
    """Train on each picture and enlarge it; return the exit code."""
    from gan_models.singan import upscale

    settings = {"factor": options.factor, "preset": options.preset, "seed": options.seed}
    function = lambda picture: _last(upscale(picture, device=options.device, **settings))  # noqa: E731
    return over_files(options, function, {"task": TASK, "action": "upscale", **settings})


def run_sample(options: argparse.Namespace) -> int:
    """Draw random pictures; return the exit code."""
    from gan_models.images.provenance import write_png

    single = options.output.suffix.lower() == ".png" and not options.output.is_dir()
    if single and options.count > 1:
        raise ValueError(f"{options.output} is one file: for several pictures, name a folder.")
    backend, record = _model(options.input, options.device)
    settings = {
        "start_scale": options.start_scale,
        "width_factor": options.width,
        "height_factor": options.height,
    }
    for step in _shown(backend.samples(count=options.count, seed=options.seed, **settings)):
        if step.result is None:
            seed = options.seed + step.index - 1
            target = options.output if single else options.output / f"sample-{seed}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            write_png(target, step.preview, **record, action="sample", generated=True, seed=seed, **settings)
    return 0


def run_animate(options: argparse.Namespace) -> int:
    """Film the training picture in motion; return the exit code."""
    from gan_models.images.video import open_video

    if options.output.suffix.lower() not in (".mp4", ".gif"):
        raise ValueError(f"A film is a .mp4 or a .gif file, not {options.output.name}.")
    backend, record = _model(options.input, options.device)
    names = ("start_scale", "alpha", "beta", "frames", "seed", "loop")
    settings = {name: getattr(options, name) for name in names}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with open_video(options.output, fps=options.fps, generated=True, **record, action="animate", **settings) as film:
        for step in _shown(backend.animation(**settings)):
            if step.result is None:
                film.write(step.preview)
    return 0


def run_redraw(options: argparse.Namespace) -> int:
    """Harmonise or edit; return the exit code."""
    from gan_models.images import bright, decode

    backend, record = _model(options.model, options.device)
    mask = bright(decode(options.mask))
    settings = {"start_scale": options.start_scale, "seed": options.seed}
    redraw = lambda picture: backend.harmonized(picture, mask, task=options.task, **settings)  # noqa: E731
    return over_files(options, redraw, {**record, "action": options.task, **settings})


def run_paint(options: argparse.Namespace) -> int:
    """Turn paintings into pictures; return the exit code."""
    backend, record = _model(options.model, options.device)
    settings = {"start_scale": options.start_scale, "quantize": options.quantize, "seed": options.seed}
    paint = lambda picture: backend.painted(picture, **settings)  # noqa: E731
    return over_files(options, paint, {**record, "action": "paint", "generated": True, **settings})


def _model(name: str, device: str | None) -> tuple[Any, dict[str, Any]]:
    """Return the backend of a file or of a registered model, and what results shall keep of it."""
    from gan_models.checkpoints.hub import file_hash
    from gan_models.singan import SingleImage

    own = Path(name).is_file()
    return SingleImage(name, device), {
        "task": TASK,
        **({"sha256": file_hash(Path(name))} if own else {"model": name}),
    }


def _shown(steps: Iterator[Step]) -> Iterator[Step]:
    """Yield `steps` with a progress bar."""
    with tqdm(unit="step", disable=None, leave=False) as bar:
        for step in steps:
            bar.total, bar.n = step.total, step.index
            bar.set_description(step.message, refresh=True)
            yield step


def _last(steps: Iterator[Step]) -> Any:
    """Run `steps` with a progress bar, and return the result."""
    result = None
    for step in _shown(steps):
        result = step.result
    return result
