"""Train a family on pictures: one loop for all of them, in the page and from the command line."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from gan_models import processes
from gan_models.classic import model
from gan_models.classic.families import family as family_of
from gan_models.classic.network import NORMS
from gan_models.classic.pictures import HUE, Pictures, from_folder
from gan_models.classic.trainer import Trainer
from gan_models.device import pick_device
from gan_models.jobs import Step

SIDES, MAX_STEPS, BATCHES = (16, 32, 64, 128), 200_000, (4, 128)
MAX_KINDS, MAX_RATE = 50, 0.1


def train_on(
    pictures: Pictures,
    family: str,
    state: Path,
    *,
    target: Path | None = None,
    steps: int = 2000,
    batch_size: int = 32,
    z_dim: int = 128,
    width: int | None = None,
    norm: str | None = None,
    lr: float | None = None,
    lr_d: float | None = None,
    seed: int = 0,
    device: str | None = None,
) -> Iterator[Step]:
    """Train on `pictures`, and go on from the checkpoint `state` if there is one.

    A tenth of the pictures is held out. Rates fall to nothing over the last quarter of the steps.

    Yields a `Step` for each iteration, and at each epoch, or every 25 iterations if that is longer, one with a sheet
    of 36 fixed latents, FID and the Inception Score. The last one's result is the averaged generator, with the
    arguments that `model.save` takes: network, config, kinds. The checkpoint is written every 20 seconds and when the
    training ends or is cancelled.

    Args:
        pictures: What is learned from.
        family: A name in `families.FAMILIES`.
        state: Where the checkpoint is kept.
        target: Where the averaged generator is saved before each sheet is shown, if anywhere.
        steps: Iterations of the generator in all, 1 to 200,000, with those of the checkpoint.
        batch_size: Pictures of an iteration, 4 to 128.
        z_dim: Numbers of a latent.
        width: Channels at the largest size; None for what is usual for the family.
        norm: Normalisation of the discriminator, "spectral", "batch" or "none"; None likewise.
        lr: Learning rate, up to 0.1; None likewise. A discriminator that has one of its own in the family keeps it.
        lr_d: That of the discriminator; None likewise.
        seed: Of all that is random.
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Raises:
        ValueError: An argument is out of its range, the family is unknown or needs kinds, or the checkpoint is of
            another training or has as many steps already.
    """
    kind = family_of(family)
    if not isinstance(steps, int) or not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"There must be 1 to {MAX_STEPS} steps, not {steps}.")
    if batch_size % processes.count():
        raise ValueError(f"{processes.count()} processes can't share a batch of {batch_size} pictures evenly.")
    if not BATCHES[0] <= batch_size <= BATCHES[1]:
        raise ValueError(f"A batch has {BATCHES[0]} to {BATCHES[1]} pictures, not {batch_size}.")
    if kind.conditional and not 2 <= len(pictures.kinds) <= MAX_KINDS:
        raise ValueError(f"A conditional GAN learns 2 to {MAX_KINDS} kinds: bring a ZIP with a folder for each.")
    for name, value in {"z_dim": z_dim, "width": width}.items():
        low, high = model.LIMITS[name]
        if value is not None and not low <= value <= high:
            raise ValueError(f"The {name} must be {low} to {high}, not {value}.")
    for rate in (lr, lr_d):
        if rate is not None and not 0 < rate <= MAX_RATE:
            raise ValueError(f"A learning rate must be above 0 and at most {MAX_RATE}, not {rate:g}.")
    if norm is not None and norm not in NORMS:
        raise ValueError(f"The normalisation must be one of {', '.join(NORMS)}, not “{norm}”.")
    if norm is not None and kind.norm == "none":
        raise ValueError(f"The discriminator of the family “{family}” bears no normalisation.")
    place = pick_device(device) if processes.count() == 1 else processes.accelerator().device
    options = {"width": width, "norm": norm, "lr": lr, "lr_d": lr_d}
    chosen = {name: value for name, value in options.items() if value is not None}
    trainer = Trainer(pictures, family, place, batch_size=batch_size, z_dim=z_dim, seed=seed, **chosen)
    return trainer.until(steps, state, target)


def train(
    data: Path,
    out: Path,
    *,
    family: str,
    resume: bool = False,
    steps: int = 2000,
    side: int = 64,
    tile: int | None = None,
    trim: bool = False,
    batch_size: int = 32,
    z_dim: int = 128,
    width: int | None = None,
    norm: str | None = None,
    lr: float | None = None,
    lr_d: float | None = None,
    hue: float = HUE,
    seed: int = 0,
) -> Iterator[Step]:
    """Train `family` on the pictures below `data`; leave `FAMILY.safetensors` and `sheet.png` in `out`.

    Both are written anew at each sheet. Yields as `train_on`; the last one's result is the path of the first.

    Args:
        data: Folder of pictures; for "cgan" with a folder for each kind.
        out: Folder for the checkpoint and the rest.
        family: A name in `families.FAMILIES`.
        resume: Go on from the checkpoint in `out`.
        steps: Iterations in all.
        side: Of the pictures: 16, 32, 64 or 128.
        tile: If given, each file is a mosaic of pictures of so many pixels a side.
        trim: Cut the square round what stands out from an even background, not from the middle.
        batch_size: Pictures of an iteration.
        z_dim: Numbers of a latent.
        width: Channels at the largest size, if not the usual ones.
        norm: Normalisation of the discriminator, if not the usual one: "spectral", "batch" or "none".
        lr: Learning rate, if not the usual one.
        lr_d: That of the discriminator, likewise.
        hue: Standard deviation of the angle by which colours are turned at random, in radians, 0 to π.
        seed: Of all that is random.

    Raises:
        ValueError: There are too few pictures, or an option is out of its range.
        FileNotFoundError: There is no checkpoint to resume.
    """
    from PIL import Image

    if side not in SIDES:
        raise ValueError(f"The side must be one of {', '.join(map(str, SIDES))} pixels, not {side}.")
    if tile is not None and tile < 1:
        raise ValueError(f"A tile has a pixel a side at least, not {tile}.")
    state = out / "checkpoint.pt"
    if resume and not state.exists():
        raise FileNotFoundError(2, "no checkpoint", str(state))
    source = from_folder(data, side, tile=tile, trim=trim, hue=hue)
    path, rates = out / f"{family}.safetensors", {"lr": lr, "lr_d": lr_d}
    sizes = {"batch_size": batch_size, "z_dim": z_dim, "width": width}
    trainer = train_on(source, family, state, target=path, steps=steps, norm=norm, seed=seed, **rates, **sizes)
    if not resume:
        state.unlink(missing_ok=True)
    for step in trainer:
        if step.preview is not None and processes.is_first():
            out.mkdir(parents=True, exist_ok=True)
            Image.fromarray(step.preview).save(out / "sheet.png")
        if step.result is None:
            yield step
    yield Step(steps, steps, message="done", result=path)


train_gan = partial(train, family="gan")
train_cgan = partial(train, family="cgan")
train_dcgan = partial(train, family="dcgan")
train_unrolled = partial(train, family="unrolled")
train_wgan = partial(train, family="wgan")
train_wgan_gp = partial(train, family="wgan-gp")
train_aegan = partial(train, family="aegan")
train_progressive = partial(train, family="progressive")
