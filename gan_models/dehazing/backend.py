"""The dehazing backend: one picture or a film, of any size, in bounded memory."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.dehazing import Dehaze
from gan_models.dehazing.dark_channel import remove_haze
from gan_models.device import SHORT_OF_MEMORY, computing, mixed_precision
from gan_models.images import join_alpha, split_alpha
from gan_models.images.guided import guided_coefficients
from gan_models.images.tensors import to_tensor
from gan_models.jobs import Step
from gan_models.restoration import Filmed

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
    """

    weights = "dehazing"

    def __init__(self, network: nn.Module | None, model: registry.Model, device: torch.device | str | None = None):
        super().__init__(network, model, device)
        if network is not None:
            network.to(memory_format=torch.channels_last)

    def run(self, ask: Dehaze) -> Iterator[Step]:
        """Remove the haze; the result has the shape of the picture.

        Raises:
            ValueError: Memory is too short.
        """
        colour, alpha = split_alpha(ask.image)
        out = colour.copy()
        for done, total in corrected(colour, self.correction(colour), ask.strength, out):
            yield Step(done, total)
        yield Step(total, total, result=join_alpha(out, alpha))

    def video(self, ask: Filmed, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield each of `frames`, H×W×3 uint8 of one size, without haze.

        What the picture as a whole gains, and with it airlight and density, follows smoothly from picture to picture
        (a running mean with a memory of seven), so that the video does not flicker; what differs from place to place
        is each picture's own, so that nothing trails behind what moves.
        """
        smooth_gain = smooth_offset = None
        for frame in frames:
            gain, offset = self.correction(frame)
            mean_gain, mean_offset = gain.mean((0, 1)), offset.mean((0, 1))
            if smooth_gain is None:
                smooth_gain, smooth_offset = mean_gain, mean_offset
            smooth_gain = MEMORY * smooth_gain + (1 - MEMORY) * mean_gain
            smooth_offset = MEMORY * smooth_offset + (1 - MEMORY) * mean_offset
            steady = gain + (smooth_gain - mean_gain), offset + (smooth_offset - mean_offset)
            out = np.empty_like(frame)
            for _ in corrected(frame, steady, ask.strength, out):
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
            mixed_precision(self.device, bfloat16=self.model.embedded),
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
