"""Train SinGAN on one picture (Rott Shaham et al. 2019, section 2.2), scale by scale from the coarsest.

The published schedule runs through the whole pyramid for each of three discriminator and three generator steps, of
which the latter see the same sample thrice. The scales below don't change any more while one is trained, so their
pictures are drawn beforehand, many at a time; and one forward pass serves sample and reconstruction, one the patches
of real and drawn pictures.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from gan_models import runtime
from gan_models.losses import gradient_penalty
from gan_models.runtime import Step
from gan_models.singan.model import SinGAN, channels_at, from_picture, pyramid_sizes, resize, to_picture
from gan_models.singan.network import Discriminator
from gan_models.training import checkpoint

SMALLEST = 11  # the side of a patch that the discriminator sees
LONGEST = 8  # in units of the other side
REPORT_EVERY, PREVIEW_SECONDS = 5, 1.0
LEARNING_RATE, DECAY_AT, DECAY = 5e-4, 0.8, 0.1
PENALTY_WEIGHT, RECONSTRUCTION_WEIGHT, NOISE_WEIGHT = 0.1, 10.0, 0.1
BANK = 64  # pictures of the scales below


@dataclass(frozen=True)
class Preset:
    """How thoroughly to train.

    Attributes:
        iterations: For each scale.
        steps: Of each network in an iteration.
        penalty_every: Iterations between those with a gradient penalty, which then counts so much more.
        max_side: Pixels of the finest scale's longer side.
    """

    iterations: int
    steps: int
    penalty_every: int
    max_side: int


PRESETS = {
    "quick": Preset(iterations=500, steps=1, penalty_every=2, max_side=128),
    "balanced": Preset(iterations=1000, steps=1, penalty_every=1, max_side=192),
    "paper": Preset(iterations=2000, steps=3, penalty_every=1, max_side=250),
}


def train(
    picture: np.ndarray, *, preset: str = "quick", seed: int = 0, out: Path | None = None, device: str | None = None
) -> Iterator[Step]:
    """Train on `picture`, H×W×3 uint8; the last step's result is the `SinGAN`.

    Yields a `Step` after every few iterations, with losses and, about once a second, a picture that the scale under
    training draws.

    Args:
        picture: What to learn from.
        preset: A name in `PRESETS`.
        seed: Of all that is random.
        out: A file that keeps the state of the training, also when it is cancelled; where it is there, the training
            goes on from it.
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Raises:
        ValueError: No such preset, or the picture is smaller than 11 pixels or more than eight times as long as wide.
    """
    if preset not in PRESETS:
        raise ValueError(f"The preset must be one of {', '.join(PRESETS)}, not “{preset}”.")
    if min(picture.shape[:2]) < SMALLEST:
        raise ValueError(f"SinGAN takes pictures of {SMALLEST}×{SMALLEST} pixels or more.")
    if max(picture.shape[:2]) > LONGEST * min(picture.shape[:2]):
        raise ValueError(f"SinGAN takes pictures that are at most {LONGEST} times as long as wide.")
    training = Training(picture, preset, seed, runtime.pick_device(device))
    if out and out.exists():
        checkpoint.load(out, {"training": training})
    scales, iterations = len(training.model.sizes), training.preset.iterations
    total, shown = scales * iterations, 0.0
    try:
        while training.scale < scales:
            with runtime.device_lock(training.device):
                scale, losses = training.scale, training.iterate()
            runtime.check_wanted()
            done = training.scale * iterations + training.iteration
            if done % REPORT_EVERY and training.iteration:
                continue
            preview = None
            if time.monotonic() - shown > PREVIEW_SECONDS:
                preview, shown = to_picture(training.sample()), time.monotonic()
            height, width = training.model.sizes[scale]
            message = f"Scale {scale + 1} of {scales}, {width} × {height} pixels"
            yield Step(done, total, preview=preview, losses=losses, message=message)
    finally:
        if out:
            checkpoint.save(out, training.scale * iterations + training.iteration, {"training": training})
    yield Step(total, total, result=training.model)


class Training:
    """A training under way: `iterate` takes it one iteration further, `state_dict` holds all that is needed to go on.

    Attributes:
        model: The pyramid; scales above `scale` are not trained yet.
        scale: The scale that is being trained; their number when all are done.
        iteration: Iterations done at this scale.
    """

    def __init__(self, picture: np.ndarray, preset: str, seed: int, device: torch.device):
        self.preset, self.seed, self.device = PRESETS[preset], seed, device
        self.rng = torch.Generator().manual_seed(seed)
        sizes = pyramid_sizes(*picture.shape[:2], self.preset.max_side)
        self.whole = resize(from_picture(picture), sizes[-1]).clamp(-1, 1)
        self.model = SinGAN(sizes).requires_grad_(False)
        self.model.picture.copy_(torch.from_numpy(to_picture(self.whole)))
        self.model.z_star.copy_(self.model.noise(0, sizes[0], self.rng))
        self.model.to(device)
        self.scale = self.iteration = 0
        self.discriminator: Discriminator | None = None
        self._begin_scale()

    def _begin_scale(self) -> None:
        """Prepare what stays the same while a scale is trained; start from the weights of the scale below."""
        scale, size, model = self.scale, self.model.sizes[self.scale], self.model
        self.real = resize(self.whole, size).to(self.device)
        self.generator = model.generators[scale].requires_grad_(True)
        below, self.discriminator = self.discriminator, Discriminator(channels_at(scale)).to(self.device)
        if scale and channels_at(scale) == channels_at(scale - 1):
            self.generator.load_state_dict(model.generators[scale - 1].state_dict())
            self.discriminator.load_state_dict(below.state_dict())
        else:
            for network in (self.generator, self.discriminator):
                initialize(network, self.rng)
        self.g_optimizer, self.d_optimizer = (
            torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.999))
            for network in (self.generator, self.discriminator)
        )
        with torch.no_grad():
            if scale:
                bank_rng = torch.Generator().manual_seed(self.seed + scale)
                self.bank = resize(model.draw(BANK, until=scale, rng=bank_rng), size)
                self.reconstructed = resize(model.reconstruct(scale), size)
                error = F.mse_loss(self.reconstructed, self.real).sqrt()
                model.amplitudes[scale] = NOISE_WEIGHT * error
                self.fixed_noise = torch.zeros_like(self.real)
            else:
                self.bank = self.reconstructed = torch.zeros_like(self.real)
                self.fixed_noise = model.z_star

    def iterate(self) -> dict[str, float]:
        """Take one iteration and return its losses; move on to the next scale after the last one."""
        self.set_rate()
        for _ in range(self.preset.steps):
            losses = self._step(self.iteration % self.preset.penalty_every == 0)
        self.advance()
        return losses

    def set_rate(self) -> None:
        """Set the learning rate of this iteration."""
        decayed = self.iteration >= DECAY_AT * self.preset.iterations
        for optimizer in (self.g_optimizer, self.d_optimizer):
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * (DECAY if decayed else 1)

    def advance(self) -> None:
        """Count an iteration; after the last one of a scale, move on to the next."""
        self.iteration += 1
        if self.iteration == self.preset.iterations:
            self.generator.requires_grad_(False)
            self.scale, self.iteration = self.scale + 1, 0
            if self.scale < len(self.model.sizes):
                self._begin_scale()

    def _step(self, penalize: bool) -> dict[str, float]:
        chosen = torch.randint(len(self.bank), (), generator=self.rng)
        noise = self.model.noise(self.scale, self.model.sizes[self.scale], self.rng)
        noise = torch.cat([noise * self.model.amplitudes[self.scale], self.fixed_noise])
        below = torch.cat([self.bank[chosen][None], self.reconstructed])
        fake, reconstruction = self.generator(noise, below).split(1)

        real_score, fake_score = self.discriminator(torch.cat([self.real, fake.detach()])).split(1)
        d_loss = fake_score.mean() - real_score.mean()
        if penalize:
            penalty = gradient_penalty(self.discriminator, self.real, fake, self.rng)
            d_loss = d_loss + PENALTY_WEIGHT * self.preset.penalty_every * penalty
        self.d_optimizer.zero_grad()
        d_loss.backward()
        self.d_optimizer.step()

        self.discriminator.requires_grad_(False)
        adversarial = -self.discriminator(fake).mean()
        error = F.mse_loss(reconstruction, self.real)
        self.g_optimizer.zero_grad()
        (adversarial + RECONSTRUCTION_WEIGHT * error).backward()
        self.g_optimizer.step()
        self.discriminator.requires_grad_(True)
        return {"discriminator": d_loss.item(), "generator": adversarial.item(), "reconstruction": error.item()}

    @torch.no_grad()
    def sample(self) -> torch.Tensor:
        """Return a random picture, 1×3×h×w, of the scale under training, or of the last one."""
        scale = min(self.scale, len(self.model.sizes) - 1)
        rng = torch.Generator().manual_seed(self.seed + self.iteration)
        noise = self.model.noise(scale, self.model.sizes[scale], rng) * self.model.amplitudes[scale]
        return self.model.generators[scale](noise, self.bank[:1])

    def state_dict(self) -> dict:
        """Return what `load_state_dict` restores."""
        parts = ("model", "discriminator", "g_optimizer", "d_optimizer")
        state = {name: getattr(self, name).state_dict() for name in parts}
        return state | {"scale": self.scale, "iteration": self.iteration, "rng": self.rng.get_state()}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state of a training with the same picture, preset and seed."""
        self.model.load_state_dict(state["model"])
        self.scale, self.iteration = state["scale"], state["iteration"]
        if self.scale < len(self.model.sizes):
            self.discriminator = Discriminator(channels_at(max(self.scale - 1, 0))).to(self.device)
            self._begin_scale()
            self.model.load_state_dict(state["model"])
            for name in ("discriminator", "g_optimizer", "d_optimizer"):
                getattr(self, name).load_state_dict(state[name])
        self.rng.set_state(state["rng"])


def initialize(network: torch.nn.Module, rng: torch.Generator) -> None:
    """Draw new weights as the official code does: N(0, 0.02²), gains N(1, 0.02²), no biases."""
    for name, parameter in network.named_parameters():
        with torch.no_grad():
            if name.endswith("bias"):
                parameter.zero_()
            else:
                values = torch.randn(parameter.shape, generator=rng) * 0.02
                parameter.copy_(values + 1 if name.endswith("norm.weight") else values)
