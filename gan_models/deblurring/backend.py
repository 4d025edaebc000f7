"""The deblurring backend: one picture or a film, of any size, in bounded memory."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from gan_models import checkpoints
from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.deblurring import classical
from gan_models.device import SHORT_OF_MEMORY, computing, mixed_precision, pick_device
from gan_models.images import join_alpha, split_alpha, thumbnail
from gan_models.images.checks import require_picture, require_strength
from gan_models.images.tensors import to_tensor
from gan_models.images.tiling import tiled_within_memory
from gan_models.jobs import Step, check_wanted, finish, watch_layers

TASK = "deblurring"
FORMULAS = {"wiener": classical.wiener, "richardson-lucy": classical.richardson_lucy}
TILE, OVERLAP = 512, 48
MULTIPLE, SMALLEST = 32, 128  # what published networks want of the sides
LENGTHS = (1.0, 40.0)  # pixels
REDUCTIONS = (1, 2, 3, 4)
COARSEST = 32  # pixels of the shorter side
SAMPLE = 768  # pixels a side, from the middle, by which the reduction is chosen
CLEARLY = 0.1  # change, in units of gradients, from which a blur is taken for one


class Deblurrer(Backend):
    """Single-image deblurring: DeblurGAN (Kupyn et al. 2018), published networks, and deconvolution by a formula.

    Pictures go through in tiles with 48 pixels of context. The compact network could see 75 pixels far, and published
    ones further; what they would make of that is left out, and blended where tiles meet. DeblurGAN-v2 normalises by
    what it sees, so that its tiles may differ a little in tone.

    The compact network was trained on motions of a few pixels. Longer ones it undoes on the picture reduced, where
    they are short: what it changes there is enlarged and added. How far to reduce shows in the network itself: it
    changes most, in units of the picture's gradients, where the blur is of the size that it knows.

    Args:
        weights: A registered model of the task "deblurring".
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Raises:
        ValueError: No such weights, or no such device; or they can't be had (`WeightsError`).
    """

    DEFAULT = "deblur-compact"

    def __init__(self, weights: str | None = None, device: str | None = None):
        watch_layers()
        self.device = pick_device(device)
        self.model = registry.get(weights or self.DEFAULT, task=TASK)
        self.network = None
        if not self.model.formula:
            loaded = checkpoints.load(self.model.name, str(self.device))
            onnx = isinstance(loaded, Path)
            self.network = OnnxNetwork(loaded) if onnx else loaded.to(memory_format=torch.channels_last)

    def steps(
        self,
        image: np.ndarray,
        *,
        strength: float = 1.0,
        reduction: int = 0,
        length: float = 9.0,
        angle: float = 0.0,
    ) -> Iterator[Step]:
        """Sharpen `image`, H×W×3 or 4, uint8; the result has the same shape.

        Args:
            image: A blurred picture; alpha is kept.
            strength: From 0, the picture as it is, to 1, all that the model corrects.
            reduction: How many times smaller compact networks see the picture, from 1 for what moved a few pixels to
                4 for what moved twenty; 0 to see what fits.
            length: Of the motion, in pixels from 1 to 40; only formulas ask for it.
            angle: Of the motion against the horizontal, in degrees; only formulas ask for it.

        Raises:
            ValueError: At once: `image` is no picture, or a number is out of its range. Later: memory is too short.
        """
        require_picture(image)
        _check(strength, reduction, length)
        return self._steps(image, strength, reduction, self._function(length, angle))

    def film(
        self,
        pictures: Iterable[np.ndarray],
        *,
        strength: float = 1.0,
        reduction: int = 0,
        length: float = 9.0,
        angle: float = 0.0,
    ) -> Iterator[np.ndarray]:
        """Yield each of `pictures`, H×W×3 uint8, sharpened by itself, all reduced as it fits the first one.

        Arguments and errors are those of `steps`.
        """
        _check(strength, reduction, length)
        for picture in pictures:
            require_picture(picture)
            reduction = reduction or self.fitting_reduction(picture)
            yield finish(self._steps(picture, strength, reduction, self._function(length, angle)))

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
                changes[reduction] = float(change.abs().mean() / (gradients + 1e-6))
        most = max(changes, key=changes.get)
        return most if changes[most] >= CLEARLY else 1

    def _function(self, length: float, angle: float) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what sharpens a tile, 1×3×H×W in [0, 1]."""
        if self.model.formula:
            return partial(_deconvolved, FORMULAS[self.model.name], classical.guessed_kernel(length, angle))
        return self._through_network

    def _steps(
        self, image: np.ndarray, strength: float, reduction: int, function: Callable[[torch.Tensor], torch.Tensor]
    ) -> Iterator[Step]:
        colour, alpha = split_alpha(image)
        fits = self.model.embedded and min(image.shape[:2]) >= COARSEST * reduction
        reduction = (reduction or self.fitting_reduction(colour)) if fits else 1
        small = _reduced(colour, reduction)
        sharp = small.copy()  # what previews show of tiles to come
        tiles = tiled_within_memory(function, small, out=sharp, device=self.device, tile=TILE, overlap=OVERLAP)
        for index, total in tiles:
            yield Step(index, total, preview=thumbnail(sharp))
        if reduction > 1:
            sharp = _changed(colour, small, sharp)
        mixed = cv2.addWeighted(sharp, strength, colour, 1 - strength, 0)
        yield Step(total, total, result=join_alpha(mixed, alpha))

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


def _check(strength: float, reduction: int, length: float) -> None:
    require_strength(strength)
    if reduction not in (0, *REDUCTIONS):
        raise ValueError(f"The reduction must be 1, 2, 3 or 4, or 0 for what fits, not {reduction}.")
    if not LENGTHS[0] <= length <= LENGTHS[1]:
        raise ValueError(f"The motion must be {LENGTHS[0]:g} to {LENGTHS[1]:g} pixels long, not {length:g}.")
