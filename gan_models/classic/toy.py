"""Train a family on points in the plane: a laboratory for what GANs do and what they miss."""

import math
import time
from collections.abc import Iterator

import numpy as np
import torch

from gan_models.classic.families import OF_POINTS, family
from gan_models.classic.gan import gradient_norm
from gan_models.classic.network import Perceptron
from gan_models.classic.points import TOYS, figure
from gan_models.classic.wgan import Wasserstein
from gan_models.device import RandomStream, computing
from gan_models.jobs import Step
from gan_models.nn.losses import critic_loss, discriminator_loss, gradient_penalty, saturating_generator_loss

MAX_STEPS, AHEAD, RATES = 20_000, (0, 10), (1e-6, 0.1)
BATCH = 256
SEEN, COUNTED = 256, 2000  # points that are drawn, and by which modes are counted
REPORT_EVERY = 5  # steps
DRAW_EVERY = 0.25  # seconds
FRAMES = 100  # of a film, at most
SHORT_OF_MEMORY = "The memory of this device is too short for this."


def train(
    toy: str,
    family_name: str,
    *,
    steps: int = 2000,
    lr: float | None = None,
    lr_d: float | None = None,
    ahead: int = 5,
    saturating: bool = False,
    freeze_after: int = 0,
    seed: int = 0,
) -> Iterator[Step]:
    """Train a GAN of perceptrons on points, on the CPU.

    Yields a `Step` every five iterations, with the losses, the norms of the gradients, the modes that are covered,
    the share of good samples and, of a critic, the distance that it sees, without its penalty. It has a preview,
    384×384×3 uint8, four times a second, and always at the steps that `in_film` names. The last one's result is
    `{"modes": covered, "of": modes, "good": share of samples near a mode, "samples": N×2 array}`.

    When pictures are drawn depends on the clock; all else on the arguments alone.

    Args:
        toy: "ring", "grid" or "spiral".
        family_name: One of `families.OF_POINTS`.
        steps: Iterations of the generator, 1 to 20,000.
        lr: Learning rate of the generator; None for what suits the family.
        lr_d: That of the discriminator; likewise.
        ahead: Steps of the discriminator that an unrolled GAN's generator sees, 0 to 10.
        saturating: Whether a plain GAN's generator plays the minimax game as it stands.
        freeze_after: After so many steps the generator stays as it is and the discriminator learns on, so that its
            gradient can be watched; 0 for never.
        seed: Of all that is random.

    Raises:
        ValueError: There is no such toy, a family is not for points, or an option is out of its range.
    """
    if toy not in TOYS:
        raise ValueError(f"The points must be one of {', '.join(TOYS)}, not “{toy}”.")
    if family_name not in OF_POINTS:
        raise ValueError(f"On points the family is one of {', '.join(OF_POINTS)}, not “{family_name}”.")
    if not isinstance(steps, int) or not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"There must be 1 to {MAX_STEPS} steps, not {steps}.")
    if freeze_after < 0:
        raise ValueError(f"The generator can't be frozen after {freeze_after} steps.")
    if not AHEAD[0] <= ahead <= AHEAD[1]:
        raise ValueError(f"A generator sees {AHEAD[0]} to {AHEAD[1]} steps ahead, not {ahead}.")
    options: dict[str, float | bool] = {name: rate for name, rate in (("lr", lr), ("lr_d", lr_d)) if rate is not None}
    for rate in options.values():
        if not RATES[0] <= rate <= RATES[1]:
            raise ValueError(f"A rate must be from {RATES[0]:g} to {RATES[1]:g}, not {rate:g}.")
    if family_name == "unrolled":
        options["ahead"] = ahead
    if family_name == "gan":
        options["saturating"] = saturating
    return _trained(toy, family_name, steps, options, freeze_after, seed)


def _trained(
    toy: str, family_name: str, steps: int, options: dict[str, float | bool], freeze_after: int, seed: int
) -> Iterator[Step]:
    device = torch.device("cpu")  # such small networks are nowhere faster
    points, numbers = TOYS[toy](seed), RandomStream(seed)
    with numbers.drawn_from():
        gan = family(family_name).of_points(classes=len(points.modes), **options)
        fixed = gan.latents(COUNTED), torch.randint(len(points.modes), (COUNTED,))
    real, _ = points.batch(SEEN)
    drawn = time.monotonic()
    for step in range(1, steps + 1):
        with computing(device, SHORT_OF_MEMORY, threads=1), numbers.drawn_from():
            gan.frozen = bool(freeze_after) and step > freeze_after
            losses = gan.step(points, BATCH)
        if not all(np.isfinite(value) for value in losses.values()):
            raise ValueError(f"The training has diverged at step {step}; try a smaller rate.")
        if step % REPORT_EVERY and step < steps:
            continue
        with torch.no_grad():
            samples = gan.generator(*fixed)
            if isinstance(gan, Wasserstein):
                losses["distance"] = -critic_loss(gan.discriminator(real), gan.discriminator(samples)).item()
        losses["gradient of the generator"] = gradient_norm(gan.generator)
        losses["gradient of the discriminator"] = gradient_norm(gan.discriminator)
        losses["modes"], losses["good samples"] = points.coverage(samples)
        preview = None
        if in_film(step, steps) or time.monotonic() - drawn > DRAW_EVERY:
            preview = figure(lambda places: score(gan.discriminator, places), real, samples[:SEEN])
            drawn = time.monotonic()
        yield Step(step, steps, preview=preview, losses=losses)
    made = {"modes": losses["modes"], "of": len(points.modes), "good": losses["good samples"]}
    yield Step(steps, steps, preview=preview, result=made | {"samples": samples.numpy()})


def in_film(step: int, steps: int) -> bool:
    """Say whether a film of `steps` steps shows this one: some hundred do at even distances, and the last."""
    return step % (REPORT_EVERY * math.ceil(steps / REPORT_EVERY / FRAMES)) == 0 or step == steps


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
