"""Train SinGAN on one picture (Rott Shaham et al. 2019, section 2.2), scale by scale from the coarsest.

The published schedule runs through the whole pyramid for each of three discriminator and three generator steps, of
which the latter see the same sample thrice. The scales below don't change any more while one is trained, so their
pictures are drawn beforehand, many at a time; and one forward pass serves sample and reconstruction, one the patches
of real and drawn pictures. Small scales, where calls cost more than pixels, see several samples a step. A higher
learning rate gets there sooner, and an average of the weights takes away its unrest.
"""

import hashlib
import time
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from gan_models.nn.losses import critic_loss, gradient_penalty
from gan_models.singan.model import (
    FIRST_CHANNELS,
    METADATA,
    SCALE_FACTOR,
    SinGAN,
    from_picture,
    pyramid_sizes,
    resize,
    to_picture,
)
from gan_models.singan.network import Discriminator
from gan_models.training import checkpoint
from gan_models.training.ema import EMA
from gan_models.training.loop import Report, Trainer, descend, frozen

SMALLEST = 11  # the side of a patch that the discriminator sees
LONGEST = 8  # in units of the other side
PREVIEW_SECONDS = 1.0
DECAY_AT, DECAY = 0.8, 0.1
SAMPLED_PIXELS = 3000  # of all pictures of a step: below, more of them cost little
PENALTY_WEIGHT, RECONSTRUCTION_WEIGHT, NOISE_WEIGHT = 0.1, 10.0, 0.1
UPSCALING_FACTOR, UPSCALING_WEIGHT = 0.5 ** (1 / 3), 100.0  # for super-resolution
TINY = 256  # pixels of a scale up to which one thread of a CPU does: no slower, and much faster on a busy machine
OVERHEAD = 1500  # pixels that take as long as what an iteration does besides
BANK = 64  # pictures of the scales below
ACTIVATIONS = 2**25  # of a layer, while those are drawn


@dataclass(frozen=True)
class Preset:
    """How thoroughly to train.

    Attributes:
        iterations: At the coarsest scale, where layouts are learned and time is cheap, and at the finest; in between
            they change by the same factor from scale to scale.
        steps: Of each network in an iteration.
        penalty_every: Iterations between those with a gradient penalty, which then counts so much more.
        max_side: Pixels of the finest scale's longer side.
        doubling: Whether the networks get twice as wide every four scales, as published, and begin anew there; else
            all are as narrow as the first and begin where the scale below ended.
        rate: Adam's learning rate, which falls to a tenth after four fifths of a scale's iterations.
        samples: How many pictures are drawn in a step, as far as they have no more than 3,000 pixels together.
        memory: Of the average of the generator's weights over the iterations, which is what is kept of a scale; 0
            keeps the last ones.
    """

    iterations: tuple[int, int]
    steps: int
    penalty_every: int
    max_side: int
    doubling: bool
    rate: float = 5e-4
    samples: int = 1
    memory: float = 0


PRESETS = {
    "quick": Preset((900, 300), 1, 2, max_side=128, doubling=False, rate=3e-3, samples=4, memory=0.99),
    "balanced": Preset((1700, 1300), 1, 2, max_side=192, doubling=False, rate=3e-3, samples=4, memory=0.995),
    "paper": Preset((2000, 2000), 3, 1, max_side=250, doubling=True),
}


