"""Train the compact feature network to classify CIFAR-10.

The pictures are zoomed, shifted and enlarged at random, so that the features serve pictures larger and
smoother than 32 pixels too. The last epochs show them at their own size alone: a network trained on objects
that are larger on average than those it is shown later does worse than it could (Touvron et al. 2019).
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from gan_models.device import training_precision
from gan_models.jobs import Step
from gan_models.nn.features.network import VGG, fold_batch_norm
from gan_models.training import checkpoint

TILE = 32
SIZES, ZOOM = (32, 32, 32, 32, 32, 32, 32, 40, 40, 48), 1.25
LEARNING_RATE, SETTLING_RATE = 0.2, 0.01


def compact_network(batch_norm: bool) -> VGG:
    """Return an untrained compact VGG: 1.3 million parameters, average pooling, ten classes."""
    return VGG((32, 64, 128, 192), (2, 2, 3, 3), "average", batch_norm=batch_norm, num_classes=10)


def load_mosaics(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Read `folder/<class>/<n>.jpg`, mosaics of 32×32 tiles, as N×3×32×32 uint8 pictures and N labels."""
    pictures, labels = [], []
    for label, name in enumerate(sorted(path.name for path in folder.iterdir() if path.is_dir())):
        for path in sorted((folder / name).glob("*.jpg")):
            mosaic = np.asarray(Image.open(path).convert("RGB"))
            rows, columns = mosaic.shape[0] // TILE, mosaic.shape[1] // TILE
            tiles = mosaic.reshape(rows, TILE, columns, TILE, 3).transpose(0, 2, 4, 1, 3)
            pictures.append(torch.from_numpy(tiles.reshape(-1, 3, TILE, TILE).copy()))
            labels.append(torch.full((rows * columns,), label))
    if not pictures:
        raise ValueError(f"No mosaics <class>/<n>.jpg in {folder}.")
    return torch.cat(pictures), torch.cat(labels)


def augment(pictures: torch.Tensor, size: int, zoom: float) -> torch.Tensor:
    """Mirror, zoom by up to `zoom` in or out, shift by up to 4 pixels; N×3×32×32 in [0, 1] to N×3×size×size."""
    count = len(pictures)
    zooms = torch.exp(torch.empty(count).uniform_(-math.log(zoom), math.log(zoom)))
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    transform = torch.zeros(count, 2, 3)
    transform[:, 0, 0] = zooms * mirror
    transform[:, 1, 1] = zooms
    transform[:, :, 2] = torch.empty(count, 2).uniform_(-0.25, 0.25)
    grid = F.affine_grid(transform, [count, 3, size, size], align_corners=False)
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
def accuracy(network: VGG, pictures: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of N×3×32×32 uint8 pictures that `network` classifies rightly, each seen once as it is."""
    right = 0
    for batch, truth in zip(pictures.split(500), labels.split(500), strict=True):
        right += int((network.logits(batch / 255).argmax(1) == truth).sum())
    return right / len(labels)


def train(
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    epochs: int = 24,
    settling: int = 5,
    batch_size: int = 128,
    seed: int = 0,
) -> Iterator[Step]:
    """Train on `data/train`, checking on `data/test`; leave `features.safetensors` in `out`.

    Stochastic gradient descent, `epochs` on a one-cycle schedule at mixed sizes, then `settling` more of the
    pictures at their own size and a small, falling rate. Yields a `Step` every few batches; the last one's
    result is the accuracy on the test part.
    """
    from gan_models.checkpoints.save import save_half

    torch.manual_seed(seed)
    pictures, labels = load_mosaics(data / "train")
    network = compact_network(batch_norm=True).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=LEARNING_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    per_epoch = len(pictures) // batch_size
    if per_epoch == 0:
        raise ValueError(f"{len(pictures)} pictures are too few: one step takes {batch_size}.")
    main, total = epochs * per_epoch, (epochs + settling) * per_epoch
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, main, total) / LEARNING_RATE)
    parts = {"network": network, "optimizer": optimizer, "schedule": schedule}
    step = checkpoint.load(out / "checkpoint.pt", parts) if resume else 0
    while step < total:
        network.train()
        for indices in torch.randperm(len(pictures))[: per_epoch * batch_size].split(batch_size):
            size, zoom = (SIZES[int(torch.randint(len(SIZES), ()))], ZOOM) if step < main else (TILE, 1)
            batch = augment(pictures[indices] / 255, size, zoom).contiguous(memory_format=torch.channels_last)
            with training_precision(torch.device("cpu")):
                scores = network.logits(batch)
            loss = F.cross_entropy(scores.float(), labels[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
            if step % 20 == 0:
                yield Step(step, total, losses={"cross-entropy": loss.item()})
        checkpoint.save(out / "checkpoint.pt", step, parts)
    plain = fold_batch_norm(network.eval())
    share = accuracy(plain, *load_mosaics(data / "test"))
    save_half(plain.state_dict(), out / "features.safetensors", {"accuracy": f"{share:.4f}"})
    yield Step(total, total, message=f"{share:.2%} of the test part right", result=share)
