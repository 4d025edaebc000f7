"""`python -m gan_models invert INPUT -o OUTPUT`: latents of faces, and what follows from them."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from gan_models.commands.files import each_file, picture_parser

TASKS = ("invert", "colorize", "inpaint", "measure")


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    text = "find the latents that draw a face, and by them colour it or mend it"
    parser = picture_parser(commands, "invert", text)
    parser.add_argument("--task", choices=TASKS, default="invert")
    parser.add_argument("--mask", type=Path, help="inpaint: a picture of the same size, white where to paint anew")
    parser.add_argument("--scheme", choices=("strided", "random", "block"), default="random", help="measure: pixels")
    parser.add_argument("--share", type=float, default=0.1, help="measure: how many of them, 0.01 to 1")
    parser.add_argument("--model", default="faces-compact", help="weights; `weights list` shows all")
    parser.add_argument("--steps", type=int, default=300, help="1 to 5000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--space", choices=("auto", "w", "w+"), default="auto", help="auto: w for colorize, else w+")
    parser.add_argument("--start", choices=("encoder", "average"), default="encoder")
    parser.add_argument("--pull", type=float, default=1.0, help="towards the start: 1 suits the task, 0 to 10")
    parser.add_argument("--framing", choices=("face", "middle"), default="face", help="look for a face, or not")
    parser.add_argument("--face", type=int, default=1, help="which one, from 1, the largest")
    parser.add_argument("--latents", type=Path, help="a file of latents to go on from")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Invert what the command line says, a picture and its latents for each face; return the exit code."""
    from gan_models.images import bright, decode, flatten
    from gan_models.images.provenance import write_png
    from gan_models.inversion import FaceInverter, latents
    from gan_models.inversion.align import framed

    if options.input.is_dir() and (options.mask or options.latents):
        raise ValueError("A mask and latents are those of one picture, not of a folder.")
    inverter = FaceInverter(options.model, options.device)
    mask = bright(decode(options.mask)) if options.mask else None
    begun = latents.load(options.latents, options.model, inverter.network) if options.latents else None
    settings: dict[str, Any] = {name: getattr(options, name) for name in ("steps", "seed", "space", "start", "pull")}
    if options.task == "measure":
        settings |= {"scheme": options.scheme, "share": options.share}
    record = {"task": "face-inversion", "action": options.task, "model": options.model, "framing": options.framing}

    def invert(picture: np.ndarray, target: Path) -> None:
        cutting = framed(flatten(picture), options.model, framing=options.framing, face=options.face, mask=mask)
        found = inverter(cutting.square, task=options.task, mask=cutting.mask, latents=begun, **settings)
        generated = {"generated": True} if options.task in ("invert", "measure") else {}
        write_png(target, found.picture, **generated, **record, **settings)
        latents.save(target.with_suffix(".safetensors"), found.latents)

    return each_file(options, invert)
