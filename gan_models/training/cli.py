"""`python -m gan_models train FAMILY --data FOLDER --out FOLDER [--resume]`."""

import argparse
import inspect
from importlib import import_module
from pathlib import Path

from tqdm import tqdm

TRAINERS = {
    "features": ("gan_models.training.features", "train"),
    "sr-psnr": ("gan_models.super_resolution.trainer", "train_psnr"),
    "sr-gan": ("gan_models.super_resolution.trainer", "train_gan"),
    "candy": ("gan_models.dehazing.trainer", "train_candy"),
    "cycle-dehaze": ("gan_models.dehazing.trainer", "train_cycle"),
    "deblurgan": ("gan_models.deblurring.trainer", "train"),
    "attributes": ("gan_models.attributes.trainer", "train"),
    "face-identity": ("gan_models.attributes.identity", "train"),
    "segmentation": ("gan_models.training.segmentation", "train"),
    "face-encoder": ("gan_models.inversion.trainer", "train"),
    "face-boundaries": ("gan_models.stylegan2.boundaries", "train"),
    "gan-control": ("gan_models.gan_control.trainer", "train"),
    "face-controls": ("gan_models.gan_control.trainer", "train_controls"),
    "fast-style": ("gan_models.style_transfer.trainer", "train"),
    "pix2pix": ("gan_models.translation.trainer", "train"),
    "cyclegan": ("gan_models.translation.trainer", "train_cycle"),
    "gan": ("gan_models.classic.train", "train_gan"),
    "cgan": ("gan_models.classic.train", "train_cgan"),
    "dcgan": ("gan_models.classic.train", "train_dcgan"),
    "unrolled": ("gan_models.classic.train", "train_unrolled"),
    "wgan": ("gan_models.classic.train", "train_wgan"),
    "wgan-gp": ("gan_models.classic.train", "train_wgan_gp"),
    "aegan": ("gan_models.classic.train", "train_aegan"),
    "progressive": ("gan_models.classic.train", "train_progressive"),
    "stylegan2": ("gan_models.stylegan2.trainer", "train"),
}

OPTIONS = (
    "data",
    "steps",
    "epochs",
    "start",
    "style",
    "objective",
    "task",
    "generator",
    "patch",
    "side",
    "cycle_weight",
    "identity_weight",
    "tile",
    "trim",
    "width",
    "z_dim",
    "norm",
    "lr",
    "lr_d",
    "hue",
    "batch_size",
    "resolution",
)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the `train` command."""
    parser = commands.add_parser("train", help="train a model", description="Train a model.")
    parser.add_argument("family", choices=TRAINERS)
    parser.add_argument("--data", type=Path, help="folder of training pictures")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and weights")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--steps", type=int, help="iterations, instead of the embedded weights' number")
    parser.add_argument("--epochs", type=int, help="features: epochs, instead of the embedded weights' number")
    text = "sr-gan, deblurgan, cycle-dehaze, fast-style, face-controls: the folder of a training to start from"
    parser.add_argument("--start", type=Path, help=text)
    parser.add_argument("--style", type=Path, help="fast-style: the picture whose style is learned")
    parser.add_argument("--objective", help="deblurgan: deblurgan, content, squared or pixels")
    parser.add_argument("--task", help="pix2pix: facades, edges, grey or masked; cyclegan: folders or drawings")
    parser.add_argument("--generator", help="pix2pix: unet or encoder-decoder")
    parser.add_argument("--patch", type=int, help="pix2pix: side of the patches that are judged; 0 for none")
    parser.add_argument("--side", type=int, help="side of the pictures, instead of the usual")
    parser.add_argument("--cycle-weight", type=float, help="cyclegan: of what comes back; default 10")
    text = "cyclegan: of what becomes of a picture that is already of the kind; default 5"
    parser.add_argument("--identity-weight", type=float, help=text)
    parser.add_argument("--tile", type=int, help="GANs: files are mosaics of pictures of so many pixels a side")
    text = "GANs: cut out what stands out from an even background"
    parser.add_argument("--trim", action="store_const", const=True, help=text)
    parser.add_argument("--width", type=int, help="GANs: channels at the largest size, instead of the usual")
    parser.add_argument("--z-dim", type=int, help="GANs: numbers of a latent; default 128")
    parser.add_argument("--norm", help="GANs: of the discriminator: spectral, batch or none, instead of the usual")
    parser.add_argument("--lr", type=float, help="learning rate, instead of the usual")
    parser.add_argument("--lr-d", type=float, help="GANs: that of the discriminator, instead of the usual")
    text = "GANs: spread of the angles by which colours are turned at random, in radians; default 0.3, 0 for faces"
    parser.add_argument("--hue", type=float, help=text)
    parser.add_argument("--batch-size", type=int, help="pictures of an iteration, instead of the usual")
    parser.add_argument("--resolution", type=int, help="stylegan2: side of the pictures, a power of 2; default 64")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train as the command line says, with a progress bar; return the exit code.

    Raises:
        ValueError: An option does not go with the family, or there is no data or no checkpoint.
    """
    module, name = TRAINERS[options.family]
    train = getattr(import_module(module), name)
    parameters = inspect.signature(train).parameters
    chosen = {}
    for option in OPTIONS:
        value = getattr(options, option)
        if value is not None and option not in parameters:
            raise ValueError(f"{options.family} takes no --{option}.")
        if value is not None:
            chosen[option] = value
        elif option in parameters and parameters[option].default is inspect.Parameter.empty:
            raise ValueError(f"{options.family} needs --{option}.")
    try:
        with tqdm(unit="step", disable=None) as bar:
            for step in train(out=options.out, resume=options.resume, **chosen):
                bar.total, bar.n = step.total, step.index
                bar.set_postfix({loss: f"{value:.4f}" for loss, value in step.losses.items()})
                if step.message:
                    bar.write(f"{step.index}: {step.message}")
    except FileNotFoundError as problem:
        raise ValueError(f"There is no {problem.filename}.") from None
    return 0
