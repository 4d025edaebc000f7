"""Neural style transfer (Gatys, Ecker and Bethge 2016): a picture with the content of one and the style of others.

The picture itself is optimised: its activations in a deep layer shall be those of the content, the Gram matrices of
its activations in several layers those of the style, and its neighbouring pixels alike. Steps are taken in a space
where low frequencies count more (`smoothed`), as most of what a style asks for is wider than a pixel: far fewer are
needed. It may begin at half size, where a step takes a quarter of the time and the strokes come out twice as large.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import nn

from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.device import SHORT_OF_MEMORY, computing, mixed_precision
from gan_models.images.alpha import flatten
from gan_models.images.tensors import to_image, to_tensor
from gan_models.jobs import Drawn, Step
from gan_models.nn.features import VGG
from gan_models.style_transfer import SIDES, Stylize
from gan_models.style_transfer.losses import content_loss, gram, style_loss, total_variation

LEARNING_RATE, BETAS = 0.03, (0.9, 0.99)  # of Adam
HISTORY, FIRST_CHANGE = 10, 0.001  # of L-BFGS: steps that it remembers, and the mean of its first one
SLOPE, LEVEL = 0.7, 0.02  # of frequencies; cycles per pixel below which all count alike
COARSE_SIDE = 0.5  # of the side
# Keras's example weighs content 2.5e-8, style 1e-6, variation 1e-6, each of another unit. These make its values ours,
# in which each loss is relative: 0.1, 1 and 2.
CONTENT_UNIT, STYLE_UNIT, VARIATION_UNIT = 4e6, 1e6, 2e6
REPORT_EVERY = 2
FRAMES = 24  # of the video of the way, about
SNAPSHOT_EVERY = 3  # frames


class Stylizer(Backend):
    """Puts pictures into the style of others, with the features of a VGG."""

    weights = "features"

    def __init__(self, network: nn.Module, model: registry.Model, device: torch.device | str | None = None):
        if not isinstance(network, VGG):
            raise ValueError(f"The style can't be read off “{model.name}”; take a VGG or the compact features.")
        super().__init__(network.to(memory_format=torch.channels_last), model, device)
        for module in network.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = True  # nobody needs what comes before it

    def run(self, ask: Stylize) -> Iterator[Step]:
        """Draw the content in the mean style of the styles; the result is h×w×3 uint8.

        Yields a `Step` every two iterations. With a region the first style goes there and the second one elsewhere;
        without a second one, only the content counts there.

        Raises:
            ValueError: There is no such layer, or memory is too short.
        """
        layers = self._layers(ask)
        content, styles = flatten(ask.content), [flatten(ask.style)]
        if ask.second_style is not None:
            styles.append(flatten(ask.second_style))
        if ask.colours == "histogram":
            styles = [recoloured(style, content) for style in styles]
        offsets = np.array([ask.red, ask.green, ask.blue])
        drawn = first_picture(ask, content, styles[0], offsets)
        frame_every = max(REPORT_EVERY, ask.steps // FRAMES * REPORT_EVERY)
        large, done, losses = resized(content, ask.side), 0, {}
        shown: np.ndarray | None = None
        for side, count in stages(ask):
            coarser, shown = shown, resized(content, side)
            drawn = fitted(drawn, shown) if coarser is None else enlarged(drawn, coarser, shown)
            with computing(self.device, SHORT_OF_MEMORY):
                samples = [resized(style, side) for style in styles]
                search = Search(self.network, self.device, ask, layers, shown, samples, drawn)
            for _ in range(count):
                with computing(self.device, SHORT_OF_MEMORY):
                    losses = search.step()
                done += 1
                if done % REPORT_EVERY == 0:
                    picture = finished(search.picture(), shown, ask.colours, offsets)
                    step = Step(done, ask.steps, preview=picture, before=content, losses=losses)
                    if done % frame_every == 0:
                        step = replace(step, frame=fitted(picture, large))
                    if done % (SNAPSHOT_EVERY * frame_every) == 0:
                        step = replace(step, drawn=Drawn(picture, f"Step {done}", record={"step": done}))
                    yield step
            drawn = to_image(search.picture())
        result = finished(search.picture(), shown, ask.colours, offsets)
        size = f"{result.shape[1]} × {result.shape[0]} pixels"
        shown = {"preview": result, "frame": result, "before": content}
        yield Step(done, done, **shown, losses=losses, result=result, message=size)

    def _layers(self, ask: Stylize) -> tuple[str, ...]:
        """Return the layers of the style and, last, that of the content."""
        styles = [name.strip() for name in ask.style_layers.split(",") if name.strip()]
        layers = (*styles, ask.content_layer)
        if not styles or not set(layers) <= set(self.network.layers):
            raise ValueError(f"Layers are named {', '.join(self.network.layers)}; at least one is of the style.")
        return layers


def stages(ask: Stylize) -> list[tuple[int, int]]:
    """Return the sizes that are drawn one after the other: pixels of the longer side, and steps."""
    small = round(ask.side * COARSE_SIDE)
    early = round(ask.coarse * ask.steps) if ask.begun is None and small >= SIDES[0] else 0
    return [(small, early)] * bool(early) + [(ask.side, ask.steps - early)]


class Search:
    """The optimisation of one picture at one size.

    Args:
        network: The features.
        device: Where they are.
        ask: Weights, region and optimiser.
        layers: Those of the style and, last, that of the content.
        content: H×W×3 uint8, what is drawn.
        styles: How, h×w×3 uint8 each.
        drawn: H×W×3 uint8, what to begin with.
    """

    def __init__(
        self,
        network: VGG,
        device: torch.device,
        ask: Stylize,
        layers: tuple[str, ...],
        content: np.ndarray,
        styles: list[np.ndarray],
        drawn: np.ndarray,
    ):
        self.network, self.device, self.layers = network, device, layers
        self.weights = {"content": ask.content_weight, "style": ask.style_weight, "variation": ask.tv_weight}
        with torch.no_grad():
            self.content = self._features(to_tensor(content).to(device))[layers[-1]]
            found = [self._features(to_tensor(style).to(device)) for style in styles]
            self.styles = self._styles(found, ask.region, content)
        self.first = to_tensor(drawn).to(device).contiguous()
        self.change = torch.zeros_like(self.first).requires_grad_()
        # Adam bears gradients of eight bits, L-BFGS loses its way by them.
        self.bfloat16 = ask.optimizer == "adam" and device.type == "cpu"
        if ask.optimizer == "adam":
            self.optimizer = torch.optim.Adam([self.change], LEARNING_RATE, BETAS)
        else:
            rate = FIRST_CHANGE * self.change.numel()  # times a gradient whose absolute values add up to one
            self.optimizer = torch.optim.LBFGS([self.change], rate, max_iter=1, history_size=HISTORY)

    def _styles(
        self, found: list[dict[str, torch.Tensor]], region: np.ndarray | None, content: np.ndarray
    ) -> list[tuple[torch.Tensor | None, dict[str, torch.Tensor]]]:
        """Return regions, 1×1×H×W in [0, 1] or None for all of the picture, each with the Gram matrices there."""
        if region is None:
            return [(None, self._mean_grams(found))]
        share = cv2.resize(region.astype(np.float32), content.shape[1::-1], interpolation=cv2.INTER_AREA)
        inside = torch.from_numpy(share).to(self.device)[None, None]
        return [(where, self._mean_grams([one])) for where, one in zip((inside, 1 - inside), found, strict=False)]

    def _mean_grams(self, found: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        return {name: sum(gram(one[name]) for one in found) / len(found) for name in self.layers[:-1]}

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
        return self.network(picture.contiguous(memory_format=torch.channels_last), tuple(dict.fromkeys(self.layers)))


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


def first_picture(ask: Stylize, content: np.ndarray, style: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the first picture, h×w×3 uint8: what was begun, or one of the content's size."""
    if ask.begun is not None:
        return (flatten(ask.begun) - offsets).clip(0, 255).astype(np.uint8)
    if ask.start == "noise":
        return np.random.default_rng(ask.seed).integers(0, 256, content.shape, np.uint8)
    return (
        content if ask.start == "content" else cv2.resize(style, content.shape[1::-1], interpolation=cv2.INTER_AREA)
    )


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
