"""The translation backend: pix2pix and CycleGAN on one picture or a film, of any size."""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gan_models.backend import Backend
from gan_models.device import SHORT_OF_MEMORY, OutOfMemory, computing, mixed_precision, out_of_memory_as
from gan_models.images.alpha import flatten, join_alpha, split_alpha
from gan_models.images.blend import coloured, depth, filled, surroundings
from gan_models.images.facades import nearest_labels
from gan_models.images.tensors import to_image, to_tensor
from gan_models.jobs import Step
from gan_models.translation import Translate, TranslationModel, inputs

LONGEST, MOST = 4096, 2_000_000  # pixels of the longer side, and in all
SMALLEST = 16  # pixels of a side that every network can reduce and mirror
DEEPEST = 32  # pixels from the middle of a hole to its border, as the network that fills it should see it
AROUND = 64  # pixels round a hole that it sees, at the size that it sees


class Translator(Backend):
    """Turns a picture of one kind into one of another: pix2pix (Isola et al. 2017), CycleGAN (Zhu et al. 2017).

    What kind a model starts from is in the registry: a map of labels, a line drawing, a grey picture, a picture
    with a hole, or any picture. The network sees it with the shorter side as long as it was trained at, and what it
    draws is enlarged to the picture's own size; of a grey picture only the colours are its work.

    Of a picture with a hole it sees the surroundings, at the picture's own size; if the hole is so large there that
    the network could not see across, reduced until it can. Only what fills the hole is its work.
    """

    weights = "translation"

    def __init__(self, network: nn.Module, model: TranslationModel, device: torch.device | str | None = None):
        super().__init__(network.to(memory_format=torch.channels_last), model, device)
        self.multiple = getattr(network, "multiple", 4)

    def run(self, ask: Translate) -> Iterator[Step]:
        """Translate the picture; the result has its size, and its alpha unless that told what to do.

        Labels and drawings are on white paper where they are transparent. The seed is that of the dropout, which
        pix2pix has in place of a noise vector (section 3.2 there).

        Raises:
            ValueError: There is no hole or nothing but hole, or the model takes no mask; memory is too short.
        """
        hole = self._hole(ask.image, ask.mask)
        opaque = self.model.from_drawing or (hole is not None and ask.mask is None)
        colour, alpha = (flatten(ask.image), None) if opaque else split_alpha(ask.image)
        yield Step(0, 1)
        with out_of_memory_as(OutOfMemory(SHORT_OF_MEMORY)):
            if hole is None:
                drawn = self._drawn(colour, None, ask, ask.side or self.model.side)
            else:
                scale = ask.side / min(hole.shape) if ask.side else min(1.0, DEEPEST / depth(hole).max())
                place = surroundings(hole, round(AROUND / scale))
                drawn, part = colour.copy(), hole[place]
                drawn[place] = self._drawn(colour[place], part, ask, max(1, round(scale * min(part.shape))))
            result = join_alpha(drawn, alpha)
        yield Step(1, 1, result=result)

    def _drawn(self, colour: np.ndarray, hole: np.ndarray | None, ask: Translate, side: int) -> np.ndarray:
        """Return `colour`, H×W×3, translated; the network sees it with the shorter side `side`."""
        seen = self._prepared(colour, hole, ask.from_photo, side)
        return self._finished(colour, hole, self._through_network(seen, ask.seed))

    def _hole(self, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray | None:
        """Return where `image` has its hole, H×W bool, or None if the model fills none."""
        if self.model.takes != "masked":
            if mask is not None:
                raise ValueError(f"“{self.model.title}” takes no mask.")
            return None
        if mask is None:
            if image.shape[2] == 3 or (image[:, :, 3] > 127).all():
                raise ValueError("There is no hole to fill: draw one, or send a picture that is transparent there.")
            mask = image[:, :, 3] <= 127
        if not mask.any():
            raise ValueError("The mask is black: nothing is to be filled.")
        if mask.all():
            raise ValueError("The hole is the whole picture: leave something of it to go by.")
        return mask

    def _prepared(self, colour: np.ndarray, hole: np.ndarray | None, from_photo: bool, side: int) -> np.ndarray:
        """Return what the network sees of `colour`, H×W×3: h×w×3, or 4 with a hole."""
        height, width = colour.shape[:2]
        takes, size = self.model.takes, reduced_size(height, width, side)
        if takes == "labels":
            return nearest_labels(cv2.resize(colour, size, interpolation=cv2.INTER_NEAREST))
        if takes == "edges" and not from_photo:
            return inputs.strokes(colour, size)
        shrinking = size[0] < colour.shape[1]
        small = cv2.resize(colour, size, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC)
        if takes == "edges":
            return inputs.line_drawing(small)
        if takes == "grey":
            return inputs.grey(small)
        if takes == "masked":
            covered = cv2.resize(hole.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
            return inputs.masked(small, np.where(covered > 0, np.uint8(255), np.uint8(0)))
        return small

    def _finished(self, colour: np.ndarray, hole: np.ndarray | None, made: np.ndarray) -> np.ndarray:
        """Return what the network drew, h×w×3, at the size of `colour`, and as much of it as the model is for."""
        if self.model.takes == "grey":
            return coloured(colour, made)
        if hole is not None:
            return filled(colour, hole, made)
        return cv2.resize(made, colour.shape[1::-1], interpolation=cv2.INTER_CUBIC)

    @torch.inference_mode()
    def _through_network(self, picture: np.ndarray, seed: int) -> np.ndarray:
        height, width = picture.shape[:2]
        right, below = (max(side + -side % self.multiple, SMALLEST) - side for side in (width, height))
        with (
            computing(self.device, SHORT_OF_MEMORY),
            mixed_precision(self.device, bfloat16=self.model.embedded),
            dropping(self.network, seed),
        ):
            x = F.pad(2 * to_tensor(picture).to(self.device) - 1, (0, right, 0, below), mode="replicate")
            made = self.network(x.contiguous(memory_format=torch.channels_last))[:, :, :height, :width]
        return to_image((made.float() + 1) / 2)


def reduced_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Return width and height of a picture whose shorter side becomes `side`, or less, lest it be too large."""
    scale = min(side / min(height, width), LONGEST / max(height, width), (MOST / (height * width)) ** 0.5)
    return max(1, round(width * scale)), max(1, round(height * scale))


@contextmanager
def dropping(network: nn.Module, seed: int) -> Iterator[None]:
    """Let dropout go on in `network`, in evaluation mode, with a noise that depends on `seed` alone."""
    rng = torch.Generator().manual_seed(seed)  # the CPU's: other devices have other numbers

    def drop(layer: nn.Dropout, _: tuple, x: torch.Tensor) -> torch.Tensor:
        kept = torch.rand(x.shape, generator=rng) >= layer.p
        return x * kept.to(x.device) / (1 - layer.p)

    hooks = [layer.register_forward_hook(drop) for layer in network.modules() if isinstance(layer, nn.Dropout)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
