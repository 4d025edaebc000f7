"""Train a family on pictures: one loop for all of them, in the page and from the command line."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from torch import nn

from gan_models import checkpoints, runtime
from gan_models.classic import model
from gan_models.classic.families import family as family_of
from gan_models.classic.gan import gradient_norm
from gan_models.classic.network import Autoencoder
from gan_models.classic.pictures import HUE, Pictures, from_folder
from gan_models.images.tensors import to_sheet
from gan_models.metrics import fid, inception_score
from gan_models.runtime import Step
from gan_models.training import checkpoint, processes
from gan_models.training.ema import EMA, renew_statistics

SIDES, MAX_STEPS, BATCHES = (16, 32, 64, 128), 200_000, (4, 128)
MAX_KINDS = 50
SHEET = 6  # pictures in a row and a column of a sheet
PART = 32  # pictures that are drawn at once
JUDGED = 256  # pictures by which FID and IS are estimated while a training goes on
HELD_OUT = 0.1  # share of the pictures that FID compares with and that nothing is learned from
LEAST_BETWEEN = 25  # steps from one estimate to the next, or an epoch if that is longer
SAVE_SECONDS = 20
EMA_DECAY = 0.995
FEATURES = "features-compact"
SHORT_OF_MEMORY = "The memory of this device is too short for this training; try smaller pictures or batches."


class Judge:
    """Scores a generator by the features of our compact network, which is not Inception.

    Args:
        reference: The pictures to compare with.
        device: Where the network computes.
        count: How many of them count at most.
    """

    def __init__(self, reference: Pictures, device: torch.device, count: int = JUDGED):
        self.features = checkpoints.load(FEATURES, str(device))
        self.device = device
        with runtime.computing(device, SHORT_OF_MEMORY):
            self.wanted = self._seen(reference.pixels[:count].float() / 255)[0]

    @torch.inference_mode()
    def _seen(self, pictures: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return features, N×D, and probabilities of classes, N×10, of N×3×H×W in [0, 1]."""
        found = [self.features.pooled(part.to(self.device)) for part in pictures.split(64)]
        classes = [self.features.classifier(part).softmax(1) for part in found]
        return torch.cat(found).cpu().numpy(), torch.cat(classes).cpu().numpy()

    def __call__(self, pictures: torch.Tensor) -> dict[str, float]:
        """Return FID and the Inception Score of N×3×H×W in [-1, 1]."""
        features, classes = self._seen((pictures.cpu() + 1).clamp(0, 2) / 2)
        return {"FID": fid(features, self.wanted), "IS": inception_score(classes, splits=1)[0]}


