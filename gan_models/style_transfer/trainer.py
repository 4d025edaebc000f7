"""Train a transformer network for one style (Johnson et al. 2016, section 3)."""

from pathlib import Path

import cv2
import numpy as np
import torch

from gan_models import checkpoints
from gan_models.device import training_precision
from gan_models.images import decode, flatten
from gan_models.images.tensors import to_tensor
from gan_models.style_transfer import CONTENT_LAYER, STYLE_LAYERS
from gan_models.style_transfer.losses import content_loss, grams, style_loss, total_variation
from gan_models.style_transfer.network import LEVELS, TransformerNet
from gan_models.training import checkpoint
from gan_models.training.datasets import Pictures, squares
from gan_models.training.ema import EMA
from gan_models.training.loop import Network, Report, Trainer, descend

CHANNELS, BLOCKS = (16, 32, 64), 4
STYLE_SIDE = 512  # pixels of the style's shorter side
SIDE, LOADED = 128, 192  # pixels of patches, and of the squares that they are cut from
CONTENT_WEIGHT, STYLE_WEIGHT, SMOOTHNESS_WEIGHT = 0.15, 1.0, 2.0
LEARNING_RATE = 2e-3
SHEET = 6


class FastStyle(Trainer):
    """Train a network for one style; leave `style.safetensors`.

    Args:
        data: Folder of photos.
        style: A painting or a texture.
        start: Folder of a training for another style, to start from.
        steps: Iterations.
        batch_size: Patches in each.
    """

    data: Path
    style: Path
    start: Path | None = None
    steps: int = 6000
    batch_size: int = 2
    validate_every = 250

    def build(self) -> None:
        """Describe the style, open the photos, and make the network and what it learns by."""
        features = checkpoints.load("features-compact", str(self.device))
        self.features = features.to(memory_format=torch.channels_last)
        style = scaled(flatten(decode(self.style)), STYLE_SIDE)
        self.wanted = grams(features, to_tensor(style).to(self.device))
        self.photos = squares(self.data, LOADED)
        self.network = untrained().to(self.device, memory_format=torch.channels_last)
        # The last layer draws in levels of 255: at the others' rate it would take that many times as long to learn.
        rates = {False: LEARNING_RATE, True: LEVELS * LEARNING_RATE}
        groups: dict[bool, list[torch.nn.Parameter]] = {last: [] for last in rates}
        for name, parameter in self.network.named_parameters():
            groups[name.startswith("deconv3.")].append(parameter)
        self.optimizer = torch.optim.Adam([{"params": group} for group in groups.values()], lr=LEARNING_RATE)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, list(rates.values()), self.steps, pct_start=0.1
        )
        if self.start:
            checkpoint.load(self.start / checkpoint.NAME, {"network": self.network})
        self.ema = EMA(self.network, 0.99)
        self.parts = {name: getattr(self, name) for name in ("network", "ema", "optimizer", "schedule")}

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """Bring drawn patches nearer to the style, and keep them near to the photos."""
        (photos,) = self.batch(patches(self.photos, self.batch_size))
        with training_precision(self.device):
            drawn = self.network(photos)
            found = self.features(drawn, (*STYLE_LAYERS, CONTENT_LAYER))
            with torch.no_grad():
                kept = self.features(photos, (CONTENT_LAYER,))[CONTENT_LAYER]
        losses = {
            "style": STYLE_WEIGHT * style_loss(found, self.wanted),
            "content": CONTENT_WEIGHT * content_loss(found[CONTENT_LAYER], kept),
            "smoothness": SMOOTHNESS_WEIGHT * total_variation(drawn.float()),
        }
        descend(self.optimizer, sum(losses.values()), clip=1.0)
        self.schedule.step()
        self.ema.update(self.network)
        return losses

    def validate(self) -> Report:
        """Return the first photos over what becomes of them."""
        photos = self.photos.batch(torch.arange(min(SHEET, len(self.photos)))) / 255
        picture = sheet(self.from_cpu(self.ema.network), photos)
        return Report(f"{self.done * self.batch_size} patches", picture, result=self.ema.network)

    def weights(self) -> dict:
        """Return the average."""
        return {"style": (self.ema.network.state_dict(), {"patches": str(self.done * self.batch_size)})}


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


def patches(photos: Pictures, count: int) -> torch.Tensor:
    """Return count×3×128×128 patches in [0, 1] from random places of 192×192 photos, mirrored at random."""
    cut = []
    for index in torch.randint(len(photos), (count,)).tolist():
        photo = torch.from_numpy(photos[index]).permute(2, 0, 1)
        top, left = torch.randint(LOADED - SIDE + 1, (2,)).tolist()
        patch = photo[:, top : top + SIDE, left : left + SIDE]
        cut.append(patch.flip(2) if torch.rand(()) < 0.5 else patch)
    return torch.stack(cut) / 255


@torch.inference_mode()
def sheet(network: Network, photos: torch.Tensor) -> np.ndarray:
    """Return N×3×H×W photos in [0, 1] over what becomes of them, uint8."""
    rows = [torch.cat(list(part), 2) for part in (photos, network(photos))]
    return (torch.cat(rows, 1).clamp(0, 1) * 255).permute(1, 2, 0).to(torch.uint8).numpy()
