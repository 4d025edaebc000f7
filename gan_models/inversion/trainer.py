"""Train an encoder for a generator of faces, on its own samples, whose latents are known, and on real faces."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from gan_models import checkpoints
from gan_models.checkpoints.save import save_half
from gan_models.device import mixed_precision, pick_device
from gan_models.inversion.measurements import grey, known
from gan_models.inversion.network import Encoder
from gan_models.jobs import Step
from gan_models.nn.features.distance import FeatureDistance
from gan_models.training import checkpoint
from gan_models.training.datasets import load_squares
from gan_models.training.ema import EMA

MODEL = "faces-compact"
LATENT_WEIGHT, PIXEL_WEIGHT, FEATURE_WEIGHT, SPREAD_WEIGHT = 0.5, 2.0, 0.3, 0.01
LEARNING_RATE = 1e-3
SHEET = 8


def train(
    data: Path, out: Path, *, resume: bool = False, steps: int = 5000, batch_size: int = 16, seed: int = 0
) -> Iterator[Step]:
    """Train on the faces below `data`, cut as the generator's were; leave `encoder.safetensors` in `out`.

    Half of each batch is drawn, half is real. A quarter of the faces are shown to the encoder in grey and a quarter
    with a hole, so that it also guesses what is missing. Yields a `Step` every 20 iterations, and one with a sheet
    (given, guessed) at each checkpoint.

    Raises:
        ValueError: There are no pictures.
    """
    device = pick_device()
    torch.manual_seed(seed)
    generator = checkpoints.load(MODEL, str(device)).to(memory_format=torch.channels_last)
    distance = FeatureDistance(checkpoints.load("features-compact", str(device)))
    side = generator.img_resolution
    reals = torch.from_numpy(load_squares(data, side))
    encoder = Encoder(generator.num_ws, generator.w_dim, side).to(device, memory_format=torch.channels_last)
    encoder.w_avg.copy_(generator.mapping.w_avg)
    ema = EMA(encoder)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps, pct_start=0.1)
    parts = {"encoder": encoder, "ema": ema, "optimizer": optimizer, "schedule": schedule}
    step = checkpoint.load(out / "checkpoint.pt", parts) if resume else 0
    half = batch_size // 2
    with torch.no_grad():
        spread = generator.mapping(torch.randn(1000, generator.z_dim, device=device))[:, 0].std()
    while step < steps:
        with torch.no_grad(), mixed_precision(device, bfloat16=True):
            ws = generator.mapping(torch.randn(half, generator.z_dim, device=device), truncation_psi=0.9)
            drawn = generator.synthesis(ws, "random").float() / 2 + 0.5
            real = reals[torch.randint(len(reals), (half,))].to(device) / 255
            real = torch.where(torch.rand(half, 1, 1, 1, device=device) < 0.5, real.flip(3), real)
            faces = torch.cat([drawn.clamp(0, 1), real]).contiguous(memory_format=torch.channels_last)
            described = distance.describe(faces)
        with mixed_precision(device, bfloat16=True):
            guessed = encoder(degraded(faces)).float()
            redrawn = generator.synthesis(guessed, "const").float() / 2 + 0.5
            features = distance(redrawn, described).mean()
        losses = {
            "latents": LATENT_WEIGHT * F.mse_loss(guessed[:half], ws) / spread**2,
            "pixels": PIXEL_WEIGHT * F.mse_loss(redrawn, faces) / 0.05,
            "features": FEATURE_WEIGHT * features.float(),
            "spread": SPREAD_WEIGHT * (guessed[half:] - encoder.w_avg).square().mean() / spread**2,
        }
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        ema.update(encoder)
        step += 1
        if step % 20 == 0:
            yield Step(step, steps, losses={name: loss.item() for name, loss in losses.items()})
        if step % 500 == 0 or step == steps:
            checkpoint.save(out / "checkpoint.pt", step, parts)
            picture = sheet(ema.network, generator, faces)
            cv2.imwrite(str(out / "sheet.png"), picture[:, :, ::-1])
            yield Step(step, steps, preview=picture, message=f"{step * batch_size} pictures")
    save_half(ema.network.state_dict(), out / "encoder.safetensors", {"pictures": str(step * batch_size)})
    yield Step(steps, steps, message="done", result=ema.network)


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
