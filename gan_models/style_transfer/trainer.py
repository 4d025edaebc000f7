"""Train a transformer network for one style (Johnson et al. 2016, section 3)."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from gan_models import checkpoints
from gan_models.checkpoints.save import save_half
from gan_models.device import mixed_precision, pick_device
from gan_models.images import decode, flatten
from gan_models.images.tensors import to_tensor
from gan_models.jobs import Step
from gan_models.style_transfer import CONTENT_LAYER, STYLE_LAYERS
from gan_models.style_transfer.losses import content_loss, grams, style_loss, total_variation
from gan_models.style_transfer.network import LEVELS, TransformerNet
from gan_models.training import checkpoint
from gan_models.training.datasets import load_squares
from gan_models.training.ema import EMA

CHANNELS, BLOCKS = (16, 32, 64), 4
STYLE_SIDE = 512  # pixels of the style's shorter side
SIDE, LOADED = 128, 192  # pixels of patches, and of the squares that they are cut from
CONTENT_WEIGHT, STYLE_WEIGHT, SMOOTHNESS_WEIGHT = 0.15, 1.0, 2.0
LEARNING_RATE = 2e-3
SHEET = 6


def train(
    data: Path,
    out: Path,
    style: Path,
    *,
    start: Path | None = None,
    resume: bool = False,
    steps: int = 6000,
    batch_size: int = 2,
    seed: int = 0,
) -> Iterator[Step]:
    """Train on the photos below `data` for the picture `style`; leave `style.safetensors` in `out`.

    Args:
        data: Photos.
        out: For checkpoints and weights.
        style: A painting or a texture.
        start: The folder of a training for another style to start from.
        resume: Go on from the checkpoint in `out`.
        steps: Batches.
        batch_size: Patches in each.
        seed: Of the first weights and the patches.

    Yields a `Step` every 20 iterations, and one with a sheet at each checkpoint.

    Raises:
        ValueError: There are no pictures, or no style.
    """
    device = pick_device()
    torch.manual_seed(seed)
    features = checkpoints.load("features-compact", str(device)).to(memory_format=torch.channels_last)
    wanted = grams(features, to_tensor(scaled(flatten(decode(style)), STYLE_SIDE)).to(device))
    squares = torch.from_numpy(load_squares(data, LOADED))
    network = untrained().to(device, memory_format=torch.channels_last)
    ema = EMA(network, 0.99)
    last = [*network.deconv3.parameters()]
    others = [parameter for name, parameter in network.named_parameters() if not name.startswith("deconv3.")]
    # The last layer draws in levels of 255: at the others' rate it would take that many times as long to learn.
    rates = [LEARNING_RATE, LEVELS * LEARNING_RATE]
    optimizer = torch.optim.Adam([{"params": others}, {"params": last}], lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, steps, pct_start=0.1)
    parts = {"network": network, "ema": ema, "optimizer": optimizer, "schedule": schedule}
    if start is not None:
        checkpoint.load(start / "checkpoint.pt", {"network": network})
        ema = parts["ema"] = EMA(network, 0.99)
    step = checkpoint.load(out / "checkpoint.pt", parts) if resume else 0
    while step < steps:
        photos = patches(squares, batch_size).to(device, memory_format=torch.channels_last)
        with mixed_precision(device, bfloat16=True):
            drawn = network(photos)
            found = features(drawn, (*STYLE_LAYERS, CONTENT_LAYER))
            with torch.no_grad():
                kept = features(photos, (CONTENT_LAYER,))[CONTENT_LAYER]
        losses = {
            "style": STYLE_WEIGHT * style_loss(found, wanted),
            "content": CONTENT_WEIGHT * content_loss(found[CONTENT_LAYER], kept),
            "smoothness": SMOOTHNESS_WEIGHT * total_variation(drawn.float()),
        }
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        ema.update(network)
        step += 1
        if step % 20 == 0:
            yield Step(step, steps, losses={name: loss.item() for name, loss in losses.items()})
        if step % 250 == 0 or step == steps:
            checkpoint.save(out / "checkpoint.pt", step, parts)
            picture = sheet(ema.network, squares, device)
            cv2.imwrite(str(out / "sheet.png"), picture[:, :, ::-1])
            yield Step(step, steps, preview=picture, message=f"{step * batch_size} patches")
    save_half(ema.network.state_dict(), out / "style.safetensors", {"patches": str(step * batch_size)})
    yield Step(steps, steps, message="done", result=ema.network)


def untrained() -> TransformerNet:
    """Return a network of the embedded styles' size, whose first pictures are about a middle grey."""
    network = TransformerNet(CHANNELS, BLOCKS)
    with torch.no_grad():
        network.deconv3.conv2d.weight.mul_(LEVELS / 4)
        network.deconv3.conv2d.bias.fill_(LEVELS / 2)
    return network


def scaled(picture: np.ndarray, side: int) -> np.ndarray:
    """Return `picture`, H×W×3 uint8, with `side` pixels along its shorter side."""
    factor = side / min(picture.shape[:2])
    size = [max(side, round(length * factor)) for length in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def patches(squares: torch.Tensor, count: int) -> torch.Tensor:
    """Return count×3×128×128 patches in [0, 1] from random places of N×3×192×192 squares, mirrored at random."""
    cut = []
    for index in torch.randint(len(squares), (count,)).tolist():
        top, left = torch.randint(squares.shape[2] - SIDE + 1, (2,)).tolist()
        patch = squares[index, :, top : top + SIDE, left : left + SIDE]
        cut.append(patch.flip(2) if torch.rand(()) < 0.5 else patch)
    return torch.stack(cut) / 255


@torch.inference_mode()
def sheet(network: TransformerNet, squares: torch.Tensor, device: torch.device) -> np.ndarray:
    """Return the first photos over what becomes of them, uint8."""
    photos = squares[:SHEET].to(device) / 255
    rows = [torch.cat(list(part), 2) for part in (photos, network(photos))]
    return (torch.cat(rows, 1).clamp(0, 1) * 255).permute(1, 2, 0).to("cpu", torch.uint8).numpy()
