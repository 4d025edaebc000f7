"""Train an encoder for a generator of faces, on its own samples, whose latents are known, and on real faces."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from gan_models import checkpoints
from gan_models.device import training_precision
from gan_models.inversion.measurements import grey, known
from gan_models.inversion.network import Encoder
from gan_models.nn.features.distance import FeatureDistance
from gan_models.training.datasets import squares
from gan_models.training.ema import EMA
from gan_models.training.loop import Report, Trainer, descend

MODEL = "faces-compact"
LATENT_WEIGHT, PIXEL_WEIGHT, FEATURE_WEIGHT, SPREAD_WEIGHT = 0.5, 2.0, 0.3, 0.01
LEARNING_RATE = 1e-3
SHEET = 8


class FaceEncoder(Trainer):
    """Train an encoder for `faces-compact`; leave `encoder.safetensors`.

    Half of each batch is drawn, half is real. A quarter of the faces are shown to the encoder in grey and a quarter
    with a hole, so that it also guesses what is missing.

    Args:
        data: Folder of faces, cut as the generator's were.
        steps: Iterations.
        batch_size: Pictures in each.
    """

    data: Path
    steps: int = 5000
    batch_size: int = 16

    def build(self) -> None:
        """Load the generator, make the encoder and what it learns by, and open the pictures."""
        device = str(self.device)
        self.generator = generator = checkpoints.load(MODEL, device).to(memory_format=torch.channels_last)
        self.distance = FeatureDistance(checkpoints.load("features-compact", device))
        self.reals = squares(self.data, generator.img_resolution)
        self.encoder = Encoder(generator.num_ws, generator.w_dim, generator.img_resolution)
        self.encoder.to(self.device, memory_format=torch.channels_last)
        self.encoder.w_avg.copy_(generator.mapping.w_avg)
        self.ema = EMA(self.encoder)
        self.optimizer = torch.optim.Adam(self.encoder.parameters(), lr=LEARNING_RATE)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, LEARNING_RATE, self.steps, pct_start=0.1)
        self.parts = {name: getattr(self, name) for name in ("encoder", "ema", "optimizer", "schedule")}
        with torch.no_grad():
            self.spread = generator.mapping(torch.randn(1000, generator.z_dim).to(self.device))[:, 0].std()

    @torch.no_grad()
    def faces(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return N×3×H×W faces in [0, 1], half drawn and half real, and the latents of those that are drawn."""
        half = self.batch_size // 2
        with training_precision(self.device):
            (z,) = self.batch(torch.randn(half, self.generator.z_dim))
            ws = self.generator.mapping(z, truncation_psi=0.9)
            drawn = self.generator.synthesis(ws, "random").float() / 2 + 0.5
        real = self.reals.batch(torch.randint(len(self.reals), (half,))) / 255
        (real,) = self.batch(torch.where(torch.rand(half, 1, 1, 1) < 0.5, real.flip(3), real))
        return torch.cat([drawn.clamp(0, 1), real]).contiguous(memory_format=torch.channels_last), ws

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """Bring what is drawn of the guessed latents nearer to the faces, and the guesses to the latents known."""
        faces, ws = self.faces()
        with training_precision(self.device):
            with torch.no_grad():
                described = self.distance.describe(faces)
            guessed = self.encoder(degraded(faces)).float()
            redrawn = self.generator.synthesis(guessed, "const").float() / 2 + 0.5
            features = self.distance(redrawn, described).mean()
        known, far = guessed[: len(ws)], guessed[len(ws) :] - self.encoder.w_avg
        losses = {
            "latents": LATENT_WEIGHT * F.mse_loss(known, ws) / self.spread**2,
            "pixels": PIXEL_WEIGHT * F.mse_loss(redrawn, faces) / 0.05,
            "features": FEATURE_WEIGHT * features.float(),
            "spread": SPREAD_WEIGHT * far.square().mean() / self.spread**2,
        }
        descend(self.optimizer, sum(losses.values()), clip=5.0)
        self.schedule.step()
        self.ema.update(self.encoder)
        return losses

    def validate(self) -> Report:
        """Return a sheet of faces, drawn and real, over what the average makes of them."""
        picture = sheet(self.ema.network, self.generator, self.faces()[0])
        return Report(f"{self.done * self.batch_size} pictures", picture, result=self.ema.network)

    def weights(self) -> dict:
        """Return the average."""
        return {"encoder": (self.ema.network.state_dict(), {"pictures": str(self.done * self.batch_size)})}


def degraded(faces: torch.Tensor) -> torch.Tensor:
    """Return N×3×H×W faces of which a quarter at random are grey, and a quarter have a grey hole."""
    side, pictures = faces.shape[-1], []
    for face in faces:
        kind = torch.rand(()).item()
        if kind < 0.25:
            face = grey(face[None])[0]
        elif kind < 0.5:
            mask = torch.ones(side, side, device=faces.device)
            height, width = (int(side * (0.25 + 0.4 * torch.rand(()).item())) for _ in range(2))
            top, left = (int(torch.randint(side - length, ())) for length in (height, width))
            mask[top : top + height, left : left + width] = 0
            face = known(mask)(face)
        pictures.append(face)
    return torch.stack(pictures).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def sheet(encoder: Encoder, generator: torch.nn.Module, faces: torch.Tensor) -> np.ndarray:
    """Return faces over what the encoder makes of them: the first ones, and the last ones; uint8."""
    shown = torch.cat([faces[:SHEET], faces[-SHEET:]])
    redrawn = generator.synthesis(encoder(shown), "const") / 2 + 0.5
    rows = [torch.cat(list(part), 2) for pictures in (shown, redrawn) for part in pictures.split(SHEET)]
    picture = torch.cat([rows[0], rows[2], rows[1], rows[3]], 1)
    return (picture.clamp(0, 1) * 255).permute(1, 2, 0).to("cpu", torch.uint8).numpy()
