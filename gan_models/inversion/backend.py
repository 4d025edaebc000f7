"""The inversion backend: the latents that draw a given face, found step by step.

As NVIDIA's projector does (Karras et al. 2020a, appendix D): latents and all noise maps are optimised for a
perceptual distance, with noise on the latents that fades, and noise maps that are kept like noise. What is compared
may be less than the whole picture: its grey values for colourisation, the pixels round a hole for inpainting, some
pixels for a partial measurement (Ma et al. 2018).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import cos, pi
from typing import Self

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from gan_models import checkpoints
from gan_models.backend import Backend
from gan_models.checkpoints import hub, registry
from gan_models.device import computing, device_lock
from gan_models.images import blend
from gan_models.images.tensors import to_image, to_tensor
from gan_models.inversion import ColorizeFace, InpaintFace, InvertFace, MeasureFace
from gan_models.inversion.align import framed
from gan_models.inversion.measurements import Operator, checked_hole, everything, grey, known, sampled
from gan_models.jobs import Step
from gan_models.nn.features.distance import FeatureDistance
from gan_models.stylegan2 import latents
from gan_models.stylegan2.backend import FaceGenerator
from gan_models.stylegan2.latents import Latents, noise_names

SAMPLES, SAMPLES_SEED = 10_000, 123  # for the mean and the deviation of w
LEARNING_RATE, RAMP_UP, RAMP_DOWN = 0.1, 0.05, 0.25  # shares of the steps
W_NOISE, W_NOISE_UNTIL = 0.05, 0.75  # in units of the deviation of w; a share of the steps
NOISE_WEIGHT, SMALLEST_NOISE = 1e5, 8
PIXEL_WEIGHT = 1.0
MEASURED_WEIGHT = 20.0  # of the mean squared error of measured pixels, which features see nothing in
PULLS = {InvertFace: 0.02, ColorizeFace: 1.0, InpaintFace: 3.0, MeasureFace: 0.15}  # what is not seen is to be likely
VIEW = 256  # pixels at which larger pictures are compared
REPORT_EVERY, PREVIEW_EVERY = 5, 20
FILM_SIDE = 256  # pixels that smaller pictures are enlarged to, to be looked at
SMALL = 128  # pixels up to which one thread of a CPU does
SHORT_OF_MEMORY = "The memory of this device is too short for an inversion; try again later."


@dataclass(frozen=True)
class Inversion:
    """What an inversion ends with.

    Attributes:
        picture: The result, S×S×3 uint8: for "invert" and "measure" what the generator draws, at its own size; for
            "colorize" and "inpaint" the given picture, at its own size, with what was missing from it.
        drawn: What the generator draws, side×side×3 uint8.
        shown: The given picture as far as it was known, side×side×3 uint8.
        latents: What draws it.
        distance: The distance at the start and at the end.
    """

    picture: np.ndarray
    drawn: np.ndarray
    shown: np.ndarray
    latents: Latents
    distance: tuple[float, float]


class FaceInverter(Backend):
    """Finds the latents of a face.

    Args:
        network: The generator.
        model: The registry's entry of the generator.
        device: Where all is computed; None picks the best there is.
        distance: Tells how far pictures are apart.
        features: The name of the weights by which it does.
        encoder: Guesses latents, 1×layers×w_dim, of pictures, 1×3×side×side; None for none.
    """

    weights = "faces"

    def __init__(
        self,
        network: nn.Module,
        model: registry.Model,
        device: torch.device | str | None,
        distance: FeatureDistance,
        features: str,
        encoder: nn.Module | None,
    ):
        super().__init__(network, model, device)
        self.distance, self.features, self.encoder = distance, features, encoder

    @classmethod
    def load(cls, name: str | None = None, device: str | None = None) -> Self:
        """Return a backend with a generator, its encoder if it has one, and VGG if that is here, else our features.

        Raises:
            ValueError: No such weights, or no such device; or they can't be had (`WeightsError`).
        """
        faces = FaceGenerator.cached(name, device)
        place = str(faces.device)
        features = "vgg16" if hub.ready(registry.get("vgg16")) else "features-compact"
        encoders = [model.name for model in registry.models("face-encoding") if model.of == faces.model.name]
        return cls(
            faces.network,
            faces.model,
            faces.device,
            FeatureDistance(checkpoints.load(features, place)),
            features,
            checkpoints.load(encoders[0], place) if encoders else None,
        )

    def run(self, ask: InvertFace | ColorizeFace | InpaintFace | MeasureFace) -> Iterator[Step]:
        """Cut the face out of the photo and find its latents.

        Raises:
            ValueError: There is no such face, the mask or the latents don't fit, or memory is too short.
        """
        cutting = framed(ask)
        before = _large(cutting.square)
        for step in self.search(ask, cutting.square, cutting.mask):
            preview = None if step.preview is None else _large(step.preview)
            step = replace(step, preview=preview, frame=preview, before=before)
            if step.result is None:
                yield step
        found = step.result
        message = f"Distance {found.distance[0]:.3f} to {found.distance[1]:.3f}"
        if cutting.found is not None:
            count = "one face" if cutting.found == 1 else f"{cutting.found} faces"
            message += f", {count} found by {cutting.detector},"
        yield replace(
            step,
            before=before if isinstance(ask, InvertFace) else _large(found.shown),
            preview=_large(found.picture),
            message=message,
            result={"image": found.picture, "latents": latents.content(found.latents)},
            notes={"features": self.features},
        )

    @property
    def side(self) -> int:
        """The side of the pictures that the generator draws."""
        return self.network.img_resolution

    @cached_property
    def spread(self) -> tuple[torch.Tensor, float]:
        """The mean of w, w_dim numbers, and its deviation, over 10,000 random z."""
        z = np.random.RandomState(SAMPLES_SEED).randn(SAMPLES, self.network.z_dim)
        with torch.inference_mode():
            parts = torch.from_numpy(z).float().split(1000)
            w = torch.cat([self.network.mapping(part.to(self.device))[:, 0] for part in parts])
            mean = w.mean(0)
            deviation = ((w - mean).square().sum() / SAMPLES).sqrt().item()
        return mean.clone(), deviation

    def search(
        self, ask: InvertFace | ColorizeFace | InpaintFace | MeasureFace, face: np.ndarray, mask: np.ndarray | None
    ) -> Iterator[Step]:
        """Find the latents of `face`, a square, S×S×3 uint8, cut as the generator's training set was.

        Yields a `Step` every five steps, with a preview every twenty; the last one's result is an `Inversion`.

        Args:
            ask: What is asked for.
            face: The picture.
            mask: Of `InpaintFace`: S×S bool, true where the picture is missing.

        Raises:
            ValueError: The mask or the latents don't fit, or memory is too short.
        """
        operator, shown = self._measured(ask, face, mask)
        colouring, measuring = isinstance(ask, ColorizeFace), isinstance(ask, MeasureFace)
        space = ("w" if colouring else "w+") if ask.space == "auto" else ask.space
        pull = ask.pull * PULLS[type(ask)] * self.network.w_dim**0.5 / self.spread[1]  # in a number's own deviation
        start = "average" if measuring else ask.start  # as the encoder never saw such pictures
        file = getattr(ask, "latents", None)
        going_on = latents.load(file, self.model.name, self.network) if file else None
        begun = self._begun(shown, space, start, going_on)
        search = Search(
            self, operator, shown, ask.steps, ask.seed, pull, begun, going_on, ask.share if measuring else None
        )
        holding = partial(computing, self.device, SHORT_OF_MEMORY, 1 if self.side <= SMALL else None)
        with holding():
            first = search.distance()
        preview, losses = None, {}
        for index in range(ask.steps):
            with holding():
                losses = search.step(index)
                if index % PREVIEW_EVERY == 0:
                    preview = search.picture()
            if index % REPORT_EVERY == 0:
                yield Step(index, ask.steps, preview=preview, losses=losses)
                preview = None
        with holding():
            drawn, final = search.picture(), search.distance()
        picture = drawn
        if colouring:
            picture = blend.coloured(face, drawn)
        elif isinstance(ask, InpaintFace):
            picture = blend.filled(face, mask, drawn)
        found = Inversion(picture, drawn, to_image(shown), search.latents(), (first, final))
        yield Step(ask.steps, ask.steps, preview=drawn, losses=losses | {"distance": final}, result=found)

    def _measured(
        self, ask: InvertFace | ColorizeFace | InpaintFace | MeasureFace, face: np.ndarray, mask: np.ndarray | None
    ) -> tuple[Operator, torch.Tensor]:
        """Return the operator of a task, and what it shows of the face, 1×3×side×side."""
        small = cv2.resize(face, (self.side, self.side), interpolation=cv2.INTER_AREA)
        match ask:
            case InvertFace():
                operator = everything
            case ColorizeFace():
                operator = grey
            case InpaintFace():
                hole = checked_hole(mask, face).astype(np.float32)
                area = cv2.resize(hole, (self.side, self.side), interpolation=cv2.INTER_AREA)
                operator = known(torch.from_numpy((area == 0).astype(np.float32)).to(self.device))
            case MeasureFace():
                seen = sampled(ask.scheme, ask.share, self.side, ask.seed)
                operator = known(torch.from_numpy(seen).to(self.device))
        return operator, operator(to_tensor(small).to(self.device))

    @torch.inference_mode()
    def _begun(self, shown: torch.Tensor, space: str, start: str, latents: Latents | None) -> torch.Tensor:
        """Return the latents to start from, 1×layers×w_dim, or 1×1×w_dim in the space "w"."""
        mean, _ = self.spread
        if latents is not None:
            w = torch.from_numpy(latents.w)[None].to(self.device)
        elif start == "encoder" and self.encoder is not None:
            with device_lock(self.device):
                w = self.encoder(shown)
        else:
            w = mean.expand(1, self.network.num_ws, -1)
        return (w.mean(1, keepdim=True) if space == "w" else w).clone()


class Search:
    """The optimisation of one inversion."""

    def __init__(
        self,
        backend: FaceInverter,
        operator: Operator,
        shown: torch.Tensor,
        steps: int,
        seed: int,
        pull: float,
        begun: torch.Tensor,
        latents: Latents | None,
        measured: float | None = None,
    ):
        self.backend, self.operator, self.shown, self.total, self.pull = backend, operator, shown, steps, pull
        self.deviation, self.measured = backend.spread[1], measured
        self.rng = torch.Generator().manual_seed(seed)
        self.begun, self.w = begun, begun.clone().requires_grad_()
        synthesis = backend.network.synthesis
        buffers = dict(synthesis.named_buffers())
        kept = latents.noises if latents else {}
        self.noises = {}
        for name in noise_names(synthesis):
            fresh = torch.randn(buffers[name].shape, generator=self.rng)
            noise = torch.from_numpy(kept[name]).clone() if name in kept else fresh
            self.noises[name] = noise.to(backend.device).requires_grad_()
        self.optimizer = torch.optim.Adam([self.w, *self.noises.values()], lr=LEARNING_RATE)
        with torch.no_grad():
            self.described = None if measured else backend.distance.describe(seen(shown))

    def step(self, index: int) -> dict[str, float]:
        """Take one step, and return what it went down on."""
        done = index / self.total
        self.optimizer.param_groups[0]["lr"] = LEARNING_RATE * ramp(done)
        strength = self.deviation * W_NOISE * max(0.0, 1 - done / W_NOISE_UNTIL) ** 2
        shaken = self.w + strength * torch.randn(self.w.shape, generator=self.rng).to(self.w)
        distance = self._distance(self.draw(shaken))
        noise = noise_regularization(list(self.noises.values()))
        total = distance + NOISE_WEIGHT * noise
        if self.pull:
            total = total + self.pull * (self.w - self.begun).abs().mean()
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        with torch.no_grad():
            for values in self.noises.values():
                values -= values.mean()
                values *= values.square().mean().rsqrt()
        return {"distance": distance.item(), "noise": noise.item(), "total": total.item()}

    def draw(self, w: torch.Tensor) -> torch.Tensor:
        """Return the picture, 1×3×side×side in about [0, 1], of the latents `w` and these noise maps."""
        network = self.backend.network
        ws = w.expand(-1, network.num_ws, -1)
        return functional_call(network.synthesis, self.noises, (ws, "const")) / 2 + 0.5

    @torch.no_grad()
    def picture(self) -> np.ndarray:
        """Return the picture so far, side×side×3 uint8."""
        return to_image(self.draw(self.w))

    @torch.no_grad()
    def distance(self) -> float:
        """Return the distance of the picture so far."""
        return self._distance(self.draw(self.w)).item()

    def latents(self) -> Latents:
        """Return what has been found so far."""
        w = self.w.detach().expand(-1, self.backend.network.num_ws, -1)[0].contiguous().cpu().numpy()
        noises = {name: values.detach().cpu().numpy().copy() for name, values in self.noises.items()}
        return Latents(self.backend.model.name, w.copy(), noises)

    def _distance(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the distance from what is known: of features and pixels, or of the measured pixels alone."""
        found = self.operator(picture)
        pixels = F.mse_loss(found, self.shown)
        if self.measured:
            return MEASURED_WEIGHT * pixels / self.measured
        return self.backend.distance(seen(found), self.described).mean() + PIXEL_WEIGHT * pixels


