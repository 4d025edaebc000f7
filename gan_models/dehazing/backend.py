"""The dehazing backend: one picture or a film, of any size, in bounded memory."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from gan_models import checkpoints
from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.dehazing.dark_channel import remove_haze
from gan_models.device import SHORT_OF_MEMORY, computing, mixed_precision, pick_device
from gan_models.images import join_alpha, split_alpha
from gan_models.images.checks import require_picture, require_strength
from gan_models.images.guided import guided_coefficients
from gan_models.images.tensors import to_tensor
from gan_models.jobs import Step, watch_layers

TASK = "dehazing"
WORKING_SIDE = 640  # pixels of the longer side that a network sees
STRIP = 256  # rows that are corrected at a time
RADIUS, EPSILON = 6, 1e-4  # of the windows in which the correction is one gain and one offset
MEMORY = 0.85  # share of the past in a film's correction
MARGIN = 32  # pixels round the picture that repeat its edge, at which networks are less sure
MULTIPLE = 4  # of which published generators want the sides


class Dehazer(Backend):
    """Single-image dehazing: CANDY (Swami and Das 2018), Cycle-Dehaze (Engin et al. 2018), the dark channel prior.

    Haze changes a picture at each place by a gain and an offset, I = J·t + A·(1 - t), which vary slowly but for the
    edges of things. So the network sees the picture at 640 pixels at most, and what it does there is put down as
    gains and offsets in small windows (fast guided filter), which are enlarged and applied to the picture itself. No
    detail is lost, no tile and no stride of the network shows, and time and memory hardly grow with the picture;
    Cycle-Dehaze enlarges its results by a Laplacian pyramid instead.

    Args:
        weights: A registered model of the task "dehazing".
        device: "cuda", "mps" or "cpu"; None picks the best there is.

    Raises:
        ValueError: No such weights, or no such device; or they can't be had (`WeightsError`).
    """

    DEFAULT = "dehaze-candy-compact"

    def __init__(self, weights: str | None = None, device: str | None = None):
        watch_layers()
        self.device = pick_device(device)
        model = registry.get(weights or self.DEFAULT, task=TASK)
        self.compact = model.embedded  # those bear bfloat16
        self.network = None if model.formula else checkpoints.load(model.name, str(self.device))
        if self.network is not None:
            self.network.to(memory_format=torch.channels_last)

    def steps(self, image: np.ndarray, *, strength: float = 1.0) -> Iterator[Step]:
        """Remove the haze from `image`, H×W×3 or 4, uint8; the result has the same shape.

        Args:
            image: A hazy picture; alpha is kept.
            strength: From 0, the picture as it is, to 1, all the haze that the model sees.

        Raises:
            ValueError: At once: `image` is no picture, or `strength` is not between 0 and 1. Later: memory is too
                short.
        """
        require_picture(image)
        require_strength(strength)
        return self._steps(image, strength)

    def _steps(self, image: np.ndarray, strength: float) -> Iterator[Step]:
        colour, alpha = split_alpha(image)
        correction = self.correction(colour)
        out = colour.copy()
        for done, total in corrected(colour, correction, strength, out):
            yield Step(done, total)
        yield Step(total, total, result=join_alpha(out, alpha))

    def film(self, pictures: Iterable[np.ndarray], *, strength: float = 1.0) -> Iterator[np.ndarray]:
        """Yield each of `pictures`, H×W×3 uint8 of one size, without haze.

        What the picture as a whole gains, and with it airlight and density, follows smoothly from picture to picture
        (a running mean with a memory of seven), so that the film does not flicker; what differs from place to place
        is each picture's own, so that nothing trails behind what moves.

        Raises:
            ValueError: As `steps`.
        """
        require_strength(strength)
        smooth_gain = smooth_offset = None
        for picture in pictures:
            require_picture(picture)
            gain, offset = self.correction(picture)
            mean_gain, mean_offset = gain.mean((0, 1)), offset.mean((0, 1))
            if smooth_gain is None:
                smooth_gain, smooth_offset = mean_gain, mean_offset
            smooth_gain = MEMORY * smooth_gain + (1 - MEMORY) * mean_gain
            smooth_offset = MEMORY * smooth_offset + (1 - MEMORY) * mean_offset
            steady = gain + (smooth_gain - mean_gain), offset + (smooth_offset - mean_offset)
            out = np.empty_like(picture)
            for _ in corrected(picture, steady, strength, out):
                pass
            yield out

    def correction(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return gains and offsets, h×w×3 float32 for values in [0, 1], that clear `image`, H×W×3 uint8."""
        height, width = image.shape[:2]
        shrink = min(1.0, WORKING_SIDE / max(height, width))
        size = max(1, round(width * shrink)), max(1, round(height * shrink))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if shrink < 1 else image
        hazy = small.astype(np.float32) / 255
        clear = remove_haze(hazy) if self.network is None else self._through_network(small)
        return guided_coefficients(hazy, clear, RADIUS, EPSILON)

    @torch.inference_mode()
    def _through_network(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        padding = (MARGIN, MARGIN + -width % MULTIPLE, MARGIN, MARGIN + -height % MULTIPLE)
        with (
            computing(self.device, SHORT_OF_MEMORY),
            mixed_precision(self.device, bfloat16=self.compact),
        ):
            x = F.pad(to_tensor(image).to(self.device), padding, mode="replicate")
            made = self.network(x)[0, :, MARGIN : MARGIN + height, MARGIN : MARGIN + width].float().cpu()
        return np.ascontiguousarray(made.permute(1, 2, 0).numpy())


def corrected(
    image: np.ndarray, correction: tuple[np.ndarray, np.ndarray], strength: float, out: np.ndarray
) -> Iterator[tuple[int, int]]:
    """Fill `out` with `image`, H×W×3 uint8, corrected strip by strip; yields (rows done, rows in all)."""
    height, width = image.shape[:2]
    for top in range(0, height, STRIP):
        rows = slice(top, min(top + STRIP, height))
        gain, offset = (_enlarged(part, rows, height, width) for part in correction)
        hazy = image[rows].astype(np.float32)
        clear = gain * hazy + 255 * offset
        out[rows] = np.clip(np.rint(hazy + strength * (clear - hazy)), 0, 255)
        yield rows.stop, height


def _enlarged(part: np.ndarray, rows: slice, height: int, width: int) -> np.ndarray:
    """Return the given rows of what `part`, h×w×3 float32, is when enlarged to `height` and `width`."""
    if part.shape[:2] == (height, width):
        return part[rows]
    x = (np.arange(width, dtype=np.float32) + 0.5) * part.shape[1] / width - 0.5
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) * part.shape[0] / height - 0.5
    across, down = np.meshgrid(x, y)
    return cv2.remap(part, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
