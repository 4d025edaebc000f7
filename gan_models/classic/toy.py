"""Train a family on points in the plane: a laboratory for what GANs do and what they miss."""

import math
import time

import torch

from gan_models.classic.families import OF_POINTS
from gan_models.classic.families import family as family_of
from gan_models.classic.gan import gradient_norm
from gan_models.classic.network import Perceptron
from gan_models.classic.points import TOYS, figure
from gan_models.classic.wgan import Wasserstein
from gan_models.device import RandomStream, computing
from gan_models.nn.losses import critic_loss, discriminator_loss, gradient_penalty, saturating_generator_loss
from gan_models.training.loop import Report, Trainer

MAX_STEPS, AHEAD, RATES = 20_000, (0, 10), (1e-6, 0.1)
BATCH = 256
SEEN, COUNTED = 256, 2000  # points that are drawn, and by which modes are counted
DRAW_EVERY = 0.25  # seconds
FRAMES = 100  # of a film, at most
SHORT_OF_MEMORY = "The memory of this device is too short for this."


class Toy(Trainer):
    """Train a GAN of perceptrons on points, on the CPU.

    Every five steps, and at the last one, losses are told, with the norms of the gradients, the modes that are
    covered, the share of good samples and, of a critic, the distance that it sees, without its penalty. There is a
    preview, 384×384×3 uint8, four times a second, and always at the steps that `in_film` names. The result is
    `{"modes": covered, "of": modes, "good": share of samples near a mode, "samples": N×2 array}`.

    When pictures are drawn depends on the clock; all else on the arguments alone.

    Args:
        points: "ring", "grid" or "spiral".
        family: One of `families.OF_POINTS`.
        steps: Iterations of the generator, 1 to 20,000.
        lr: Learning rate of the generator; None for what suits the family.
        lr_d: That of the discriminator; likewise.
        ahead: Steps of the discriminator that an unrolled GAN's generator sees, 0 to 10.
        saturating: Whether a plain GAN's generator plays the minimax game as it stands.
        freeze_after: After so many steps the generator stays as it is and the discriminator learns on, so that its
            gradient can be watched; 0 for never.

    Raises:
        ValueError: There are no such points, a family is not for points, or an option is out of its range.
    """

    points: str
    family: str
    steps: int = 2000
    lr: float | None = None
    lr_d: float | None = None
    ahead: int = 5
    saturating: bool = False
    freeze_after: int = 0
    report_every = 5
    threads = 1

    def __post_init__(self) -> None:
        if self.points not in TOYS:
            raise ValueError(f"The points must be one of {', '.join(TOYS)}, not “{self.points}”.")
        if self.family not in OF_POINTS:
            raise ValueError(f"On points the family is one of {', '.join(OF_POINTS)}, not “{self.family}”.")
        if not isinstance(self.steps, int) or not 1 <= self.steps <= MAX_STEPS:
            raise ValueError(f"There must be 1 to {MAX_STEPS} steps, not {self.steps}.")
        if self.freeze_after < 0:
            raise ValueError(f"The generator can't be frozen after {self.freeze_after} steps.")
        if not AHEAD[0] <= self.ahead <= AHEAD[1]:
            raise ValueError(f"A generator sees {AHEAD[0]} to {AHEAD[1]} steps ahead, not {self.ahead}.")
        for rate in (self.lr, self.lr_d):
            if rate is not None and not RATES[0] <= rate <= RATES[1]:
                raise ValueError(f"A rate must be from {RATES[0]:g} to {RATES[1]:g}, not {rate:g}.")
        self.validate_every = self.steps

    def build(self) -> None:
        """Make the family's perceptrons, and draw the latents and points that are looked at."""
        options = {name: rate for name, rate in (("lr", self.lr), ("lr_d", self.lr_d)) if rate is not None}
        options |= {"unrolled": {"ahead": self.ahead}, "gan": {"saturating": self.saturating}}.get(self.family, {})
        self.source = TOYS[self.points](self.seed)
        modes = len(self.source.modes)
        self.gan = family_of(self.family).of_points(classes=modes, **options)
        self.fixed = self.gan.latents(COUNTED), torch.randint(modes, (COUNTED,))
        self.real, _ = self.source.batch(SEEN)
        self.parts, self.drawn = self.gan.parts(), time.monotonic()

    def step(self, index: int) -> dict[str, float]:
        """Let the family take a step."""
        self.gan.frozen = 0 < self.freeze_after <= index
        return self.gan.step(self.source, BATCH)

    @torch.no_grad()
    def report(self, losses: dict[str, float]) -> Report:
        """Count what is covered, and draw it now and then."""
        gan = self.gan
        self.samples = gan.generator(*self.fixed)
        if isinstance(gan, Wasserstein):
            losses["distance"] = -critic_loss(gan.discriminator(self.real), gan.discriminator(self.samples)).item()
        losses["gradient of the generator"] = gradient_norm(gan.generator)
        losses["gradient of the discriminator"] = gradient_norm(gan.discriminator)
        losses["modes"], losses["good samples"] = self.source.coverage(self.samples)
        self.counted, preview = (losses["modes"], losses["good samples"]), None
        if in_film(self.done, self.steps) or time.monotonic() - self.drawn > DRAW_EVERY:
            preview = self.shown = figure(
                lambda places: score(gan.discriminator, places), self.real, self.samples[:SEEN]
            )
            self.drawn = time.monotonic()
        return Report(preview=preview, losses=losses)

    def validate(self) -> Report:
        """Return what the last report has counted and drawn."""
        covered, good = self.counted
        made = {"modes": covered, "of": len(self.source.modes), "good": good, "samples": self.samples.numpy()}
        return Report(preview=self.shown, result=made)

    def weights(self) -> dict:
        """Return nothing: such a network serves nobody else."""
        return {}


