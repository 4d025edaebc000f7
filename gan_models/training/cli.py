"""`python -m gan_models train NAME --out FOLDER [--resume]`, with the options of the trainer NAME."""

import argparse
import inspect
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from tqdm import tqdm

TRAINERS = {
    "features": "gan_models.training.features:Features",
    "sr-psnr": "gan_models.super_resolution.trainer:PSNR",
    "sr-gan": "gan_models.super_resolution.trainer:SRGAN",
    "sr-real": "gan_models.super_resolution.trainer:Poor",
    "candy": "gan_models.dehazing.trainer:Candy",
    "cycle-dehaze": "gan_models.dehazing.trainer:cycle_dehaze",
    "deblurring": "gan_models.deblurring.trainer:Deblurring",
    "attributes": "gan_models.attributes.trainer:Attributes",
    "face-identity": "gan_models.attributes.identity:Identity",
    "segmentation": "gan_models.training.segmentation:Segmentation",
    "face-encoder": "gan_models.inversion.trainer:FaceEncoder",
    "face-boundaries": "gan_models.stylegan2.boundaries:FaceBoundaries",
    "gan-control": "gan_models.gan_control.trainer:GANControl",
    "face-controls": "gan_models.gan_control.trainer:FaceControls",
    "fast-style": "gan_models.style_transfer.trainer:FastStyle",
    "pix2pix": "gan_models.translation.trainer:Pix2Pix",
    "cyclegan": "gan_models.translation.trainer:CycleTranslation",
    "gan": "gan_models.classic.trainer:train_gan",
    "cgan": "gan_models.classic.trainer:train_cgan",
    "dcgan": "gan_models.classic.trainer:train_dcgan",
    "unrolled": "gan_models.classic.trainer:train_unrolled",
    "wgan": "gan_models.classic.trainer:train_wgan",
    "wgan-gp": "gan_models.classic.trainer:train_wgan_gp",
    "aegan": "gan_models.classic.trainer:train_aegan",
    "progressive": "gan_models.classic.trainer:train_progressive",
    "stylegan2": "gan_models.stylegan2.trainer:StyleGAN2",
}


def trainer(name: str) -> Callable:
    """Return what makes the trainer `name` of its options."""
    module, _, found = TRAINERS[name].partition(":")
    return getattr(import_module(module), found)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the `train` command."""
    parser = commands.add_parser("train", help="train a model", description="Train a model.")
    names = parser.add_subparsers(metavar="NAME", required=True, parser_class=_TrainerParser)
    for name in TRAINERS:
        names.add_parser(name).set_defaults(run=run, name=name)


class _TrainerParser(argparse.ArgumentParser):
    """Adds the options of its trainer only when it is asked to parse, since reading them brings PyTorch."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        name = self.get_default("name")
        made = trainer(name)
        self.description = inspect.getdoc(getattr(made, "func", made)).partition("\n\n")[0]
        self.add_argument("--out", type=Path, required=True, help="folder for checkpoints and weights")
        self.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
        self.add_argument("--device", help="cuda, mps or cpu; by default the best there is")
        described = descriptions(trainer(name))
        for option in options(name).values():
            required = option.default is inspect.Parameter.empty
            text = described.get(option.name, "")
            if not required and option.default is not None and "default" not in text:
                text = f"{text.rstrip('.')}; default {option.default}"
            flag = f"--{option.name.replace('_', '-')}"
            self.add_argument(
                flag, dest=option.name, required=required, help=text.replace("%", "%%"), **_kind(option)
            )
        return super().parse_known_args(args, namespace)


def options(name: str) -> dict[str, inspect.Parameter]:
    """Return the parameters of the trainer `name` that are options."""
    made = trainer(name)
    given = getattr(made, "keywords", {})  # of a `partial`
    parameters = inspect.signature(made, eval_str=True).parameters
    return {key: value for key, value in parameters.items() if key not in given}


def descriptions(kind: Callable) -> dict[str, str]:
    """Return what docstrings, of a class those of what it inherits from too, say of arguments, by name."""
    found = {}
    kind = getattr(kind, "func", kind)
    for part in reversed(inspect.getmro(kind)) if isinstance(kind, type) else (kind,):
        _, _, arguments = (inspect.getdoc(part) or "").partition("Args:\n")
        for name, text in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", arguments.partition("\n\n")[0], re.MULTILINE):
            found[name] = " ".join(text.split())
    return found


def _kind(option: inspect.Parameter) -> dict[str, Any]:
    """Return what argparse makes of the type of an option."""
    kind = option.annotation
    if isinstance(kind, UnionType):  # one or none
        (kind,) = set(get_args(kind)) - {type(None)}
    if kind is bool:
        return {"action": "store_true"}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind)}
    return {"type": kind, "metavar": kind.__name__.upper()}


def run(asked: argparse.Namespace) -> int:
    """Train as the command line says, with a progress bar; return the exit code.

    Raises:
        ValueError: An option is out of its range, or there is no data or no checkpoint.
    """
    from gan_models.training.loop import fit  # brings PyTorch

    given = {name: getattr(asked, name) for name in options(asked.name)}
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        steps = fit(trainer(asked.name)(**chosen), asked.out, resume=asked.resume, device=asked.device)
        with tqdm(unit="step", disable=None) as bar:
            for step in steps:
                bar.total, bar.n = step.total, step.index
                bar.set_postfix({loss: f"{value:.4f}" for loss, value in step.losses.items()})
                if step.message:
                    bar.write(f"{step.index}: {step.message}")
    except FileNotFoundError as problem:
        raise ValueError(f"There is no {problem.filename}.") from None
    return 0
