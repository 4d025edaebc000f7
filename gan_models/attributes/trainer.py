"""Train the network that rates faces, on labels of three kinds.

UTKFace's names hold age and sex. The One Million Impressions faces were rated by people: smile, long hair, the
darkness of hair and the gender are taken from there, after the faces were cut as UTKFace's are. The pose is measured:
how far the mouth is to the side of the eyes' middle where OpenCV's cascades see all three, which a turned head shows.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from gan_models.attributes import DEVIATIONS, MEANS, NAMES
from gan_models.attributes.network import SIDE, FaceAttributes
from gan_models.device import training_precision
from gan_models.images import decode
from gan_models.images.faces import CROPS, Face, cut, find_faces, measured
from gan_models.images.folders import list_pictures
from gan_models.training.loop import Network, Report, Trainer, descend

RATED = {"smile": "happy", "long_hair": "long-haired", "dark_hair": "hair-color"}
POSED = 6000  # faces of UTKFace whose pose is measured
HELD_OUT = 10  # every tenth face is held out
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 1e-2
BATCH, RATED_BATCH = 64, 32  # of which so many are from the rated faces
AGE, GENDER, POSE = (NAMES.index(name) for name in ("age", "gender", "pose"))


class Attributes(Trainer):
    """Train the network that rates faces; leave `attributes.safetensors`.

    What is cut and measured at first is kept in `faces.npz`. The result says how well each attribute of held-out
    faces is rated: the correlation with the labels, and for the gender the share that is right.

    Args:
        data: Folder of the folders faces-utk-128 and faces-omi-192.
        steps: Iterations.
    """

    data: Path
    steps: int = 6000

    def build(self) -> None:
        """Cut and measure the faces, and make the network and what it learns by."""
        sets = _prepared(self.data, self.out and self.out / "faces.npz")
        self.learned, self.held_out = zip(*(_split(*one) for one in sets), strict=True)
        self.network = FaceAttributes(attributes=len(NAMES)).to(self.device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, LEARNING_RATE, self.steps)
        self.parts = {name: getattr(self, name) for name in ("network", "optimizer", "schedule")}

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """Learn to rate a batch of faces from both sets."""
        counts = BATCH - RATED_BATCH, RATED_BATCH
        drawn = [_batch(faces, labels, count) for (faces, labels), count in zip(self.learned, counts, strict=True)]
        faces, labels = self.batch(*augmented(*(torch.cat(parts) for parts in zip(*drawn, strict=True))))
        self.network.train()
        with training_precision(self.device):
            scores = self.network(faces)
        loss = rating_loss(scores.float(), labels)
        descend(self.optimizer, loss)
        self.schedule.step()
        return {"rating": loss}

    def validate(self) -> Report:
        """Return how well held-out faces are rated."""
        self.network.eval()
        self.figures = evaluate(self.from_cpu(self.network), self.held_out)
        return Report(", ".join(f"{name} {value:.3f}" for name, value in self.figures.items()), result=self.figures)

    def weights(self) -> dict:
        """Return the network, with what is said of it."""
        return {"attributes": (self.network.state_dict(), {name: f"{self.figures[name]:.3f}" for name in NAMES})}


def rating_loss(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean loss over the attributes, of which N×6 `labels` that are NaN don't count.

    The gender's is the cross-entropy, the others' the smooth L1 distance.
    """
    known = ~labels.isnan()
    targets = torch.where(known, labels, torch.zeros(()))
    errors = F.smooth_l1_loss(scores, targets, reduction="none")
    gender = F.binary_cross_entropy_with_logits(scores[:, GENDER], targets[:, GENDER], reduction="none")
    errors = torch.cat([errors[:, :GENDER], gender[:, None], errors[:, GENDER + 1 :]], 1) * known
    return (errors.sum(0) / known.sum(0).clamp(min=1)).mean()


