"""Fit boundaries between faces with an attribute and without, in the space of w (Shen et al. 2020, section 3.1)."""

import numpy as np
import torch
from scipy.optimize import minimize

from gan_models import checkpoints
from gan_models.attributes import NAMES
from gan_models.device import mixed_precision
from gan_models.training.checkpoint import Values
from gan_models.training.loop import Report, Trainer

MODEL, ATTRIBUTES = "faces-compact", "face-attributes-compact"
EXTREMES = 0.1  # share of the faces at either end of an attribute's scores that are told apart
LEARNED = 0.7  # share of those that is learned from
SOFTNESS = 100.0  # the C of the support vector machine
BATCH = 50


class FaceBoundaries(Trainer):
    """Fit a boundary for each attribute; leave `boundaries.safetensors`.

    A step scores fifty random faces. The result holds, for each attribute, the share of held-out extremes and that of
    all other faces (above or below the middle score) that lie on the right side.

    Args:
        samples: Random faces, a multiple of 50.
    """

    samples: int = 20_000

    def __post_init__(self) -> None:
        if self.samples < BATCH or self.samples % BATCH:
            raise ValueError(f"The samples must be a multiple of {BATCH}, not {self.samples}.")
        self.steps = self.validate_every = self.samples // BATCH

    def build(self) -> None:
        """Load both networks, and draw the latents."""
        self.generator, self.rater = (checkpoints.load(name, str(self.device)) for name in (MODEL, ATTRIBUTES))
        rng = torch.Generator().manual_seed(self.seed)
        self.z = torch.randn(self.samples, self.generator.z_dim, generator=rng).split(BATCH)
        sizes = {"latents": self.generator.w_dim, "scores": len(NAMES)}
        self.found = Values({name: torch.zeros(self.samples, size) for name, size in sizes.items()})
        self.parts = {"found": self.found}

    @torch.inference_mode()
    def step(self, index: int) -> dict[str, torch.Tensor]:
        """Draw and score a batch of faces."""
        with mixed_precision(self.device, bfloat16=True):
            ws = self.generator.mapping(self.z[index].to(self.device))
            faces = (self.generator.synthesis(ws, "const").float() / 2 + 0.5).clamp(0, 1)
        rows = slice(index * BATCH, (index + 1) * BATCH)
        self.found["latents"][rows], self.found["scores"][rows] = ws[:, 0].cpu(), self.rater(faces).cpu()
        return {}

    def validate(self) -> Report:
        """Fit the boundaries, and return how well they part the faces."""
        latents, scores = (self.found[name].numpy() for name in ("latents", "scores"))
        fits = {name: fitted(latents, scores[:, index]) for index, name in enumerate(NAMES)}
        self.normals = {name: torch.from_numpy(normal).float()[None] for name, (normal, _) in fits.items()}
        self.figures = {name: shares for name, (_, shares) in fits.items()}
        return Report(
            ", ".join(f"{name} {held:.3f}" for name, (held, _) in self.figures.items()), result=self.figures
        )

    def weights(self) -> dict:
        """Return the boundaries' unit normals, 1×D each."""
        metadata = {name: f"{held:.3f} {rest:.3f}" for name, (held, rest) in self.figures.items()}
        return {"boundaries": (self.normals, metadata)}


def fitted(latents: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the unit normal that parts N×D `latents` of high `scores`, N, from those of low ones.

    And how well: the share of held-out extremes, and of all others, on the right side.
    """
    order = np.argsort(scores)
    count = int(EXTREMES * len(order))
    extremes = np.random.default_rng(0).permutation(np.concatenate([order[:count], order[-count:]]))
    others = order[count:-count]
    signs = np.where(scores > np.median(scores), 1.0, -1.0)
    learned, held = np.split(extremes, [int(LEARNED * len(extremes))])
    normal, offset = support_vector_machine(latents[learned], signs[learned])

    def right(chosen: np.ndarray) -> float:
        return float(np.mean(np.sign(latents[chosen] @ normal + offset) == signs[chosen]))

    return normal / np.linalg.norm(normal), (right(held), right(others))


def support_vector_machine(points: np.ndarray, signs: np.ndarray) -> tuple[np.ndarray, float]:
    """Return normal and offset of the linear support vector machine of squared hinge loss (Cortes and Vapnik 1995).

    It minimises ½‖n‖² + C Σ max(0, 1 - s (xᵀn + b))² / N over N×D points x of signs s.
    """
    mean, deviation = points.mean(0), points.std()
    scaled = (points - mean) / deviation

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        normal, offset = values[:-1], values[-1]
        short = np.maximum(0, 1 - signs * (scaled @ normal + offset))
        pull = -2 * SOFTNESS * short * signs / len(points)
        gradient = np.append(normal + scaled.T @ pull, pull.sum())
        return 0.5 * normal @ normal + SOFTNESS * np.mean(short**2), gradient

    found = minimize(loss, np.zeros(points.shape[1] + 1), jac=True, method="L-BFGS-B").x
    normal = found[:-1] / deviation
    return normal, float(found[-1] - mean @ normal)
