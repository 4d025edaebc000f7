"""Train the network that tells faces apart, on one picture of each person.

Nobody is in UTKFace twice as far as its labels say, so a second picture of a person is made of the first: mirrored,
shifted, turned, lit from elsewhere, in other colours. Two such pictures are to be nearer to each other than to those
of anybody else (SimCLR, Chen et al. 2020, equation 1). Sex and ethnicity, as labelled, are to be read off; age,
smile, hair and pose are not, so that a person stays the same with another expression: what the numbers say is kept
uncorrelated with what `face-attributes-compact` says of these.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from gan_models import checkpoints
from gan_models.attributes import NAMES
from gan_models.attributes.network import SIDE, FaceIdentity
from gan_models.attributes.trainer import augmented
from gan_models.checkpoints.save import save_half
from gan_models.device import training_precision
from gan_models.images.folders import list_pictures
from gan_models.jobs import Step
from gan_models.training import checkpoint
from gan_models.training.datasets import load_squares

RATER = "face-attributes-compact"
CHANGING = tuple(NAMES.index(name) for name in ("age", "smile", "long_hair", "dark_hair", "pose"))
BATCH, HELD_OUT = 64, 1000
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 1e-2
TEMPERATURE = 0.1
LABELLED, UNCORRELATED = 0.5, 2.0  # weights beside the contrast's
KINDS = (2, 5)  # of sex and ethnicity
UNKNOWN = -100  # what cross entropy passes over
GRADIENT, TINT = 0.5, 0.15  # how far light differs from side to side, and colours from picture to picture


def train(data: Path, out: Path, *, resume: bool = False, steps: int = 1000, seed: int = 0) -> Iterator[Step]:
    """Train on the folder `data` of UTKFace; leave `identity.safetensors` in `out`.

    The last step's result tells of a thousand faces that were held out: how often the picture that is nearest to a
    changed one is the same face's, how often sex and ethnicity are read off rightly, and the greatest correlation of
    age, smile, hair and pose with any direction of the numbers.

    Raises:
        ValueError: There are no pictures.
    """
    torch.manual_seed(seed)
    yield Step(0, steps, message="reading faces")
    faces, labels = torch.from_numpy(load_squares(data, SIDE)), _labels(data)
    order = torch.randperm(len(faces), generator=torch.Generator().manual_seed(0))  # names are sorted by age
    faces, labels = faces[order], labels[order]
    ratings = _ratings(faces)
    held_out = faces[:HELD_OUT], labels[:HELD_OUT], ratings[:HELD_OUT]
    network, heads = (
        FaceIdentity().to(memory_format=torch.channels_last),
        nn.ModuleList(nn.Linear(64, n) for n in KINDS),
    )
    learned = [*network.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(learned, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps)
    parts = {"network": network, "heads": heads, "optimizer": optimizer, "schedule": schedule}
    step = checkpoint.load(out / "checkpoint.pt", parts) if resume else 0
    while step < steps:
        chosen = torch.randint(HELD_OUT, len(faces), (BATCH,))
        views = torch.cat([changed(faces[chosen]) for _ in range(2)])
        with training_precision(torch.device("cpu")):
            found = network(views.contiguous(memory_format=torch.channels_last)).float()
        contrast = contrastive(*found.chunk(2))
        named = sum(
            F.cross_entropy(head(8 * found), labels[chosen, index].repeat(2), ignore_index=UNKNOWN)
            for index, head in enumerate(heads)
        )
        told = correlation(found, ratings[chosen].repeat(2, 1))
        loss = contrast + LABELLED * named + UNCORRELATED * told
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        step += 1
        if step % 20 == 0:
            losses = {"contrast": contrast.item(), "labels": named.item(), "correlation": told.item()}
            yield Step(step, steps, losses=losses)
        if step % 250 == 0 or step == steps:
            checkpoint.save(out / "checkpoint.pt", step, parts)
            figures = evaluate(network, heads, *held_out)
            yield Step(step, steps, message=", ".join(f"{name} {value:.3f}" for name, value in figures.items()))
    figures = evaluate(network, heads, *held_out)
    save_half(
        network.state_dict(), out / "identity.safetensors", {name: f"{value:.3f}" for name, value in figures.items()}
    )
    yield Step(steps, steps, message="done", result=figures)


def contrastive(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the cross entropy of finding each row's partner among all other rows of two N×D sets of unit vectors.

    Chen et al. 2020, equation 1, where cosines are divided by a temperature of 0.1.
    """
    both, count = torch.cat([first, second]), len(first)
    cosines = (both @ both.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    return F.cross_entropy(cosines, torch.arange(2 * count).roll(count))


def correlation(found: torch.Tensor, ratings: torch.Tensor) -> torch.Tensor:
    """Return the mean squared correlation of the columns of N×D `found` with those of N×K `ratings`."""
    centred = [(values - values.mean(0)) / (values.std(0, correction=0) + 1e-6) for values in (found, ratings)]
    return (centred[0].T @ centred[1] / len(found)).square().sum() / ratings.shape[1]


def changed(faces: torch.Tensor) -> torch.Tensor:
    """Return N×3×64×64 uint8 faces in [0, 1] as other pictures of the same people might be."""
    moved, _ = augmented(faces / 255, torch.zeros(len(faces), len(NAMES)))
    along = torch.linspace(-1, 1, SIDE)
    across, down = ((torch.rand(len(faces), 1, 1, 1) * 2 - 1) * GRADIENT for _ in range(2))
    light = 1 + across * along + down * along[:, None]
    tint = 1 + (torch.rand(len(faces), 3, 1, 1) * 2 - 1) * TINT
    return (moved * light * tint).clamp(0, 1)


@torch.inference_mode()
def evaluate(
    network: FaceIdentity, heads: nn.ModuleList, faces: torch.Tensor, labels: torch.Tensor, ratings: torch.Tensor
) -> dict[str, float]:
    """Return how well `network` finds faces again, N×3×64×64 uint8, and what else its numbers tell."""
    network.eval()
    plain, other = (
        torch.cat([network(part) for part in views.split(200)]) for views in (faces / 255, changed(faces))
    )
    network.train()
    figures = {"found again": float((other @ plain.T).argmax(1).eq(torch.arange(len(faces))).float().mean())}
    for index, (name, head) in enumerate(zip(("sex", "ethnicity"), heads, strict=True)):
        known = labels[:, index] != UNKNOWN
        figures[name] = float((head(8 * plain).argmax(1) == labels[:, index])[known].float().mean())
    design = torch.cat([plain, torch.ones(len(plain), 1)], 1)
    fitted = design @ torch.linalg.lstsq(design, ratings).solution
    for index, column in enumerate(CHANGING):
        figures[NAMES[column]] = float(torch.corrcoef(torch.stack([fitted[:, index], ratings[:, index]]))[0, 1])
    return figures


def _labels(folder: Path) -> torch.Tensor:
    """Return sex and ethnicity, N×2, of the files in `folder`, as their names say."""
    rows = []
    for path in list_pictures(folder):
        values = path.name.split("_")[1:-1]
        known = len(values) == 2 and all(
            value.isdigit() and int(value) < n for value, n in zip(values, KINDS, strict=True)
        )
        rows.append([int(value) for value in values] if known else [UNKNOWN] * 2)
    return torch.tensor(rows)


@torch.inference_mode()
def _ratings(faces: torch.Tensor) -> torch.Tensor:
    """Return what the network of attributes says of N×3×64×64 uint8 faces of what changes about them, N×5."""
    rater = checkpoints.load(RATER, "cpu")
    return torch.cat([rater(part / 255) for part in faces.split(200)])[:, CHANGING]
