"""Train the network that labels facades, on the pairs of the CMP facade database (Tyleček and Šára 2013)."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from gan_models.images.facades import FACADE_LABELS, label_map
from gan_models.images.folders import list_pictures
from gan_models.metrics.fcn_score import FCNScore, fcn_score
from gan_models.nn.segmentation.network import SegmentationUNet
from gan_models.training.datasets import Pictures
from gan_models.training.ema import EMA
from gan_models.training.loop import Network, Report, Trainer, descend

LEARNING_RATE, WEIGHT_DECAY = 3e-3, 1e-2
ZOOM, SHIFT = 1.3, 0.15
NOWHERE = -1


class Segmentation(Trainer):
    """Train the network that labels facades; leave `facades-segmentation-compact.safetensors`.

    The files show a photo and its labels side by side. What is kept is the running average of the weights; the result
    is its `FCNScore` on the photos of `data/test`.

    Args:
        data: Folder of the folders train and val, which are learned from, and test.
        steps: Iterations.
        batch_size: Pictures in each.
    """

    data: Path
    steps: int = 5000
    batch_size: int = 8

    def build(self) -> None:
        """Make the network and what it learns by, and open the pictures."""
        self.network = SegmentationUNet(len(FACADE_LABELS)).to(self.device, memory_format=torch.channels_last)
        side = self.network.side
        self.pairs, self.test = (Pairs(self.data, parts, side) for parts in (("train", "val"), ("test",)))
        self.ema = EMA(self.network)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, LEARNING_RATE, self.steps)
        self.parts = {name: getattr(self, name) for name in ("network", "ema", "optimizer", "schedule")}

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """Learn the labels of a batch."""
        photos, labels = self.pairs.batch(torch.randint(len(self.pairs), (self.batch_size,)))
        photos, labels = self.batch(*augmented(photos / 255, labels))
        loss = F.cross_entropy(self.network(photos), labels, ignore_index=NOWHERE)
        descend(self.optimizer, loss)
        self.schedule.step()
        self.ema.update(self.network)
        return {"cross-entropy": loss}

    def validate(self) -> Report:
        """Return how well the average labels the photos of the test part."""
        self.score = evaluate(self.from_cpu(self.ema.network), *self.test.batch(torch.arange(len(self.test))))
        named = (f"{name.replace('_', ' ')} {value:.3f}" for name, value in self.score._asdict().items())
        return Report(", ".join(named), result=self.score)

    def weights(self) -> dict:
        """Return the average, with its score."""
        figures = {name: f"{value:.4f}" for name, value in self.score._asdict().items()}
        return {"facades-segmentation-compact": (self.ema.network.state_dict(), figures)}


class Pairs(Pictures):
    """Photos and their labels, which the files below some folders show side by side.

    Args:
        data: Where these folders are.
        parts: Their names.
        side: What photos and labels are brought to.
    """

    def __init__(self, data: Path, parts: tuple[str, ...], side: int):
        paths = [path for part in parts for path in list_pictures(data / part)]
        super().__init__(paths, partial(photo_and_labels, side=side))

    def batch(self, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return N photos, N×3×side×side uint8, and their labels, N×side×side."""
        photos, labels = zip(*(self[index] for index in indices.tolist()), strict=True)
        return torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2), torch.from_numpy(np.stack(labels)).long()


def photo_and_labels(picture: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the photo, side×side×3 uint8, and the labels, side×side uint8, that `picture` shows side by side."""
    half = picture.shape[1] // 2
    photo = cv2.resize(picture[:, :half], (side, side), interpolation=cv2.INTER_AREA)
    places = label_map(picture[:, half:]).astype(np.uint8)
    return photo, cv2.resize(places, (side, side), interpolation=cv2.INTER_NEAREST)


def augmented(photos: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirror, zoom and shift N×3×H×W photos in [0, 1] and N×H×W labels alike; change the photos' colours.

    What comes from outside a picture has the label -1.
    """
    count = len(photos)
    transform = torch.zeros(count, 2, 3)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    for axis, sign in enumerate((mirror, 1)):
        transform[:, axis, axis] = sign * ZOOM ** (2 * torch.rand(count) - 1)
    transform[:, :, 2] = SHIFT * (2 * torch.rand(count, 2) - 1)
    grid = F.affine_grid(transform, list(photos.shape), align_corners=False)
    photos = F.grid_sample(photos, grid, padding_mode="reflection", align_corners=False)
    # One is added before and taken off after, as what lies outside is sampled as 0.
    moved = F.grid_sample((labels[:, None] + 1).float(), grid, mode="nearest", align_corners=False)[:, 0].long() - 1
    gain, offset = 0.7 + 0.6 * torch.rand(count, 3, 1, 1), 0.3 * (torch.rand(count, 1, 1, 1) - 0.5)
    return ((photos - 0.5) * gain + 0.5 + offset).clamp(0, 1), moved


@torch.inference_mode()
def evaluate(network: Network, photos: torch.Tensor, labels: torch.Tensor) -> FCNScore:
    """Return how well N×3×H×W uint8 `photos` are labelled."""
    found = [network(part / 255).argmax(1) for part in photos.split(20)]
    return fcn_score(torch.cat(found).numpy(), labels.numpy())