class SinGANTrainer(Trainer):
    """Train on one picture; leave `model.safetensors`. The result is the `SinGAN`.

    About once a second, and at the end of each scale, there is a preview that the scale under training draws.

    Args:
        picture: What to learn from, H×W×3 uint8.
        preset: A name in `PRESETS`.
        iterations: At each scale; None: as many as the preset says.
        upscaling: Train for super-resolution (section 4.1 and supplement): scales nearer to each other, and ten times
            the weight on the reconstruction.

    Attributes:
        model: The pyramid; scales above `scale` are not trained yet.
        scale: The scale that is being trained; their number when all are done.
        iteration: Iterations done at this scale.
        lengths: How many there are at each scale.

    Raises:
        ValueError: No such preset, or no iterations; or the picture is smaller than 11 pixels, or more than eight
            times as long as wide.
    """

    picture: np.ndarray
    preset: str = "quick"
    iterations: int | None = None
    upscaling: bool = False
    report_every = 1

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"The preset must be one of {', '.join(PRESETS)}, not “{self.preset}”.")
        if min(self.picture.shape[:2]) < SMALLEST:
            raise ValueError(f"SinGAN takes pictures of {SMALLEST}×{SMALLEST} pixels or more.")
        if max(self.picture.shape[:2]) > LONGEST * min(self.picture.shape[:2]):
            raise ValueError(f"SinGAN takes pictures that are at most {LONGEST} times as long as wide.")
        self.chosen = PRESETS[self.preset]
        if self.iterations is not None:
            if self.iterations < 1:
                raise ValueError("A scale takes 1 iteration or more.")
            self.chosen = replace(self.chosen, iterations=(self.iterations, self.iterations))
        self.reconstruction_weight = UPSCALING_WEIGHT if self.upscaling else RECONSTRUCTION_WEIGHT
        factor = UPSCALING_FACTOR if self.upscaling else SCALE_FACTOR
        height, width = self.picture.shape[:2]
        self.sizes = pyramid_sizes(height, width, self.chosen.max_side, factor)
        self.lengths = [round(count) for count in np.geomspace(*self.chosen.iterations, len(self.sizes))]
        self.steps = self.validate_every = sum(self.lengths)

    def build(self) -> None:
        """Make the pyramid, and begin with its coarsest scale."""
        self.rng = torch.Generator().manual_seed(self.seed)
        self.whole = resize(from_picture(self.picture), self.sizes[-1]).clamp(-1, 1)
        channels = None if self.chosen.doubling else [FIRST_CHANNELS] * len(self.sizes)
        self.model = SinGAN(self.sizes, channels).requires_grad_(False)
        self.model.picture.copy_(torch.from_numpy(to_picture(self.whole)))
        self.model.z_star.copy_(self.model.noise(0, self.sizes[0], self.rng))
        self.model.to(self.device)
        self.scale, self.iteration, self.shown = 0, 0, 0.0
        self.discriminator: Discriminator | None = None
        self._begin_scale()
        digest = hashlib.sha256(self.picture.tobytes()).hexdigest()
        facts = asdict(self.chosen) | {"seed": self.seed, "upscaling": self.upscaling, "picture": digest}
        self.parts = {"about": checkpoint.About(**facts), "training": self}

    def effort(self, steps: int) -> int:
        """Return how much work so many steps are, in units of about the same time."""
        areas = [height * width + OVERHEAD for height, width in self.sizes]
        scales = zip(self.lengths, self.model.channels, areas, strict=True)
        efforts = [count * width * area // 1000 for count, width, area in scales]
        return int(np.interp(steps, np.cumsum([0, *self.lengths]), np.cumsum([0, *efforts])))

    @property
    def threads(self) -> int | None:
        """One of a CPU at small scales."""
        small = self.scale < len(self.sizes) and np.prod(self.sizes[self.scale]) <= TINY
        return 1 if small else None

    def _begin_scale(self) -> None:
        """Prepare what stays the same while a scale is trained; start from the weights of the scale below."""
        scale, size, model = self.scale, self.sizes[self.scale], self.model
        self.real = resize(self.whole, size).to(self.device)
        self.generator = model.generators[scale].requires_grad_(True)
        widths = model.channels
        below, self.discriminator = self.discriminator, Discriminator(widths[scale]).to(self.device)
        if scale and widths[scale] == widths[scale - 1]:
            self.generator.load_state_dict(model.generators[scale - 1].state_dict())
            self.discriminator.load_state_dict(below.state_dict())
        else:
            for network in (self.generator, self.discriminator):
                initialize(network, self.rng)
        self.g_optimizer, self.d_optimizer = (
            torch.optim.Adam(network.parameters(), lr=self.chosen.rate, betas=(0.5, 0.999))
            for network in (self.generator, self.discriminator)
        )
        self.average = EMA(self.generator, self.chosen.memory)
        with torch.no_grad():
            if scale:
                bank_rng = torch.Generator().manual_seed(self.seed + scale)
                at_once = max(1, min(BANK, ACTIVATIONS // (size[0] * size[1] * widths[scale - 1])))
                counts = [min(at_once, BANK - begun) for begun in range(0, BANK, at_once)]
                self.bank = torch.cat([resize(model.draw(n, until=scale, rng=bank_rng), size) for n in counts])
                self.reconstructed = resize(model.reconstruct(scale), size)
                error = F.mse_loss(self.reconstructed, self.real).sqrt()
                model.amplitudes[scale] = NOISE_WEIGHT * error
                self.fixed_noise = torch.zeros_like(self.real)
            else:
                self.bank = self.reconstructed = torch.zeros_like(self.real)
                self.fixed_noise = model.z_star

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """Take one iteration; move on to the next scale after the last one."""
        self.set_rate()
        for _ in range(self.chosen.steps):
            losses = self._learn(self.iteration % self.chosen.penalty_every == 0)
        self.advance()
        return losses

    def set_rate(self) -> None:
        """Set the learning rate of this iteration."""
        decayed = self.iteration >= DECAY_AT * self.lengths[self.scale]
        for optimizer in (self.g_optimizer, self.d_optimizer):
            optimizer.param_groups[0]["lr"] = self.chosen.rate * (DECAY if decayed else 1)

    def advance(self) -> None:
        """Count an iteration; after the last one of a scale, keep the average weights and move on to the next."""
        self.iteration += 1
        self.average.update(self.generator)
        if self.iteration == self.lengths[self.scale]:
            self.generator.requires_grad_(False)
            self.generator.load_state_dict(self.average.network.state_dict())
            self.scale, self.iteration = self.scale + 1, 0
            if self.scale < len(self.sizes):
                self._begin_scale()

    def _learn(self, penalize: bool) -> dict[str, torch.Tensor]:
        height, width = self.sizes[self.scale]
        count = max(1, min(self.chosen.samples, SAMPLED_PIXELS // (height * width)))
        chosen = torch.randint(len(self.bank), (count,), generator=self.rng)
        noises = [self.model.noise(self.scale, (height, width), self.rng) for _ in range(count)]
        noise = torch.cat([*(noise * self.model.amplitudes[self.scale] for noise in noises), self.fixed_noise])
        below = torch.cat([self.bank[chosen], self.reconstructed])
        fake, reconstruction = self.generator(noise, below).split([count, 1])

        scores = self.discriminator(torch.cat([self.real, fake.detach()]))
        d_loss = critic_loss(scores[:1], scores[1:])
        if penalize:
            real = self.real.expand(count, -1, -1, -1)
            penalty = gradient_penalty(self.discriminator, real, fake, self.rng, by_pixel=True)
            d_loss = d_loss + PENALTY_WEIGHT * self.chosen.penalty_every * penalty
        descend(self.d_optimizer, d_loss)
        with frozen(self.discriminator):
            adversarial = -self.discriminator(fake).mean()
            error = F.mse_loss(reconstruction, self.real)
            descend(self.g_optimizer, adversarial + self.reconstruction_weight * error)
        return {"discriminator": d_loss, "generator": adversarial, "reconstruction": error}

    def report(self, losses: dict[str, float]) -> Report:
        """Return what the scale that was just trained draws, now and then."""
        scale, preview = self.scale - (not self.iteration), None
        if not self.iteration or time.monotonic() - self.shown > PREVIEW_SECONDS:
            preview, self.shown = to_picture(self.sample(scale)), time.monotonic()
        height, width = self.sizes[scale]
        message = f"Scale {scale + 1} of {len(self.sizes)}, {width} × {height} pixels"
        return Report(message, preview, losses)

    def validate(self) -> Report:
        """Return the pyramid."""
        return Report(result=self.model)

    def weights(self) -> dict:
        """Return the pyramid."""
        return {"model": (self.model.state_dict(), METADATA)}

    @torch.no_grad()
    def sample(self, scale: int) -> torch.Tensor:
        """Return a random picture, 1×3×h×w, of `scale`, the one under training or the one that was just finished."""
        rng = torch.Generator().manual_seed(self.seed + self.iteration)
        if scale < self.scale:
            return self.model.draw(until=scale + 1, rng=rng)
        noise = self.model.noise(scale, self.sizes[scale], rng) * self.model.amplitudes[scale]
        return self.model.generators[scale](noise, self.bank[:1])

    def state_dict(self) -> dict:
        """Return what `load_state_dict` restores."""
        parts = ("model", "discriminator", "g_optimizer", "d_optimizer", "average")
        state = {name: getattr(self, name).state_dict() for name in parts}
        return state | {"scale": self.scale, "iteration": self.iteration, "rng": self.rng.get_state()}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state of a training with the same picture, preset and seed."""
        self.model.load_state_dict(state["model"])
        self.scale, self.iteration = state["scale"], state["iteration"]
        if self.scale < len(self.sizes):
            self.discriminator = Discriminator(self.model.channels[max(self.scale - 1, 0)]).to(self.device)
            self._begin_scale()
            self.model.load_state_dict(state["model"])
            for name in ("discriminator", "g_optimizer", "d_optimizer", "average"):
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
