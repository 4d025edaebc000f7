"""`python -m gan_models singan train INPUT -o OUTPUT`: a model of each picture, as files."""

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gan_models.images import flatten
from gan_models.images.folders import each_file
from gan_models.singan import SinganTrain


def add_parser(tasks: argparse._SubParsersAction) -> None:
    """Add the command."""
    text = "train a model on a picture, or one on each of a folder"
    parser = tasks.add_parser("train", help=text, description=text.capitalize() + ".")
    parser.add_argument("input", type=Path, help="a picture, or a folder of them")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .safetensors file, or a folder")
    parser.add_argument("--device", help="cuda, mps or cpu; default: the best there is")
    parser.add_argument("--resume", action="store_true", help="go on with what was interrupted")
    parameters = SinganTrain.parameters()
    preset, seed = parameters["preset"], parameters["seed"]
    parser.add_argument("--preset", choices=preset.choices, default=preset.default, help=preset.description)
    parser.add_argument("--seed", type=int, default=seed.default, help=seed.description)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train on what the command line says; return the exit code."""
    from gan_models.singan import model, trainer  # bring PyTorch

    def learn(picture: np.ndarray, target: Path) -> None:
        state = target.with_suffix(".training")
        if options.resume and target.exists() and not state.exists():
            return
        if not options.resume:
            state.unlink(missing_ok=True)
        steps = trainer.train(
            flatten(picture), preset=options.preset, seed=options.seed, out=state, device=options.device
        )
        with tqdm(unit="step", disable=None, leave=False) as bar:
            for step in steps:
                bar.total, bar.n = step.total, step.index
                bar.set_description(step.message, refresh=True)
        model.save(step.result, target)
        state.unlink()

    return each_file(options.input, options.output, learn, ".safetensors")
