"""Fit boundaries between faces with an attribute and without, in the space of w (Shen et al. 2020, section 3.1)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize

from gan_models import checkpoints
from gan_models.attributes import NAMES
from gan_models.checkpoints.save import save_half
from gan_models.device import mixed_precision, pick_device
from gan_models.jobs import Step

MODEL, ATTRIBUTES = "faces-compact", "face-attributes-compact"
EXTREMES = 0.1  # share of the faces at either end of an attribute's scores that are told apart
LEARNED = 0.7  # share of those that is learned from
SOFTNESS = 100.0  # the C of the support vector machine
BATCH = 50


def train(out: Path, *, resume: bool = False, samples: int = 20_000, seed: int = 0) -> Iterator[Step]:
    """Fit a boundary for each attribute; leave `boundaries.safetensors` in `out`.

    Scores `samples` random faces. The last step's result holds, for each attribute, the share of held-out extremes
    and that of all other faces (above or below the middle score) that lie on the right side.

    Raises:
        ValueError: `resume`, as this takes minutes and has no checkpoints.
    """
    if resume:
        raise ValueError("Fitting boundaries can't be resumed; it takes some minutes.")
    device = pick_device()
    generator = checkpoints.load(MODEL, str(device))
    network = checkpoints.load(ATTRIBUTES, str(device))
    rng = torch.Generator().manual_seed(seed)
    latents, scores = [], []
    for begun in range(0, samples, BATCH):
        with torch.inference_mode(), mixed_precision(device, bfloat16=True):
            ws = generator.mapping(torch.randn(BATCH, generator.z_dim, generator=rng).to(device))
            faces = (generator.synthesis(ws, "const").float() / 2 + 0.5).clamp(0, 1)
        with torch.inference_mode():
            latents.append(ws[:, 0].float().cpu().numpy())
            scores.append(network(faces).cpu().numpy())
        yield Step(begun + BATCH, samples)
    latents, scores = np.concatenate(latents), np.concatenate(scores)
    normals, figures = {}, {}
    for index, name in enumerate(NAMES):
        normal, figures[name] = fitted(latents, scores[:, index])
        normals[name] = torch.from_numpy(normal).float()[None]
        yield Step(samples, samples, message=f"{name}: {figures[name][0]:.3f}, {figures[name][1]:.3f}")
    metadata = {name: f"{held:.3f} {rest:.3f}" for name, (held, rest) in figures.items()}
    save_half(normals, out / "boundaries.safetensors", metadata)
    yield Step(samples, samples, message="done", result=figures)


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
