"""Train pix2pix (Isola et al. 2017) on pairs, and CycleGAN (Zhu et al. 2017) on two sets."""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from gan_models.jobs import Step
from gan_models.nn.layers import NLayerDiscriminator
from gan_models.training.paired import CrossEntropy, train_paired
from gan_models.training.unpaired import CycleGAN, train_unpaired
from gan_models.translation.network import HoleFiller, Redrawer, UnetGenerator, patch_discriminator
from gan_models.translation.pairs import SETS, TASKS, Pairs, TwoSets

NGF, NDF, DOWNS = 24, 32, 6
BATCH = 4
L1_WEIGHT = 100.0
GENERATORS = ("unet", "encoder-decoder")


def network(task: str, generator: str = "unet") -> UnetGenerator:
    """Return an untrained generator.

    Raises:
        ValueError: There is no such task or generator.
    """
    if task not in TASKS:
        raise ValueError(f"The task must be one of {', '.join(TASKS)}, not “{task}”.")
    if generator not in GENERATORS:
        raise ValueError(f"The generator must be one of {', '.join(GENERATORS)}, not “{generator}”.")
    kind = HoleFiller if task == "masked" else UnetGenerator
    return kind(TASKS[task].input_nc, 3, DOWNS, NGF, "batch", skips=generator == "unet").apply(_begin)


def _begin(module: nn.Module) -> None:
    """Draw the weights that training begins with (section 6.2)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def train(
    data: Path,
    out: Path,
    task: str,
    *,
    resume: bool = False,
    steps: int = 10_000,
    generator: str = "unet",
    patch: int = 70,
    side: int | None = None,
    l1_weight: float = L1_WEIGHT,
    lr: float = 4e-4,
    seed: int = 0,
) -> Iterator[Step]:
    """Train pix2pix on pictures below `data`; leave `translate-TASK-compact.safetensors` in `out`.

    Yields as `train_paired`.

    Args:
        data: For "facades" pairs side by side, photo and labels; for the others photos.
        out: Folder for checkpoints and weights.
        task: "facades", "edges", "grey" or "masked": what is translated to photos.
        resume: Go on from the checkpoint in `out`.
        steps: Iterations.
        generator: "unet" or "encoder-decoder".
        patch: Side of the patches that the discriminator judges; 0 for no discriminator.
        side: Of the pictures; the task's own by default.
        l1_weight: Of the mean absolute error, beside the discriminator's verdict.
        lr: Learning rate to begin with.
        seed: Of all that is random.

    Raises:
        ValueError: There is no such task, generator or patch, the side is no multiple of 64, or there are too few
            pictures.
    """
    torch.manual_seed(seed)
    made, kind = network(task, generator), TASKS[task]
    side = side or kind.side
    if side % made.multiple:
        raise ValueError(f"The side must be a multiple of {made.multiple} pixels, not {side}.")
    discriminator = patch_discriminator(patch, kind.input_nc + 3, NDF, "instance").apply(_begin) if patch else None
    yield from train_paired(
        f"translate-{task}-compact",
        out,
        lambda seed: Pairs(data, kind, side, seed),
        made,
        lambda drawn, photo: {"l1": l1_weight * F.l1_loss(drawn.float(), photo)},
        adversary=CrossEntropy(discriminator) if discriminator else None,
        adversarial_weight=1.0,
        adversarial_from=0,
        steps=steps,
        batch_size=BATCH,
        lr=lr,
        seed=seed,
        resume=resume,
    )


def compact_cyclegan() -> Redrawer:
    """Return an untrained generator of CycleGAN with 2.2 million parameters."""
    return Redrawer(channels=(16, 32, 64, 128), blocks=6, context=True)


def train_cycle(
    data: Path,
    out: Path,
    task: str = "folders",
    *,
    resume: bool = False,
    steps: int = 8_000,
    side: int = 128,
    cycle_weight: float = 10.0,
    identity_weight: float = 5.0,
    lr: float = 3e-4,
    seed: int = 0,
) -> Iterator[Step]:
    """Train CycleGAN on two kinds of pictures; leave a-to-b.safetensors and b-to-a.safetensors in `out`.

    Yields as `train_unpaired`, by how well pictures of A come back from B.

    Args:
        data: With the task "folders", folder of the folders trainA and trainB; with "drawings", of photos.
        out: Folder for checkpoints and weights.
        task: "folders", or "drawings": photos against pencil drawings of other photos.
        resume: Go on from the checkpoint in `out`.
        steps: Iterations.
        side: Of the pictures.
        cycle_weight: Of what comes back (section 4 of the paper).
        identity_weight: Of what a generator makes of its own kind (section 5.2), which keeps colours; 0 for none.
        lr: Learning rate of the first half.
        seed: Of all that is random.

    Raises:
        ValueError: There is no such task, there are too few pictures, or the side is no multiple of four or below 32.
    """
    if task not in SETS:
        raise ValueError(f"The task must be one of {', '.join(SETS)}, not “{task}”.")
    if side < 32 or side % 4:
        raise ValueError(f"The side must be a multiple of four and at least 32 pixels, not {side}.")
    torch.manual_seed(seed)
    yield from train_unpaired(
        CycleGAN(
            compact_cyclegan,
            lambda: NLayerDiscriminator(3, NDF, n_layers=3, norm="instance"),
            cycle_weight,
            identity_weight,
        ),
        lambda seed: TwoSets(data, task, side, seed),
        out,
        ("a-to-b", "b-to-a"),
        steps=steps,
        batch_size=1,
        lr=lr,
        seed=seed,
        resume=resume,
    )
