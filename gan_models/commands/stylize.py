"""`python -m gan_models stylize INPUT -o OUTPUT`: pictures in the style of others, or in one that was learned."""

import argparse
from pathlib import Path

import numpy as np

from gan_models.commands.files import each_file, over_files, picture_parser


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = picture_parser(commands, "stylize", "draw pictures in a style")
    text = "a picture whose style is taken, by optimisation (Gatys et al. 2016); once more for another one, blended"
    parser.add_argument("--style", type=Path, action="append", default=[], help=text)
    text = "with --style, features to see by; without, a style that was learned; `weights list` shows all"
    parser.add_argument("--model", help=text)
    parser.add_argument("--strength", type=float, help="learned styles: from 0 to 1, the default")
    parser.add_argument("--steps", type=int, help="1 to 2000; default 150")
    text = "2.5e-4 keeps nearly all of the picture, 2.5e-8, the default, lets the style win"
    parser.add_argument("--content-weight", type=float, help=text)
    parser.add_argument("--style-weight", type=float, help="default 1e-6")
    parser.add_argument("--tv-weight", type=float, help="of smoothness; default 1e-6")
    parser.add_argument("--side", type=int, help="pixels of the longer side, 64 to 1536; default 384")
    parser.add_argument("--start", choices=("content", "noise", "style"))
    parser.add_argument("--optimizer", choices=("adam", "lbfgs"))
    parser.add_argument("--colours", choices=("style", "luminance", "histogram"))
    parser.add_argument("--coarse", type=float, help="share of the steps at half size, 0 to 0.9; default 0.6")
    parser.add_argument("--seed", type=int)
    parser.set_defaults(run=run)


DEFAULTS = {
    **{"steps": 150, "content_weight": 2.5e-8, "style_weight": 1e-6, "tv_weight": 1e-6, "side": 384},
    **{"start": "content", "optimizer": "lbfgs", "colours": "style", "seed": 0, "coarse": 0.6},
}


def run(options: argparse.Namespace) -> int:
    """Draw what the command line says; return the exit code.

    Raises:
        ValueError: An option is not for this way of drawing.
    """
    chosen = {name: value for name in (*DEFAULTS, "strength") if (value := getattr(options, name)) is not None}
    if wrong := sorted(chosen.keys() & ({"strength"} if options.style else DEFAULTS.keys())):
        way = "goes without --style" if options.style else "goes with --style"
        raise ValueError(f"--{wrong[0].replace('_', '-')} {way}.")
    return _optimised(options, DEFAULTS | chosen) if options.style else _learned(options, chosen.get("strength", 1.0))


def _optimised(options: argparse.Namespace, settings: dict) -> int:
    from gan_models.images import decode, flatten
    from gan_models.images.provenance import fingerprint, write_png
    from gan_models.style_transfer import Stylizer
    from gan_models.style_transfer.losses import CONTENT_LAYER, STYLE_LAYERS

    backend = Stylizer(options.model, options.device)
    styles = [flatten(decode(path)) for path in options.style]
    record = {"task": "style-transfer", "model": options.model or backend.DEFAULT, **settings}
    record |= {"content_layer": CONTENT_LAYER, "style_layers": ", ".join(STYLE_LAYERS)}
    first, second, *others = [*map(fingerprint, options.style), None]
    record |= {"style": first, "second_style": second, "further_styles": others[:-1], "region": None}
    record |= {"red": 0, "green": 0, "blue": 0}

    def stylize(picture: np.ndarray, target: Path) -> None:
        write_png(target, backend(flatten(picture), styles, **settings), **record)

    return each_file(options, stylize)


def _learned(options: argparse.Namespace, strength: float) -> int:
    from gan_models.style_transfer import FastStyle

    backend, model = FastStyle(options.model, options.device), options.model or FastStyle.DEFAULT
    settings = {"task": "fast-style", "model": model, "strength": strength}
    return over_files(options, lambda picture: backend(picture, strength=strength), settings)
