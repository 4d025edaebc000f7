"""Train the network that tells faces apart, on one picture of each person.

Nobody is in UTKFace twice as far as its labels say, so a second picture of a person is made of the first: mirrored,
shifted, turned, lit from elsewhere, in other colours. Two such pictures are to be nearer to each other than to those
of anybody else (SimCLR, Chen et al. 2020, equation 1). Sex and ethnicity, as labelled, are to be read off; age,
smile, hair and pose are not, so that a person stays the same with another expression: what the numbers say is kept
uncorrelated with what `face-attributes-compact` says of these.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from gan_models import checkpoints
from gan_models.attributes import NAMES
from gan_models.attributes.network import SIDE, FaceIdentity
from gan_models.attributes.trainer import augmented
from gan_models.device import training_precision
from gan_models.images.folders import list_pictures
from gan_models.training.datasets import squares
from gan_models.training.loop import Network, Report, Trainer, descend

RATER = "face-attributes-compact"
CHANGING = tuple(NAMES.index(name) for name in ("age", "smile", "long_hair", "dark_hair", "pose"))
BATCH, HELD_OUT = 64, 1000
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 1e-2
TEMPERATURE = 0.1
LABELLED, UNCORRELATED = 0.5, 2.0  # weights beside the contrast's
KINDS = (2, 5)  # of sex and ethnicity
UNKNOWN = -100  # what cross entropy passes over
GRADIENT, TINT = 0.5, 0.15  # how far light differs from side to side, and colours from picture to picture


class Identity(Trainer):
    """Train the network that tells faces apart; leave `identity.safetensors`.

    The result tells of a thousand faces that were held out: how often the picture that is nearest to a changed one
    is the same face's, how often sex and ethnicity are read off rightly, and the greatest correlation of age, smile,
    hair and pose with any direction of the numbers.

    Args:
        data: Folder of UTKFace.
        steps: Iterations.
    """

    data: Path
    steps: int = 1000
    validate_every = 250

    def build(self) -> None:
        """Open the faces and have them rated; make the network and what it learns by."""
        pictures, labels = squares(self.data, SIDE), _labels(self.data)
        order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))  # names are sorted by age
        self.faces, self.labels = pictures.some(order.tolist()), labels[order]
        self.ratings = self.rated()
        self.network = FaceIdentity().to(self.device, memory_format=torch.channels_last)
        self.heads = nn.ModuleList(nn.Linear(64, n) for n in KINDS).to(self.device)
        learned = [*self.network.parameters(), *self.heads.parameters()]
        self.optimizer = torch.optim.AdamW(learned, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, LEARNING_RATE, self.steps)
        self.parts = {name: getattr(self, name) for name in ("network", "heads", "optimizer", "schedule")}

    @torch.inference_mode()
    def rated(self) -> torch.Tensor:
        """Return what the network of attributes says of the faces, of what changes about them, N×5."""
        rater = self.from_cpu(checkpoints.load(RATER, str(self.device)))
        parts = torch.arange(len(self.faces)).split(200)
        return torch.cat([rater(self.faces.batch(part) / 255) for part in parts])[:, CHANGING]

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """Bring two views of a face nearer to each other than to those of other faces."""
        chosen = torch.randint(HELD_OUT, len(self.faces), (BATCH,))
        faces = self.faces.batch(chosen)
        views = torch.cat(self.batch(changed(faces), changed(faces)))
        labels, ratings = self.batch(self.labels[chosen], self.ratings[chosen])
        self.network.train()
        with training_precision(self.device):
            found = self.network(views).float()
        contrast = contrastive(*found.chunk(2))
        named = sum(
            F.cross_entropy(head(8 * found), labels[:, kind].repeat(2), ignore_index=UNKNOWN)
            for kind, head in enumerate(self.heads)
        )
        told = correlation(found, ratings.repeat(2, 1))
        descend(self.optimizer, contrast + LABELLED * named + UNCORRELATED * told)
        self.schedule.step()
        return {"contrast": contrast, "labels": named, "correlation": told}

    def validate(self) -> Report:
        """Return how well faces that are held out are told apart."""
        self.network.eval()
        held_out = self.faces.batch(torch.arange(min(HELD_OUT, len(self.faces))))
        network, *heads = map(self.from_cpu, (self.network, *self.heads))
        self.figures = evaluate(network, heads, held_out, self.labels[:HELD_OUT], self.ratings[:HELD_OUT])
        return Report(", ".join(f"{name} {value:.3f}" for name, value in self.figures.items()), result=self.figures)

    def weights(self) -> dict:
        """Return the network, with what is said of it."""
        figures = {name: f"{value:.3f}" for name, value in self.figures.items()}
        return {"identity": (self.network.state_dict(), figures)}


def contrastive(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the cross entropy of finding each row's partner among all other rows of two N×D sets of unit vectors.

    Chen et al. 2020, equation 1, where cosines are divided by a temperature of 0.1.
    """
    both, count = torch.cat([first, second]), len(first)
    cosines = (both @ both.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    return F.cross_entropy(cosines, torch.arange(2 * count, device=both.device).roll(count))


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
    network: Network, heads: Sequence[Network], faces: torch.Tensor, labels: torch.Tensor, ratings: torch.Tensor
) -> dict[str, float]:
    """Return how well `network` finds faces again, N×3×64×64 uint8, and what else its numbers tell."""
    plain, other = (
        torch.cat([network(part) for part in views.split(200)]) for views in (faces / 255, changed(faces))
    )
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
