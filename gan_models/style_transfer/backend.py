"""Neural style transfer (Gatys, Ecker and Bethge 2016): a picture with the content of one and the style of others.

The picture itself is optimised: its activations in a deep layer shall be those of the content, the Gram matrices of
its activations in several layers those of the style, and its neighbouring pixels alike. Steps are taken in a space
where low frequencies count more (`smoothed`), as most of what a style asks for is wider than a pixel: far fewer are
needed. It may begin at half size, where a step takes a quarter of the time and the strokes come out twice as large.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import cv2
import numpy as np
import torch
from torch import nn

from gan_models import checkpoints
from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.device import SHORT_OF_MEMORY, computing, mixed_precision, pick_device
from gan_models.images.tensors import to_image, to_tensor
from gan_models.jobs import Step, watch_layers
from gan_models.nn.features import VGG
from gan_models.style_transfer.losses import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    content_loss,
    gram,
    style_loss,
    total_variation,
)

STARTS = ("content", "noise", "style")
OPTIMIZERS = ("adam", "lbfgs")
COLOURS = ("style", "luminance", "histogram")
MAX_STEPS, SIDES, MAX_STYLES = 2000, (64, 1536), 4
LEARNING_RATE, BETAS = 0.03, (0.9, 0.99)  # of Adam
HISTORY, FIRST_CHANGE = 10, 0.001  # of L-BFGS: steps that it remembers, and the mean of its first one
SLOPE, LEVEL = 0.7, 0.02  # of frequencies; cycles per pixel below which all count alike
COARSE_SIDE = 0.5  # of the side
# Keras's example weighs content 2.5e-8, style 1e-6, variation 1e-6, each of another unit. These make its values ours,
# in which each loss is relative: 0.1, 1 and 2.
CONTENT_UNIT, STYLE_UNIT, VARIATION_UNIT = 4e6, 1e6, 2e6
REPORT_EVERY = 2


class Stylizer(Backend):
    """Puts pictures into the style of others, with the features of a registered network.

    Args:
        weights: A registered model of the task "features" that is a `VGG`.
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Raises:
        ValueError: No such weights, or no such device; or they can't be had (`WeightsError`).
    """

    DEFAULT = "features-compact"

    def __init__(self, weights: str | None = None, device: str | None = None):
        watch_layers()
        self.device = pick_device(device)
        name = registry.get(weights or self.DEFAULT, task="features").name
        self.features = checkpoints.load(name, str(self.device))
        if not isinstance(self.features, VGG):
            raise ValueError(f"The style can't be read off “{name}”; take a VGG or the compact features.")
        self.features.to(memory_format=torch.channels_last)
        for module in self.features.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = True  # nobody needs what comes before it

    def steps(
        self,
        content: np.ndarray,
        styles: Sequence[np.ndarray],
        *,
        steps: int = 150,
        content_weight: float = 2.5e-8,
        style_weight: float = 1e-6,
        tv_weight: float = 1e-6,
        side: int = 384,
        start: str = "content",
        optimizer: str = "lbfgs",
        colours: str = "style",
        content_layer: str = CONTENT_LAYER,
        style_layers: Sequence[str] = STYLE_LAYERS,
        offsets: Sequence[float] = (0, 0, 0),
        seed: int = 0,
        region: np.ndarray | None = None,
        begun: np.ndarray | None = None,
        coarse: float = 0.6,
    ) -> Iterator[Step]:
        """Draw `content` in the mean style of `styles`, all H×W×3 uint8 of any sizes.

        Yields a `Step` every two iterations; the last one's result is the picture, h×w×3 uint8.

        Args:
            content: What is drawn.
            styles: One to four pictures.
            steps: Iterations, 1 to 2000.
            content_weight: In the scale of Keras's example, as are the next two: 2.5e-4 keeps nearly all of the
                content, 2.5e-8 lets the style win.
            style_weight: Of the Gram matrices.
            tv_weight: Of the differences of neighbouring pixels.
            side: Pixels of the result's longer side, 64 to 1536.
            start: What the picture begins as: "content", "noise" or "style" (the first one).
            optimizer: "adam" or "lbfgs".
            colours: "style"; "luminance", which keeps the content's colours and takes the style's strokes; or
                "histogram", which gives the style the content's colours before.
            content_layer: A layer of the feature network, such as "relu3_2".
            style_layers: Layers of it.
            offsets: What is added to red, green and blue at the end, -255 to 255.
            seed: Of the noise.
            region: H×W bool of the content's size: where the first style goes. The others go elsewhere; without any,
                only the content counts there.
            begun: H×W×3 uint8, what an earlier run came to with the same offsets: then this one goes on from there,
                at full size, whatever `start` says.
            coarse: Share of the steps at half size, 0 to 0.9, unless that is below 64 pixels. Without these the
                losses end lower, and more of the content stays.

        Raises:
            ValueError: An option is out of range, there is no such layer, or the region is of another size, empty or
                full.
        """
        layers = (*style_layers, content_layer)
        _check(steps, side, start, optimizer, colours, len(styles), offsets)
        weights = {"content": content_weight, "style": style_weight, "variation": tv_weight}
        for name, weight in weights.items():
            if not 0 <= weight <= 1:
                raise ValueError(f"The weight of the {name} must be from 0 to 1, not {weight:g}.")
        unknown = [name for name in layers if name not in self.features.layers]
        if unknown or not style_layers:
            raise ValueError(f"Layers are named {', '.join(self.features.layers)}; at least one is of the style.")
        if region is not None and (region.shape != content.shape[:2] or region.all() or not region.any()):
            raise ValueError("The region must have the picture's size, and be neither empty nor all of it.")
        if colours == "histogram":
            styles = [recoloured(style, content) for style in styles]
        if not 0 <= coarse <= 0.9:
            raise ValueError(f"The share of the steps at half size must be from 0 to 0.9, not {coarse:g}.")
        offsets = np.array(offsets)
        if begun is None:
            first = first_picture(content, styles[0], start, seed)
        else:
            first = (begun - offsets).clip(0, 255).astype(np.uint8)
        small = round(side * COARSE_SIDE)
        early = round(coarse * steps) if begun is None and small >= SIDES[0] else 0
        stages = [(small, early)] * bool(early) + [(side, steps - early)]
        return self._steps(content, styles, first, stages, weights, optimizer, colours, layers, offsets, region)

    def _steps(
        self,
        content: np.ndarray,
        styles: Sequence[np.ndarray],
        drawn: np.ndarray,
        stages: list[tuple[int, int]],
        weights: dict[str, float],
        optimizer: str,
        colours: str,
        layers: tuple[str, ...],
        offsets: np.ndarray,
        region: np.ndarray | None,
    ) -> Iterator[Step]:
        done, total, losses, shown = 0, sum(count for _, count in stages), {}, None
        for side, count in stages:
            coarser, shown = shown, resized(content, side)
            drawn = enlarged(drawn, coarser, shown) if coarser is not None else fitted(drawn, shown)
            with computing(self.device, SHORT_OF_MEMORY):
                task = Task(self, shown, [resized(style, side) for style in styles], weights, layers, region)
                task.begin(drawn, optimizer)
            for _ in range(count):
                with computing(self.device, SHORT_OF_MEMORY):
                    losses = task.step()
                done += 1
                if done % REPORT_EVERY == 0:
                    yield Step(done, total, preview=finished(task.picture(), shown, colours, offsets), losses=losses)
            drawn = to_image(task.picture())
        result = finished(task.picture(), shown, colours, offsets)
        yield Step(total, total, preview=result, losses=losses, result=result)


class Task:
    """One size of one picture."""

    def __init__(
        self,
        backend: Stylizer,
        content: np.ndarray,
        styles: list[np.ndarray],
        weights: dict[str, float],
        layers: tuple[str, ...],
        region: np.ndarray | None = None,
    ):
        self.features, self.weights, self.layers = backend.features, weights, layers
        self.device = backend.device
        with torch.no_grad():
            self.content = self._features(to_tensor(content).to(self.device))[layers[-1]]
            found = [self._features(to_tensor(style).to(self.device)) for style in styles]
            if region is None:
                self.styles = [(None, self._mean_grams(found))]
                return
            share = cv2.resize(region.astype(np.float32), content.shape[1::-1], interpolation=cv2.INTER_AREA)
            inside = torch.from_numpy(share).to(self.device)[None, None]
            self.styles = [(inside, self._mean_grams(found[:1]))]
            if found[1:]:
                self.styles.append((1 - inside, self._mean_grams(found[1:])))

    def _mean_grams(self, found: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        return {name: sum(gram(one[name]) for one in found) / len(found) for name in self.layers[:-1]}

    def begin(self, picture: np.ndarray, optimizer: str) -> None:
        """Begin with `picture`, H×W×3 uint8."""
        self.first = to_tensor(picture).to(self.device).contiguous()
        self.change = torch.zeros_like(self.first).requires_grad_()
        # Adam bears gradients of eight bits, L-BFGS loses its way by them.
        self.bfloat16 = optimizer == "adam" and self.device.type == "cpu"
        if optimizer == "adam":
            self.optimizer = torch.optim.Adam([self.change], LEARNING_RATE, BETAS)
        else:
            rate = FIRST_CHANGE * self.change.numel()  # times a gradient whose absolute values add up to one
            self.optimizer = torch.optim.LBFGS([self.change], rate, max_iter=1, history_size=HISTORY)

    def picture(self) -> torch.Tensor:
        """Return the picture as it is, 1×3×H×W in [0, 1]."""
        return (self.first + smoothed(self.change)).clamp(0, 1)

    def step(self) -> dict[str, float]:
        """Take one step and return the losses, by the same names as the weights."""
        losses: dict[str, float] = {}

        def total() -> torch.Tensor:
            terms = self.terms()
            losses.update({name: value.item() for name, value in terms.items()})
            self.optimizer.zero_grad()
            loss = sum(terms.values())
            loss.backward()
            return loss

        self.optimizer.step(total)
        if isinstance(self.optimizer, torch.optim.LBFGS):
            self.optimizer.param_groups[0]["lr"] = 1  # from now on it knows how far to go
        return losses

    def terms(self) -> dict[str, torch.Tensor]:
        """Return the weighted losses of the picture as it is."""
        picture = self.picture()
        with mixed_precision(self.device, bfloat16=True) if self.bfloat16 else nullcontext():
            found = self._features(picture)
        losses = {
            "content": CONTENT_UNIT * content_loss(found[self.layers[-1]], self.content),
            "style": STYLE_UNIT * sum(style_loss(found, wanted, region) for region, wanted in self.styles),
            "variation": VARIATION_UNIT * total_variation(picture),
        }
        return {name: self.weights[name] * value for name, value in losses.items()}

    def _features(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        return self.features(picture.contiguous(memory_format=torch.channels_last), tuple(dict.fromkeys(self.layers)))


def smoothed(change: torch.Tensor) -> torch.Tensor:
    """Return N×C×H×W with each frequency f divided by f^0.7, save very low ones; four pixels' stays as it is.

    A step along the gradient by such a `change` is one along a Sobolev gradient (Neuberger 1985): large forms come
    forth together with small ones. At 1/f, as in natural pictures, fine hatching comes too late. Opposite edges count
    as neighbours.
    """
    height, width = change.shape[2:]
    down = torch.fft.fftfreq(height, device=change.device)[:, None]
    across = torch.fft.rfftfreq(width, device=change.device)
    frequency = (down.square() + across.square() + LEVEL**2).sqrt()
    return torch.fft.irfft2(torch.fft.rfft2(change) / (4 * frequency) ** SLOPE, s=(height, width))


def first_picture(content: np.ndarray, style: np.ndarray, start: str, seed: int) -> np.ndarray:
    """Return the first picture, of the content's size."""
    if start == "noise":
        return np.random.default_rng(seed).integers(0, 256, content.shape, np.uint8)
    return content if start == "content" else cv2.resize(style, content.shape[1::-1], interpolation=cv2.INTER_AREA)


