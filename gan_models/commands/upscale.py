"""`python -m gan_models upscale INPUT -o OUTPUT`."""

import argparse

from gan_models.commands.files import over_files, picture_parser


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = picture_parser(commands, "upscale", "enlarge pictures two or four times")
    parser.add_argument("--model", default="sr-psnr-compact", help="weights; `weights list` shows all")
    parser.add_argument("--factor", type=int, choices=(2, 4), default=4)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Enlarge what the command line says; return the exit code."""
    from gan_models.super_resolution import Upscaler, check_factor

    check_factor(options.factor, options.model)  # before anything is downloaded
    upscaler = Upscaler(options.model, options.device)
    settings = {"task": "super-resolution", "model": options.model, "factor": options.factor}
    return over_files(options, lambda picture: upscaler(picture, factor=options.factor), settings)
