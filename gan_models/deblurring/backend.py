"""The deblurring backend: one picture or a film, of any size, in bounded memory."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.deblurring import Deblur, classical
from gan_models.device import SHORT_OF_MEMORY, computing, mixed_precision
from gan_models.images import join_alpha, split_alpha, thumbnail
from gan_models.images.tensors import to_tensor
from gan_models.images.tiling import tiled_within_memory
from gan_models.jobs import Step, check_wanted
from gan_models.restoration import Filmed

FORMULAS = {"wiener": classical.wiener, "richardson-lucy": classical.richardson_lucy}
TILE, OVERLAP = 768, 96
MULTIPLE, SMALLEST = 32, 128  # what published networks want of the sides
REDUCTIONS = (1, 2, 3, 4)
COARSEST = 32  # pixels of the shorter side
SAMPLE = 768  # pixels a side, from the middle, by which the reduction is chosen
CLEARLY = 0.1  # change, in units of gradients, from which a blur is taken for one
COARSER = 0.3  # how much more a change counts for each further reduction: too little of one undoes nearly nothing


class Deblurrer(Backend):
    """Single-image deblurring: a compact network, published ones, and deconvolution by a formula.

    Pictures go through in tiles with 96 pixels of context. The networks could see further; what they would make of
    that is left out, and blended where tiles meet. DeblurGAN-v2 normalises by what it sees, so that its tiles may
    differ a little in tone.

    The compact network was trained on motions of up to 25 pixels. Longer ones it undoes on the picture reduced, where
    they are short: what it changes there is enlarged and added. How far to reduce shows in the network itself: it
    changes most, in units of the picture's gradients, where the blur is of the size that it knows.
    """

    weights = "deblurring"

    def __init__(
        self, network: nn.Module | Path | None, model: registry.Model, device: torch.device | str | None = None
    ):
        if isinstance(network, nn.Module):
            network.to(memory_format=torch.channels_last)
        super().__init__(OnnxNetwork(network) if isinstance(network, Path) else network, model, device)

    def run(self, ask: Deblur) -> Iterator[Step]:
        """Sharpen the picture; the result has its shape.

        Raises:
            ValueError: Memory is too short.
        """
        colour, alpha = split_alpha(ask.image)
        reduction = self._reduction(ask, colour)
        small = _reduced(colour, reduction)
        sharp = small.copy()  # what previews show of tiles to come
        function = self._function(ask.length, ask.angle)
        tiles = tiled_within_memory(function, small, out=sharp, device=self.device, tile=TILE, overlap=OVERLAP)
        for index, total in tiles:
            yield Step(index, total, preview=thumbnail(sharp))
        if reduction > 1:
            sharp = _changed(colour, small, sharp)
        mixed = cv2.addWeighted(sharp, ask.strength, colour, 1 - ask.strength, 0)
        yield Step(total, total, result=join_alpha(mixed, alpha))

    def video(self, ask: Filmed, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield each of `frames`, H×W×3 uint8, sharpened by itself, all reduced as it fits the first one."""
        reduction = 0
        for frame in frames:
            one = ask.one(frame)
            reduction = reduction or self._reduction(one, frame)
            yield self(one.model_copy(update={"reduction": reduction}))

    def _reduction(self, ask: Deblur, colour: np.ndarray) -> int:
        """Return how many times smaller the network is to see the picture: as asked for, or as it fits."""
        if not self.model.embedded or min(colour.shape[:2]) < COARSEST * ask.reduction:
            return 1
        return ask.reduction or self.fitting_reduction(colour)

    def fitting_reduction(self, image: np.ndarray) -> int:
        """Return how many times smaller the network should see `image`, H×W×3 uint8; 1 unless it is compact."""
        if not self.model.embedded:
            return 1
        height, width = image.shape[:2]
        top, left = max(0, height - SAMPLE) // 2, max(0, width - SAMPLE) // 2
        sample = image[top : top + SAMPLE, left : left + SAMPLE]
        changes = {}
        for reduction in REDUCTIONS:
            if reduction == 1 or min(sample.shape[:2]) >= COARSEST * reduction:
                tile = to_tensor(_reduced(sample, reduction))
                gradients = sum(tile.diff(dim=dim).abs().mean() for dim in (2, 3) if tile.shape[dim] > 1)
                with torch.inference_mode(), computing(self.device, SHORT_OF_MEMORY):
                    change = self._through_network(tile.to(self.device)).cpu() - tile
                shown = float(change.abs().mean() / (gradients + 1e-6))
                changes[reduction] = shown * (1 + COARSER * (reduction - 1))
        most = max(changes, key=changes.get)
        return most if changes[most] >= CLEARLY else 1

    def _function(self, length: float, angle: float) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what sharpens a tile, 1×3×H×W in [0, 1]."""
        if self.model.formula:
            return partial(_deconvolved, FORMULAS[self.model.name], classical.guessed_kernel(length, angle))
        return self._through_network

    def _through_network(self, tile: torch.Tensor) -> torch.Tensor:
        if self.model.embedded:
            with mixed_precision(self.device, bfloat16=True):
                return self.network(tile).float()
        height, width = tile.shape[2:]
        right, below = (max(side + -side % MULTIPLE, SMALLEST) - side for side in (width, height))
        padded = F.pad(tile, (0, right, 0, below), mode="replicate")
        with mixed_precision(self.device):
            return self.network(padded).float()[:, :, :height, :width]


class OnnxNetwork:
    """A network in a file that OpenCV runs on the CPU."""

    def __init__(self, path: Path):
        self.path = path
        self.network = cv2.dnn.readNetFromONNX(str(path))

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        """Map 1×3×H×W in [0, 1] to the same.

        Raises:
            ValueError: OpenCV can't run the network on this.
        """
        check_wanted()
        try:
            self.network.setInput(np.ascontiguousarray(tile.cpu().numpy(), np.float32))
            return torch.from_numpy(self.network.forward()).to(tile.device)
        except cv2.error:
            raise ValueError(f"OpenCV can't run “{self.path.name}” on this picture; take other weights.") from None


def _deconvolved(formula: Callable, kernel: np.ndarray, tile: torch.Tensor) -> torch.Tensor:
    """Return `tile`, 1×3×H×W in [0, 1], by a formula, which gets mirrored margins: it takes pictures for periodic."""
    check_wanted()
    reach = min(OVERLAP, *(side - 1 for side in tile.shape[2:]))
    image = F.pad(tile, [reach] * 4, mode="reflect")[0].permute(1, 2, 0).double().cpu().numpy()
    height, width = tile.shape[2:]
    sharp = formula(image, kernel)[reach : reach + height, reach : reach + width]
    return torch.from_numpy(sharp).permute(2, 0, 1)[None].float().to(tile.device)


def _reduced(picture: np.ndarray, factor: int) -> np.ndarray:
    """Return `picture`, H×W×3 uint8, at 1/`factor` of its size."""
    height, width = (side // factor for side in picture.shape[:2])
    return picture if factor == 1 else cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _changed(picture: np.ndarray, coarse: np.ndarray, sharp: np.ndarray) -> np.ndarray:
    """Return `picture`, H×W×3 uint8, with the change from `coarse` to `sharp`, both smaller, added to it."""
    change = cv2.resize(sharp.astype(np.int16) - coarse, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    change = cv2.GaussianBlur(change, (0, 0), picture.shape[0] / coarse.shape[0] / 3)  # else a lattice shows
    return np.clip(np.add(change, picture, out=change), 0, 255).astype(np.uint8)
