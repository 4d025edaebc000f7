"""`python -m gan_models stylize INPUT --style PICTURE -o OUTPUT`: pictures in the style of others."""

import argparse
from pathlib import Path

import numpy as np

from gan_models.commands.files import each_file, picture_parser

OPTIONS = ("steps", "content_weight", "style_weight", "tv_weight", "side", "start", "optimizer", "colours", "seed")


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = picture_parser(commands, "stylize", "draw pictures in the style of others, by optimisation")
    text = "a picture whose style is taken; once more for another one, blended with it"
    parser.add_argument("--style", type=Path, action="append", required=True, help=text)
    parser.add_argument("--model", default="features-compact", help="features to see by; `weights list` shows all")
    parser.add_argument("--steps", type=int, default=150, help="1 to 2000")
    text = "2.5e-4 keeps nearly all of the picture, 2.5e-8 lets the style win"
    parser.add_argument("--content-weight", type=float, default=2.5e-8, help=text)
    parser.add_argument("--style-weight", type=float, default=1e-6)
    parser.add_argument("--tv-weight", type=float, default=1e-6, help="of smoothness")
    parser.add_argument("--side", type=int, default=384, help="pixels of the longer side, 64 to 1536")
    parser.add_argument("--start", choices=("content", "noise", "style"), default="content")
    parser.add_argument("--optimizer", choices=("adam", "lbfgs"), default="adam")
    parser.add_argument("--colours", choices=("style", "luminance", "histogram"), default="style")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Draw what the command line says; return the exit code."""
    from gan_models.images import decode, flatten
    from gan_models.images.provenance import fingerprint, write_png
    from gan_models.style_transfer import Stylizer
    from gan_models.style_transfer.losses import CONTENT_LAYER, STYLE_LAYERS

    backend = Stylizer(options.model, options.device)
    styles = [flatten(decode(path)) for path in options.style]
    settings = {name: getattr(options, name) for name in OPTIONS}
    record = {"task": "style-transfer", "model": options.model, **settings, "red": 0, "green": 0, "blue": 0}
    record |= {"content_layer": CONTENT_LAYER, "style_layers": ", ".join(STYLE_LAYERS), "region": None}
    first, second, *others = [*map(fingerprint, options.style), None]
    record |= {"style": first, "second_style": second, "further_styles": others[:-1]}

    def stylize(picture: np.ndarray, target: Path) -> None:
        write_png(target, backend(flatten(picture), styles, **settings), **record)

    return each_file(options, stylize)
