"""The inversion backend: the latents that draw a given face, found step by step.

As NVIDIA's projector does (Karras et al. 2020a, appendix D): latents and all noise maps are optimised for a
perceptual distance, with noise on the latents that fades, and noise maps that are kept like noise. What is compared
may be less than the whole picture: its grey values for colourisation, the pixels round a hole for inpainting, some
pixels for a partial measurement (Ma et al. 2018).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from math import cos, pi

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch.func import functional_call

from gan_models import checkpoints
from gan_models.backend import Backend
from gan_models.checkpoints import hub, registry
from gan_models.device import computing, device_lock, pick_device
from gan_models.images import blend
from gan_models.images.tensors import to_image, to_tensor
from gan_models.inversion.measurements import Operator, checked_hole, everything, grey, known, sampled
from gan_models.jobs import Step, watch_layers
from gan_models.nn.features.distance import FeatureDistance
from gan_models.stylegan2 import FaceGenerator
from gan_models.stylegan2.latents import Latents, noise_names

TASKS = ("invert", "colorize", "inpaint", "measure")
SPACES = ("auto", "w", "w+")
STARTS = ("encoder", "average")
MAX_STEPS = 5000
SAMPLES, SAMPLES_SEED = 10_000, 123  # for the mean and the deviation of w
LEARNING_RATE, RAMP_UP, RAMP_DOWN = 0.1, 0.05, 0.25  # shares of the steps
W_NOISE, W_NOISE_UNTIL = 0.05, 0.75  # in units of the deviation of w; a share of the steps
NOISE_WEIGHT, SMALLEST_NOISE = 1e5, 8
PIXEL_WEIGHT = 1.0
MEASURED_WEIGHT = 20.0  # of the mean squared error of measured pixels, which features see nothing in
PULLS = {"invert": 0.02, "colorize": 1.0, "inpaint": 3.0, "measure": 0.15}  # what is not seen is to be likely
VIEW = 256  # pixels at which larger pictures are compared
REPORT_EVERY, PREVIEW_EVERY = 5, 20
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
        weights: A registered model of the task "faces", a generator.
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Raises:
        ValueError: No such weights, or no such device; or they can't be had (`WeightsError`).
    """

    DEFAULT = FaceGenerator.DEFAULT

    def __init__(self, weights: str | None = None, device: str | None = None):
        watch_layers()
        self.device = pick_device(device)
        self.name = registry.get(weights or self.DEFAULT, task="faces").name
        self.network = FaceGenerator.cached(self.name, device).network
        self.features = "vgg16" if hub.ready(registry.get("vgg16")) else "features-compact"
        self.distance = FeatureDistance(checkpoints.load(self.features, str(self.device)))
        encoders = [model.name for model in registry.models("face-encoding") if model.of == self.name]
        self.encoder = checkpoints.load(encoders[0], str(self.device)) if encoders else None

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

    def steps(
        self,
        face: np.ndarray,
        *,
        task: str = "invert",
        mask: np.ndarray | None = None,
        scheme: str = "random",
        share: float = 0.1,
        steps: int = 300,
        seed: int = 0,
        space: str = "auto",
        start: str = "encoder",
        pull: float = 1.0,
        latents: Latents | None = None,
    ) -> Iterator[Step]:
        """Find the latents of `face`, a square, S×S×3 uint8, cut as the generator's training set was.

        Yields a `Step` every five steps, with a preview every twenty; the last one's result is an `Inversion`.

        Args:
            face: The picture; `gan_models.images.faces.cut` cuts it out of a photo.
            task: "invert"; "colorize", which sees the grey values alone; "inpaint", which fills `mask`; or "measure",
                which sees some pixels.
            mask: Of "inpaint": S×S bool, true where the picture is missing.
            scheme: Of "measure": which pixels are seen, "strided", "random" or "block".
            share: Of "measure": how many of them, from 0.01 to 1.
            steps: 1 to 5000.
            seed: Of the noise maps.
            space: "w", one latent for all layers; "w+", one for each; or "auto", w for "colorize", which keeps
                colours likely, else w+.
            start: "encoder", where the generator has one, or "average", the mean of w; "measure" takes the latter.
            pull: Weight of the latents' mean absolute distance to where they start, so to the mean of w with the
                start "average": 1 is what suits the task, 0 is none, 10 the most.
            latents: Where to go on from, instead.

        Raises:
            ValueError: An option is none of these, the mask does not fit, or memory is too short.
        """
        operator, shown = self._measured(face, task, mask, scheme, share, seed)
        _check(steps, space, start, pull)
        if space == "auto":
            space = "w" if task == "colorize" else "w+"
        pull *= PULLS[task] * self.network.w_dim**0.5 / self.spread[1]  # in units of a number's own deviation
        start = "average" if task == "measure" else start  # as the encoder never saw such pictures
        measured = share if task == "measure" else None
        begun = self._begun(shown, space, start, latents)
        search = Search(self, operator, shown, steps, seed, pull, begun, latents, measured)
        holding = partial(computing, self.device, SHORT_OF_MEMORY, 1 if self.side <= SMALL else None)
        with holding():
            first = search.distance()
        preview, losses = None, {}
        for index in range(steps):
            with holding():
                losses = search.step(index)
                if index % PREVIEW_EVERY == 0:
                    preview = search.picture()
            if index % REPORT_EVERY == 0:
                yield Step(index, steps, preview=preview, losses=losses)
                preview = None
        with holding():
            drawn, final = search.picture(), search.distance()
        finish = {
            "colorize": lambda: blend.coloured(face, drawn),
            "inpaint": lambda: blend.filled(face, mask, drawn),
        }.get(task, lambda: drawn)
        found = Inversion(finish(), drawn, to_image(shown), search.latents(), (first, final))
        yield Step(steps, steps, preview=drawn, losses=losses | {"distance": final}, result=found)

    def _measured(
        self, face: np.ndarray, task: str, mask: np.ndarray | None, scheme: str, share: float, seed: int
    ) -> tuple[Operator, torch.Tensor]:
        """Return the operator of a task, and what it shows of the face, 1×3×side×side."""
        if task not in TASKS:
            raise ValueError(f"The task must be one of {', '.join(TASKS)}, not “{task}”.")
        if face.ndim != 3 or face.shape[0] != face.shape[1] or face.shape[2] != 3:
            raise ValueError("An inversion takes a square picture of a face.")
        small = cv2.resize(face, (self.side, self.side), interpolation=cv2.INTER_AREA)
        operator = {"invert": everything, "colorize": grey}.get(task)
        if task == "inpaint":
            hole = checked_hole(mask, face)
            area = cv2.resize(hole.astype(np.float32), (self.side, self.side), interpolation=cv2.INTER_AREA)
            operator = known(torch.from_numpy((area == 0).astype(np.float32)).to(self.device))
        if task == "measure":
            operator = known(torch.from_numpy(sampled(scheme, share, self.side, seed)).to(self.device))
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
        return Latents(self.backend.name, w.copy(), noises)

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


def _check(steps: int, space: str, start: str, pull: float) -> None:
    if not isinstance(steps, int) or not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"There must be 1 to {MAX_STEPS} steps, not {steps}.")
    if space not in SPACES:
        raise ValueError(f"The space must be auto, w or w+, not “{space}”.")
    if start not in STARTS:
        raise ValueError(f"The start must be encoder or average, not “{start}”.")
    if not 0 <= pull <= 10:
        raise ValueError(f"The pull must be from 0 to 10, not {pull:g}.")