def train_on(
    pictures: Pictures,
    family: str,
    state: Path,
    *,
    steps: int = 2000,
    batch_size: int = 32,
    z_dim: int = 128,
    width: int | None = None,
    lr: float | None = None,
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
        steps: Iterations of the generator, 1 to 200,000.
        batch_size: Pictures of an iteration, 4 to 128.
        z_dim: Numbers of a latent.
        width: Channels at the largest size; None for what is usual for the family.
        lr: Learning rate; None likewise. A discriminator that has one of its own in the family keeps it.
        seed: Of all that is random.
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Raises:
        ValueError: An argument is out of its range, the family is unknown, the set is too small for a batch, or the
            checkpoint is of another training.
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
    place = runtime.pick_device(device) if processes.count() == 1 else processes.accelerator().device
    return _trained(pictures, family, state, steps, batch_size, z_dim, width, lr, seed, place)


def _trained(
    pictures: Pictures,
    family: str,
    state: Path,
    steps: int,
    batch_size: int,
    z_dim: int,
    width: int | None,
    lr: float | None,
    seed: int,
    device: torch.device,
) -> Iterator[Step]:
    learned, held_out = pictures.split(HELD_OUT)
    learned.device = device
    judge, numbers = Judge(held_out, device), runtime.RandomStream(seed)
    side, kinds = pictures.pixels.shape[2], pictures.kinds if family_of(family).conditional else ()
    chosen = {name: value for name, value in {"width": width, "lr": lr}.items() if value is not None}
    with numbers.drawn_from():
        game = family_of(family).of_pictures(side, z_dim=z_dim, classes=len(kinds), **chosen).to(device)
        ema = EMA(game.generator, EMA_DECAY)
        parts = {"training": About(family, kinds), **game.parts(), "ema": ema}
        step = _resumed(state, parts)
    fixed = torch.Generator().manual_seed(0)
    latents = torch.randn(JUDGED, z_dim, generator=fixed).to(device)
    labels = (torch.arange(JUDGED) % max(1, len(kinds))).to(device)
    every, saved, written = max(LEAST_BETWEEN, len(learned) // batch_size), monotonic(), step
    try:
        while step < steps:
            with runtime.computing(device, SHORT_OF_MEMORY), runtime.uninterrupted(), numbers.drawn_from():
                game.advance(step / steps)
                with runtime.training_precision(device):
                    losses = game.step(learned, batch_size)
                ema.update(game.generator)
            step += 1
            losses["gradient of the generator"] = gradient_norm(game.generator)
            if not all(np.isfinite(value) for value in losses.values()):
                written = step  # what was saved before is better than this
                raise ValueError(f"The training of “{family}” has diverged at step {step}; try a smaller rate.")
            yield Step(step, steps, losses=losses)
            if step % every == 0 or step == steps:
                with runtime.computing(device, SHORT_OF_MEMORY):
                    _settle(ema.network, latents, labels, learned)
                    drawn = draw(ema.network, latents, labels, side)
                    scores = judge(drawn)
                text = f"FID {scores['FID']:.2f}"
                yield Step(step, steps, preview=_sheet(drawn), losses=scores, message=text)
            if monotonic() - saved > SAVE_SECONDS:
                _save(state, step, parts, numbers)
                saved, written = monotonic(), step
    finally:
        if step > written:
            _save(state, step, parts, numbers)
    made = ema.network, config_of(ema.network, side), kinds
    with runtime.computing(device, SHORT_OF_MEMORY):
        _settle(ema.network, latents, labels, learned)
        drawn = draw(ema.network, latents[: SHEET**2], labels[: SHEET**2], side)
    yield Step(steps, steps, preview=_sheet(drawn), result=made)


def _settle(network: nn.Module, latents: torch.Tensor, labels: torch.Tensor, learned: Pictures) -> None:
    """Bring the batch normalisation of an averaged network in line with its weights."""
    pairs = zip(latents.split(PART), labels.split(PART), strict=True)
    renew_statistics(network, [partial(network, z, label) for z, label in pairs])
    if isinstance(network, Autoencoder):
        pictures = learned.pixels[:JUDGED].to(latents.device).float() / 127.5 - 1
        renew_statistics(network.encoder, [partial(network.encode, part) for part in pictures.split(PART)])


def _sheet(drawn: torch.Tensor) -> np.ndarray:
    return to_sheet((drawn[: SHEET**2] + 1) / 2, SHEET)


class About:
    """What a checkpoint is of, so that it is not taken for another training's."""

    def __init__(self, family: str, kinds: tuple[str, ...]):
        self.about = {"family": family, "kinds": list(kinds)}

    def state_dict(self) -> dict:
        """Return what `load_state_dict` compares."""
        return self.about

    def load_state_dict(self, state: dict) -> None:
        """Compare.

        Raises:
            ValueError: It is of another training.
        """
        if state != self.about:
            raise ValueError("The checkpoint is of another training.")


def _save(state: Path, step: int, parts: dict, numbers: runtime.RandomStream) -> None:
    if processes.is_first():
        with numbers.drawn_from():  # whose place the checkpoint keeps
            checkpoint.save(state, step, parts)


def _resumed(state: Path, parts: dict) -> int:
    """Return the step to go on from: 0 if there is no checkpoint.

    Raises:
        ValueError: The checkpoint is of another training.
    """
    if not state.exists():
        return 0
    try:
        return checkpoint.load(state, parts)
    except (KeyError, RuntimeError, ValueError):
        raise ValueError("That training was of another family or size; begin a new one for this.") from None


def config_of(network: nn.Module, side: int) -> dict[str, int]:
    """Return the arguments that a generator of pictures was built with."""
    config = {"z_dim": network.z_dim, "side": side, "width": network.width}
    return config | ({"classes": network.classes} if network.classes else {})


@torch.inference_mode()
def draw(network: nn.Module, latents: torch.Tensor, labels: torch.Tensor, side: int) -> torch.Tensor:
    """Return pictures of N×z_dim latents and N labels, N×3×side×side in [-1, 1], on the CPU.

    What a growing generator draws smaller is enlarged.
    """
    pairs = zip(latents.split(PART), labels.split(PART), strict=True)
    drawn = torch.cat([network(z, label).clamp(-1, 1).cpu() for z, label in pairs])
    return drawn.repeat_interleave(side // drawn.shape[2], 2).repeat_interleave(side // drawn.shape[3], 3)


def train(
    data: Path,
    out: Path,
    *,
    family: str,
    resume: bool = False,
    steps: int = 2000,
    side: int = 64,
    tile: int | None = None,
    batch_size: int = 32,
    z_dim: int = 128,
    width: int | None = None,
    hue: float = HUE,
    seed: int = 0,
) -> Iterator[Step]:
    """Train `family` on the pictures below `data`; leave `FAMILY.safetensors` and `sheet.png` in `out`.

    Yields as `train_on`; the last one's result is the path of the file.

    Args:
        data: Folder of pictures; for "cgan" with a folder for each kind.
        out: Folder for the checkpoint and the rest.
        family: A name in `families.FAMILIES`.
        resume: Go on from the checkpoint in `out`.
        steps: Iterations.
        side: Of the pictures: 16, 32, 64 or 128.
        tile: If given, each file is a mosaic of pictures of so many pixels a side.
        batch_size: Pictures of an iteration.
        z_dim: Numbers of a latent.
        width: Channels at the largest size, if not the usual ones.
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
    source = from_folder(data, side, tile=tile, hue=hue)
    sizes = {"batch_size": batch_size, "z_dim": z_dim, "width": width}
    course = train_on(source, family, state, steps=steps, seed=seed, **sizes)
    if not resume:
        state.unlink(missing_ok=True)
    for step in course:
        if step.preview is not None and processes.is_first():
            out.mkdir(parents=True, exist_ok=True)
            Image.fromarray(step.preview).save(out / "sheet.png")
        if step.result is None:
            yield step
    path = out / f"{family}.safetensors"
    if processes.is_first():
        model.save(*step.result, path)
    yield Step(steps, steps, message="done", result=path)


train_gan = partial(train, family="gan")
train_cgan = partial(train, family="cgan")
train_dcgan = partial(train, family="dcgan")
train_unrolled = partial(train, family="unrolled")
train_wgan = partial(train, family="wgan")
train_wgan_gp = partial(train, family="wgan-gp")
train_aegan = partial(train, family="aegan")
train_progressive = partial(train, family="progressive")
