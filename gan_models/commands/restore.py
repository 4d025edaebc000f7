"""`python -m gan_models dehaze|deblur|translate INPUT -o OUTPUT`: pictures, folders of them, and films."""

import argparse
from functools import partial
from importlib import import_module
from pathlib import Path

from tqdm import tqdm

from gan_models.checkpoints import registry
from gan_models.commands.files import over_files, picture_parser

FILMS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts", ".gif"}


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add these commands."""
    dehaze = _parser(
        commands, "dehaze", "remove haze from pictures or a film", "dehazing", "Dehazer", "dehaze-candy-compact"
    )
    _add_strength(dehaze)
    dehaze.set_defaults(options=("strength",))
    deblur = _parser(
        commands, "deblur", "sharpen blurred pictures or a film", "deblurring", "Deblurrer", "deblur-compact"
    )
    _add_strength(deblur)
    deblur.add_argument(
        "--reduction", type=int, default=0, choices=range(5), help="compact: 1 for short motions to 4"
    )
    deblur.add_argument("--length", type=float, default=9.0, help="formulas: pixels of the motion, 1 to 40")
    deblur.add_argument("--angle", type=float, default=0.0, help="formulas: degrees against the horizontal")
    deblur.set_defaults(options=("strength", "reduction", "length", "angle"))
    text, model = "turn pictures of one kind into another", "translate-facades-compact"
    translate = _parser(commands, "translate", text, "translation", "Translator", model)
    translate.add_argument(
        "--from-photo", action="store_true", help="weights that take drawings: find a photo's edges"
    )
    translate.add_argument("--side", type=int, default=0, help="pixels of the shorter side that the network sees")
    translate.add_argument("--seed", type=int, default=0, help="of the dropout")
    translate.set_defaults(options=("from_photo", "side", "seed"))


def _parser(
    commands: argparse._SubParsersAction, name: str, text: str, task: str, backend: str, model: str
) -> argparse.ArgumentParser:
    parser = picture_parser(commands, name, text)
    parser.add_argument("--model", default=model, help="weights; `weights list` shows all")
    parser.set_defaults(run=run, task=task, backend=backend)
    return parser


def _add_strength(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strength", type=float, default=1.0, help="from 0 to 1")


def run(options: argparse.Namespace) -> int:
    """Turn what the command line says into pictures or a film; return the exit code."""
    backend = getattr(import_module(f"gan_models.{options.task}"), options.backend)(options.model, options.device)
    chosen = {name: getattr(options, name) for name in options.options}
    drawn = registry.get(options.model).from_drawing
    settings = {"task": options.task, "model": options.model, "generated": drawn, **chosen}
    if options.input.suffix.lower() in FILMS and options.output.suffix.lower() == ".mp4":
        return _film(options.input, options.output, partial(backend.film, **chosen), settings)
    return over_files(options, partial(backend, **chosen), settings)


def _film(source: Path, target: Path, restored: partial, settings: dict) -> int:
    """Write a film of what `restored` makes of another's pictures.

    Raises:
        ValueError: It can't be read, or would be overwritten.
    """
    from gan_models.images.video import Video, open_video

    film = Video(source)
    if target.exists() and target.samefile(source):
        raise ValueError(f"The result would overwrite the original {target}; choose another name.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_video(target, fps=film.fps, **settings) as result:
        for picture in tqdm(restored(film), total=film.count or None, unit="picture", disable=None):
            result.write(picture)
    return 0