def augmented(faces: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirror, which turns the pose; shift, zoom and turn a little; change brightness and contrast."""
    count = len(faces)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    zoom, turn = 1 + 0.08 * (2 * torch.rand(count) - 1), 0.12 * (2 * torch.rand(count) - 1)
    transform = torch.zeros(count, 2, 3)
    transform[:, 0, 0], transform[:, 0, 1] = zoom * turn.cos() * mirror, -zoom * turn.sin()
    transform[:, 1, 0], transform[:, 1, 1] = zoom * turn.sin() * mirror, zoom * turn.cos()
    transform[:, :, 2] = 0.12 * (torch.rand(count, 2) - 0.5)
    grid = F.affine_grid(transform, list(faces.shape), align_corners=False)
    faces = F.grid_sample(faces, grid, padding_mode="reflection", align_corners=False)
    gain, offset = 0.75 + 0.5 * torch.rand(count, 1, 1, 1), 0.2 * (torch.rand(count, 1, 1, 1) - 0.5)
    labels = labels.clone()
    labels[:, POSE] *= mirror
    return ((faces - 0.5) * gain + 0.5 + offset).clamp(0, 1), labels


def _batch(faces: torch.Tensor, labels: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    chosen = torch.randint(len(faces), (count,))
    return faces[chosen] / 255, labels[chosen]


def _split(faces: torch.Tensor, labels: torch.Tensor) -> tuple[tuple, tuple]:
    """Return what is learned from and what is held out."""
    held = torch.arange(len(faces)) % HELD_OUT == 0
    return (faces[~held], labels[~held]), (faces[held], labels[held])


@torch.inference_mode()
def evaluate(network: Network, held_out: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, float]:
    """Return how well `network` rates the faces of each of `held_out`: accuracy or correlation."""
    scores = torch.cat([network(part / 255) for faces, _ in held_out for part in faces.split(200)]).numpy()
    labels = torch.cat([truth for _, truth in held_out]).numpy()
    figures = {}
    for index, name in enumerate(NAMES):
        known = ~np.isnan(labels[:, index])
        mine, truth = scores[known, index], labels[known, index]
        right = np.mean((mine > 0) == (truth > 0.5)) if name == "gender" else np.corrcoef(mine, truth)[0, 1]
        figures[name] = float(right)
    return figures


def _prepared(data: Path, kept: Path | None) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return faces, N×3×64×64 uint8, and labels, N×6 or NaN, of both sets; read from `kept`, or left there."""
    if kept and kept.exists():
        with np.load(kept) as file:
            arrays = [file[name] for name in file.files]
    else:
        arrays = [*_utkface(data / "faces-utk-128"), *_rated(data / "faces-omi-192")]
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, *arrays)
    faces, labels, rated, ratings = map(torch.from_numpy, arrays)
    return [(faces, labels), (rated, ratings)]


def _utkface(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    paths = list_pictures(folder)
    order = np.random.default_rng(0).permutation(len(paths))  # names are sorted by age
    faces: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    for place in order:
        picture, parts = decode(paths[place])[:, :, :3], paths[place].name.split("_")
        row = np.full(len(NAMES), np.nan, np.float32)
        row[AGE] = (int(parts[0]) - MEANS[AGE]) / DEVIATIONS[AGE]
        if len(parts) == 4 and parts[1] in "01":
            row[GENDER] = 1 - int(parts[1])
        if len(faces) < POSED:
            row[POSE] = pose(measured(picture))
        faces.append(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).transpose(2, 0, 1))
        rows.append(row)
    labels = np.array(rows)
    labels[:, POSE] /= np.nanstd(labels[:, POSE])
    return np.array(faces), labels


def pose(face: Face | None) -> float:
    """Return how far the mouth is to the right of the eyes' middle, in units of their distance; NaN for no face."""
    if face is None:
        return np.nan
    across = face.right_eye - face.left_eye
    return float((face.mouth - (face.left_eye + face.right_eye) / 2) @ across / (across @ across))


def _rated(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    with (folder / "attribute_means.csv").open(encoding="utf-8") as file:
        ratings = {row["stimulus"]: row for row in csv.DictReader(file)}
    faces, labels = [], []
    for path in list_pictures(folder):
        picture = decode(path)[:, :, :3]
        found = find_faces(picture)
        if not found or path.stem not in ratings:
            continue
        row = np.full(len(NAMES), np.nan, np.float32)
        for name, rating in RATED.items():
            row[NAMES.index(name)] = float(ratings[path.stem][rating])
        row[GENDER] = float(ratings[path.stem]["gender"]) > 50
        faces.append(cut(picture, found[0], CROPS["utkface"], SIDE).transpose(2, 0, 1))
        labels.append(row)
    labels = np.array(labels)
    for name in RATED:
        column = labels[:, NAMES.index(name)]
        column[:] = (column - column.mean()) / column.std()
    return np.array(faces), labels
