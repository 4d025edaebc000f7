"""Editing faces in the space of w: along the normals of linear boundaries, and by sums of averaged latents.

InterFaceGAN (Shen et al. 2020): a hyperplane parts the latents of faces with an attribute from those without; a step
along its unit normal n changes the attribute. To hold others, the normal's projection on theirs is taken away first
(section 3.3, n1 - (n1ᵀ n2) n2; for several, by least squares).
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import nn

from gan_models import checkpoints, settings
from gan_models.backend import Backend
from gan_models.checkpoints import hub, registry
from gan_models.jobs import Drawn, Step
from gan_models.seeds import parse_seeds
from gan_models.stylegan2 import BoundaryModel, CombineFaces, EditFace, latents
from gan_models.stylegan2.backend import FaceGenerator
from gan_models.task import Task

TASK = "face-boundaries"
SAMPLES = 2000  # latents that tell how far faces differ along a direction
SMALLEST = 1e-3  # length of a unit normal after others were held


class Boundaries(nn.Module):
    """Unit normals, 1×w_dim each, by the names of attributes; the attribute grows along them."""

    def __init__(self, attributes: Sequence[str], w_dim: int):
        super().__init__()
        for name in attributes:
            self.register_buffer(name, torch.zeros(1, w_dim))

    def probe(self) -> torch.Tensor:
        """Return all normals, to check loaded weights."""
        return torch.cat(list(self.buffers()))


class FaceEditor(Backend):
    """Changes attributes of faces.

    Attributes:
        faces: The generator.
        boundaries: Unit normals, w_dim float64, by the names of the attributes that can be edited.
    """

    weights = "faces"

    def __init__(self, faces: FaceGenerator, boundaries: Mapping[str, np.ndarray]):
        super().__init__(faces.network, faces.model, faces.device)
        self.faces, self.boundaries = faces, dict(boundaries)

    @classmethod
    def load(cls, name: str | None = None, device: str | None = None) -> Self:
        """Return a backend with a generator, and the boundaries of it that can be had.

        Raises:
            ValueError: No such weights, or no such device; or they can't be had (`WeightsError`).
        """
        faces = FaceGenerator.cached(name, device)
        boundaries: dict[str, np.ndarray] = {}
        for model in registry.models(TASK):
            there = hub.ready(model) or (not settings.offline() and hub.reachable())
            if model.of == faces.model.name and there:
                boundaries |= unit_normals(model, faces.network.w_dim)
        return cls(faces, boundaries)

    def run(self, ask: Task) -> Iterator[Step]:
        """Do what is asked.

        Raises:
            ValueError: The weights know no such attribute, or seeds or latents are none.
        """
        match ask:
            case EditFace():
                yield from self._edit(ask)
            case CombineFaces():
                yield from self._combine(ask)

    def _edit(self, ask: EditFace) -> Iterator[Step]:
        seed, noises = None, None
        if ask.latents:
            found = latents.load(ask.latents, self.model.name, self.faces.network)
            w, noises = found.w, found.noises
        else:
            seed = parse_seeds(ask.seed)[0]
            w = self.faces.styles(self.faces.latents([seed]), ask.truncation)[0]
        edits = {name: strength for name, strength in ask.edits.items() if strength != 0}
        pair = [self.faces.draw(one, noises=noises) for one in (w, self.edited(w, edits, ask.hold))]
        notes = {"seed": seed, "edits": edits}
        yield Step(1, 1, before=pair[0], result=pair[1], message="An edited face", notes=notes)

    def _combine(self, ask: CombineFaces) -> Iterator[Step]:
        plus, minus, also = (parse_seeds(seeds) for seeds in (ask.plus, ask.minus, ask.also))
        groups = {"plus": plus, "minus": minus, "also": also}
        ws = self.combined(plus, minus, also, ask.truncation)
        captions = ("Plus", "Minus", "Also plus", "Together")
        for number, (caption, w) in enumerate(zip(captions, ws, strict=True), start=1):
            picture = self.faces.draw(w)
            yield Step(number, 4, preview=picture, drawn=Drawn(picture, caption, record=dict(groups)))
        yield Step(4, 4, message="A sum of faces", result={"image": picture}, notes=dict(groups))

    @cached_property
    def covariance(self) -> np.ndarray:
        """The covariance of w over random faces, w_dim×w_dim."""
        z = np.random.RandomState(0).randn(SAMPLES, self.faces.network.z_dim)
        return np.cov(self.faces.styles(z)[:, 0].T)

    def direction(self, attribute: str, hold: Sequence[str] = ()) -> np.ndarray:
        """Return the unit direction, w_dim, along which `attribute` grows and those of `hold` stay.

        Raises:
            ValueError: There is no such attribute, or nothing is left of it once the others are held.
        """
        for name in (attribute, *hold):
            if name not in self.boundaries:
                there = f"those that do are {', '.join(self.boundaries)}" if self.boundaries else "none is known"
                raise ValueError(f"No direction in these weights changes “{name}”; {there}.")
        others = [self.boundaries[name] for name in hold if name != attribute]
        return conditioned(self.boundaries[attribute], others, attribute)

    def edited(self, w: np.ndarray, edits: Mapping[str, float], hold: Sequence[str] = ()) -> np.ndarray:
        """Return latents, layers×w_dim float32, with attributes changed.

        Args:
            w: The latents, layers×w_dim.
            edits: How much of each attribute to add, -5 to 5, in units of the deviation of random faces along its
                direction.
            hold: Attributes that stay as they are, as far as the directions tell them apart.

        Raises:
            ValueError: There is no such attribute.
        """
        change = np.zeros(w.shape[-1])
        for attribute, strength in edits.items():
            normal = self.direction(attribute, [name for name in hold if name not in edits])
            change += strength * np.sqrt(normal @ self.covariance @ normal) * normal
        return (w + change).astype(np.float32)

    def combined(
        self, plus: Sequence[int], minus: Sequence[int], also: Sequence[int], truncation: float
    ) -> np.ndarray:
        """Return the latents of averages: of the seeds `plus`, minus those of `minus`, plus those of `also`.

        As in Radford et al. 2016, section 6.3.2 (man with glasses - man + woman), but in w. Returns 4×layers×w_dim:
        the three averages, and what they make together.
        """
        averages = [self.faces.styles(self.faces.latents(seeds), truncation).mean(0) for seeds in (plus, minus, also)]
        return np.stack([*averages, averages[0] - averages[1] + averages[2]])


def conditioned(normal: np.ndarray, held: Sequence[np.ndarray], name: str = "the attribute") -> np.ndarray:
    """Return the unit vector that is left of `normal` without its projection on the span of `held`, w_dim each.

    Raises:
        ValueError: Nothing is left.
    """
    if len(held):
        span = np.stack(held, 1)
        coefficients, *_ = np.linalg.lstsq(span, normal, rcond=None)
        normal = normal - span @ coefficients
    length = np.linalg.norm(normal)
    if length < SMALLEST:
        raise ValueError(f"Nothing is left of {name} once the others are held.")
    return normal / length


def unit_normals(model: BoundaryModel, w_dim: int) -> dict[str, np.ndarray]:
    """Return the normals in the weights `model`, each w_dim float64 of length 1.

    Raises:
        ValueError: They don't fit a generator of `w_dim`.
    """
    loaded = checkpoints.load(model.name, "cpu")
    if isinstance(loaded, np.ndarray):
        loaded = {model.attributes[0]: loaded}
    else:
        loaded = {name: value.numpy() for name, value in loaded.named_buffers()}
    normals = {}
    for name, normal in loaded.items():
        flat = normal.astype(np.float64).ravel()
        if flat.shape != (w_dim,) or not np.linalg.norm(flat) > 0:
            raise ValueError(f"The boundary “{model.name}” is none of latents of {w_dim} numbers.")
        normals[name] = flat / np.linalg.norm(flat)
    return normals
