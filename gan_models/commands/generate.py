"""`python -m gan_models generate -o OUTPUT`."""

import argparse
from pathlib import Path

from tqdm import tqdm


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
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
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Draw the faces or the film that the command line asks for; return the exit code."""
    from gan_models.images.provenance import write_png
    from gan_models.jobs import finish
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