def fitted(picture: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Return `picture` at the size of `content`."""
    return cv2.resize(picture, content.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def enlarged(drawn: np.ndarray, coarse: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Return what was drawn of `coarse`, all H×W×3 uint8, as if of `content`, the same picture at a larger size.

    The difference is enlarged and not the picture, which keeps fine detail of the content.
    """
    difference = fitted(drawn.astype(np.float32) - coarse, content)
    return np.rint((content + difference).clip(0, 255)).astype(np.uint8)


def resized(picture: np.ndarray, side: int) -> np.ndarray:
    """Return `picture`, H×W×3 uint8, with `side` pixels along its longer side."""
    share = side / max(picture.shape[:2])
    size = [max(16, round(length * share)) for length in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if share < 1 else cv2.INTER_CUBIC)


def recoloured(picture: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return `picture` with the mean and covariance of the colours of another (Gatys et al. 2017, section 5.1)."""
    flat, other = (pixels.reshape(-1, 3).astype(float) for pixels in (picture, colours))
    roots = [np.linalg.cholesky(np.cov(pixels.T) + 1e-3 * np.eye(3)) for pixels in (flat, other)]
    matched = (flat - flat.mean(0)) @ np.linalg.inv(roots[0]).T @ roots[1].T + other.mean(0)
    return np.rint(matched.clip(0, 255)).astype(np.uint8).reshape(picture.shape)


def finished(picture: torch.Tensor, content: np.ndarray, colours: str, offsets: np.ndarray) -> np.ndarray:
    """Return the picture as it is shown: H×W×3 uint8, with the content's colours if wished, and offsets."""
    image = to_image(picture)
    if colours == "luminance":
        own = cv2.cvtColor(content, cv2.COLOR_RGB2YCrCb)
        own[:, :, 0] = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)[:, :, 0]
        image = cv2.cvtColor(own, cv2.COLOR_YCrCb2RGB)
    return np.rint((image + offsets).clip(0, 255)).astype(np.uint8) if offsets.any() else image


def _check(
    steps: int, side: int, start: str, optimizer: str, colours: str, count: int, offsets: Sequence[float]
) -> None:
    if not 1 <= count <= MAX_STYLES:
        raise ValueError(f"Choose one to {MAX_STYLES} styles.")
    if not isinstance(steps, int) or not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"There must be 1 to {MAX_STEPS} steps, not {steps}.")
    if not SIDES[0] <= side <= SIDES[1]:
        raise ValueError(f"The longer side must be {SIDES[0]} to {SIDES[1]} pixels, not {side:g}.")
    for value, known, name in (
        (start, STARTS, "start"),
        (optimizer, OPTIMIZERS, "optimiser"),
        (colours, COLOURS, "colours"),
    ):
        if value not in known:
            raise ValueError(f"The {name} must be one of {', '.join(known)}, not “{value}”.")
    if len(offsets) != 3 or not all(abs(offset) <= 255 for offset in offsets):
        raise ValueError("Offsets are three numbers from -255 to 255, for red, green and blue.")
