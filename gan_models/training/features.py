"""Train the compact feature network to classify small pictures.

The pictures are zoomed, shifted and enlarged at random, so that the features serve pictures larger and
smoother than 32 pixels too. The last epochs show them at their own size alone: a network trained on objects
that are larger on average than those it is shown later does worse than it could (Touvron et al. 2019).
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

from gan_models.device import training_precision
from gan_models.nn.features.network import VGG, fold_batch_norm
from gan_models.training.checkpoint import Values
from gan_models.training.datasets import Pictures
from gan_models.training.loop import Report, Trainer, descend

TILE = 32
SIZES, ZOOM = (32, 32, 32, 32, 32, 32, 32, 40, 40, 48), 1.25
LEARNING_RATE, SETTLING_RATE = 0.2, 0.01


def compact_network(batch_norm: bool, classes: int = 10) -> VGG:
    """Return an untrained compact VGG: 1.3 million parameters, average pooling."""
    return VGG((32, 64, 128, 192), (2, 2, 3, 3), "average", batch_norm=batch_norm, num_classes=classes)


def load_mosaics(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Read the mosaics of 32×32 tiles in `folder`/<class> as N×3×32×32 uint8 pictures and N labels.

    Raises:
        ValueError: There are none.
    """
    pictures, labels = [], []
    for label, name in enumerate(sorted(path.name for path in folder.iterdir() if path.is_dir())):
        for mosaic in Pictures(folder / name):
            rows, columns = mosaic.shape[0] // TILE, mosaic.shape[1] // TILE
            tiles = mosaic.reshape(rows, TILE, columns, TILE, 3).transpose(0, 2, 4, 1, 3)
            pictures.append(torch.from_numpy(tiles.reshape(-1, 3, TILE, TILE).copy()))
            labels.append(torch.full((rows * columns,), label))
    if not pictures:
        raise ValueError(f"No folders of mosaics in {folder}.")
    return torch.cat(pictures), torch.cat(labels)


def changes(count: int, zoom: float) -> torch.Tensor:
    """Return N×2×3 affine maps: mirrored, zoomed by up to `zoom` in or out, shifted by up to 4 of 32 pixels."""
    zooms = torch.exp(torch.empty(count).uniform_(-math.log(zoom), math.log(zoom)))
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    transform = torch.zeros(count, 2, 3)
    transform[:, 0, 0] = zooms * mirror
    transform[:, 1, 1] = zooms
    transform[:, :, 2] = torch.empty(count, 2).uniform_(-0.25, 0.25)
    return transform


def changed(pictures: torch.Tensor, transforms: torch.Tensor, size: int) -> torch.Tensor:
    """Return N×3×32×32 pictures in [0, 1], seen through N×2×3 affine maps, as N×3×size×size."""
    grid = F.affine_grid(transforms, [len(pictures), 3, size, size], align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def rate(step: int, main: int, total: int) -> float:
    """Return the learning rate: up for a fifth of `main` steps and down again, then a small one that falls to 0."""
    rise = 0.2 * main
    if step < rise:
        return LEARNING_RATE * (1 - 0.96 * (1 + math.cos(math.pi * step / rise)) / 2)
    if step < main:
        return LEARNING_RATE * (1 + math.cos(math.pi * (step - rise) / (main - rise))) / 2
    return SETTLING_RATE * (1 - (step - main) / max(1, total - main))


@torch.inference_mode()
def accuracy(logits: Callable[[torch.Tensor], torch.Tensor], pictures: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of N×3×32×32 uint8 pictures whose `logits` are right, each seen once as it is."""
    right = 0
    for batch, truth in zip(pictures.split(500), labels.split(500), strict=True):
        right += int((logits(batch / 255).argmax(1) == truth).sum())
    return right / len(labels)


class Features(Trainer):
    """Train the compact VGG on mosaics; leave `features.safetensors`, with batch normalisation folded in.

    Stochastic gradient descent, `epochs` on a one-cycle schedule at mixed sizes, then `settling` more of the
    pictures at their own size and a small, falling rate. The result is the accuracy on the test part.

    Args:
        data: Folder of the folders train and test, each with a folder of mosaics for each class.
        epochs: At mixed sizes.
        settling: Epochs at the pictures' own size.
        batch_size: Pictures of a step.
    """

    data: Path
    epochs: int = 24
    settling: int = 5
    batch_size: int = 128

    def build(self) -> None:
        """Read the mosaics, 3 kB a picture, which stay on the device, and make the network and what it learns by."""
        (self.pictures, self.labels), self.others = (
            [part.to(self.device) for part in load_mosaics(self.data / name)] for name in ("train", "test")
        )
        classes = int(self.labels.max()) + 1
        self.network = compact_network(True, classes).to(self.device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), lr=LEARNING_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4
        )
        self.per_epoch = self.validate_every = len(self.pictures) // self.batch_size
        if self.per_epoch == 0:
            raise ValueError(f"{len(self.pictures)} pictures are too few: one step takes {self.batch_size}.")
        self.main, self.steps = (epochs * self.per_epoch for epochs in (self.epochs, self.epochs + self.settling))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: rate(step, self.main, self.steps) / LEARNING_RATE
        )
        self.order = Values()
        self.parts = {name: getattr(self, name) for name in ("network", "optimizer", "schedule", "order")}

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """Learn the classes of a batch."""
        place = index % self.per_epoch
        if place == 0:
            self.order["pictures"] = torch.randperm(len(self.pictures))
        indices = self.order["pictures"][place * self.batch_size :][: self.batch_size]
        size, zoom = (SIZES[int(torch.randint(len(SIZES), ()))], ZOOM) if index < self.main else (TILE, 1)
        indices, transforms = self.batch(indices, changes(len(indices), zoom))
        pictures = changed(self.pictures[indices] / 255, transforms, size)
        self.network.train()
        with training_precision(self.device):
            scores = self.network.logits(pictures.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(scores.float(), self.labels[indices])
        descend(self.optimizer, loss)
        self.schedule.step()
        return {"cross-entropy": loss}

    def validate(self) -> Report:
        """Return the accuracy on the test part."""
        self.plain = fold_batch_norm(self.network.eval()).to(self.device)
        self.accuracy = accuracy(self.plain.logits, *self.others)
        return Report(f"{self.accuracy:.2%} of the test part right", result=self.accuracy)

    def weights(self) -> dict:
        """Return the network without batch normalisation."""
        return {"features": (self.plain.state_dict(), {"accuracy": f"{self.accuracy:.4f}"})}
