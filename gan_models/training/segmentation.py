"""Train the network that labels facades, on the pairs of the CMP facade database (Tyleček and Šára 2013)."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from gan_models.checkpoints.save import save_half
from gan_models.images.facades import FACADE_LABELS, label_map
from gan_models.jobs import Step
from gan_models.metrics.fcn_score import FCNScore, fcn_score
from gan_models.nn.segmentation.network import SegmentationUNet
from gan_models.training import checkpoint
from gan_models.training.datasets import load_pictures
from gan_models.training.ema import EMA

LEARNING_RATE, WEIGHT_DECAY = 3e-3, 1e-2
ZOOM, SHIFT = 1.3, 0.15
SAVE_EVERY, REPORT_EVERY = 500, 20
NOWHERE = -1


def train(
    data: Path, out: Path, *, resume: bool = False, steps: int = 5000, batch_size: int = 8, seed: int = 0
) -> Iterator[Step]:
    """Train on `data/train` and `data/val`; leave `facades-segmentation-compact.safetensors` in `out`.

    The files show a photo and its labels side by side. Yields a `Step` every 20 iterations; the last one's result is
    the `FCNScore` of the running average of the weights, which is what is kept, on the photos of `data/test`.

    Args:
        data: Folder of the folders train, val and test.
        out: Folder for checkpoints and weights.
        resume: Go on from the checkpoint in `out`.
        steps: Iterations.
        batch_size: Pictures in each.
        seed: Of all that is random.

    Raises:
        ValueError: A folder holds no pictures.
    """
    torch.manual_seed(seed)
    network = SegmentationUNet(len(FACADE_LABELS)).to(memory_format=torch.channels_last)
    learned = [load_pairs(data / part, network.side) for part in ("train", "val")]
    photos, labels = (torch.cat(parts) for parts in zip(*learned, strict=True))
    test = load_pairs(data / "test", network.side)
    ema = EMA(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps)
    parts = {"network": network, "ema": ema, "optimizer": optimizer, "schedule": schedule}
    step = checkpoint.load(out / "checkpoint.pt", parts) if resume else 0
    while step < steps:
        chosen = torch.randint(len(photos), (batch_size,))
        seen, wanted = augmented(photos[chosen] / 255, labels[chosen])
        scores = network(seen.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(scores, wanted, ignore_index=NOWHERE)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        ema.update(network)
        step += 1
        if step % REPORT_EVERY == 0:
            yield Step(step, steps, losses={"cross-entropy": loss.item()})
        if step % SAVE_EVERY == 0 or step == steps:
            checkpoint.save(out / "checkpoint.pt", step, parts)
            yield Step(step, steps, message=_summary(evaluate(ema.network, *test)))
    score = evaluate(ema.network, *test)
    figures = {name: f"{value:.4f}" for name, value in score._asdict().items()}
    save_half(ema.network.state_dict(), out / "facades-segmentation-compact.safetensors", figures)
    yield Step(steps, steps, message=_summary(score), result=score)


def load_pairs(folder: Path, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return photos, N×3×side×side uint8, and labels, N×side×side, of the pictures below `folder`."""
    photos, labels = [], []
    for picture in load_pictures(folder):
        half = picture.shape[1] // 2
        photo = cv2.resize(picture[:, :half], (side, side), interpolation=cv2.INTER_AREA)
        places = label_map(picture[:, half:]).astype(np.uint8)
        photos.append(photo.transpose(2, 0, 1))
        labels.append(cv2.resize(places, (side, side), interpolation=cv2.INTER_NEAREST))
    return torch.from_numpy(np.array(photos)), torch.from_numpy(np.array(labels)).long()


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
def evaluate(network: SegmentationUNet, photos: torch.Tensor, labels: torch.Tensor) -> FCNScore:
    """Return how well N×3×H×W uint8 `photos` are labelled."""
    network.eval()
    found = [network(part / 255).argmax(1) for part in photos.split(20)]
    return fcn_score(torch.cat(found).numpy(), labels.numpy())


def _summary(score: FCNScore) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in score._asdict().items())
