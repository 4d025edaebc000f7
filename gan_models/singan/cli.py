"""`python -m gan_models singan train INPUT -o OUTPUT`: a model of each picture, as files."""

import argparse
import shutil
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
    preset, seed, iterations = (parameters[name] for name in ("preset", "seed", "iterations"))
    parser.add_argument("--preset", choices=preset.choices, default=preset.default, help=preset.description)
    parser.add_argument("--seed", type=int, default=seed.default, help=seed.description)
    parser.add_argument("--iterations", type=int, help=iterations.description)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train on what the command line says; return the exit code."""
    from gan_models.singan.trainer import SinGANTrainer  # bring PyTorch
    from gan_models.training import checkpoint
    from gan_models.training.loop import fit

    def learn(picture: np.ndarray, target: Path) -> None:
        folder = target.with_suffix(".training")
        if options.resume and target.exists() and not folder.exists():
            return
        chosen = {name: getattr(options, name) for name in ("preset", "iterations", "seed")}
        trainer = SinGANTrainer(picture=flatten(picture), **chosen)
        resume = options.resume and (folder / checkpoint.NAME).exists()
        with tqdm(unit="step", disable=None, leave=False) as bar:
            for step in fit(trainer, folder, resume=resume, device=options.device):
                bar.total, bar.n = step.total, step.index
                bar.set_description(step.message, refresh=True)
        (folder / "model.safetensors").replace(target)
        shutil.rmtree(folder)

    return each_file(options.input, options.output, learn, ".safetensors")