def seen(picture: torch.Tensor) -> torch.Tensor:
    """Return the picture as it is compared: averaged down to 256 pixels if it is larger."""
    side = picture.shape[-1]
    return F.avg_pool2d(picture, side // VIEW) if side > VIEW else picture


def ramp(done: float) -> float:
    """Return the learning rate's share of its full value after the share `done` of all steps."""
    down = 0.5 - 0.5 * cos(pi * min(1.0, (1 - done) / RAMP_DOWN))
    return down * min(1.0, done / RAMP_UP)


def noise_regularization(noises: list[torch.Tensor]) -> torch.Tensor:
    """Return how far square noise maps are from independent values (Karras et al. 2020a, appendix D, L_{i,j}).

    The squared means of the products with the neighbours one step along rows and along columns, at each size from
    the map's own, averaged down by twos, to 8 pixels.
    """
    total = noises[0].new_zeros(())
    for noise in noises:
        level = noise[None, None]
        while True:
            for axis in (3, 2):
                total = total + (level * level.roll(1, axis)).mean().square()
            if level.shape[2] <= SMALLEST_NOISE:
                break
            level = F.avg_pool2d(level, 2)
    return total


def _large(picture: np.ndarray) -> np.ndarray:
    """Return a square picture with at least as many pixels as can be looked at."""
    if picture.shape[0] >= FILM_SIDE:
        return picture
    return cv2.resize(picture, (FILM_SIDE, FILM_SIDE), interpolation=cv2.INTER_CUBIC)