def in_film(step: int, steps: int) -> bool:
    """Say whether a film of `steps` steps shows this one: some hundred do at even distances, and the last."""
    return step % (Toy.report_every * math.ceil(steps / Toy.report_every / FRAMES)) == 0 or step == steps


def score(discriminator: torch.nn.Module, places: torch.Tensor) -> torch.Tensor:
    """Return what a discriminator says of N×2 places; one that knows kinds is asked for each, and the most counts."""
    if not discriminator.classes:
        return discriminator(places)
    kinds = torch.arange(discriminator.classes)
    return torch.stack([discriminator(places, kind.expand(len(places))) for kind in kinds]).amax(0)


def two_lines(theta: float) -> dict[str, float]:
    """Return the distances of a vertical line at `theta` from one at the origin (Arjovsky et al. 2017, example 1).

    The Jensen–Shannon divergence is log 2 nats however far they are apart, as no place is on both, so no gradient
    leads from one to the other; the earth mover's distance tells how far.
    """
    return {"Jensen–Shannon": math.log(2) if theta else 0.0, "earth mover": abs(theta)}


def critics(theta: float, *, steps: int = 200, seed: int = 0) -> dict[str, float]:
    """Return the gradient that a generator at `theta` gets from a trained discriminator, and from a trained critic.

    Both are perceptrons that learn to tell points of a line at `theta` from those of one at the origin. The first
    plays the minimax game, and is soon so sure that its gradient there is nothing; the second, of WGAN-GP, keeps a
    slope of about 1.
    """
    numbers = RandomStream(seed)
    with computing(torch.device("cpu"), SHORT_OF_MEMORY, threads=1), numbers.drawn_from():
        return {name: _slope(name, theta, steps) for name in ("discriminator", "critic")}


def _slope(name: str, theta: float, steps: int) -> float:
    """Return the mean gradient at a line at `theta` of a network that has learned to tell it from the other."""
    network = Perceptron(2, 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3, betas=(0.0, 0.9))
    for _ in range(steps):
        real, fake = (torch.stack([torch.full((BATCH,), x), 2 * torch.rand(BATCH) - 1], 1) for x in (0.0, theta))
        if name == "critic":
            loss = critic_loss(network(real), network(fake)) + 10 * gradient_penalty(network, real, fake)
        else:
            loss = discriminator_loss(network(real), network(fake))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    fake.requires_grad_()
    logits = network(fake)
    objective = -logits.mean() if name == "critic" else saturating_generator_loss(logits)
    (gradient,) = torch.autograd.grad(objective * BATCH, fake)
    return float(gradient[:, 0].abs().mean())
