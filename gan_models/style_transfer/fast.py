"""Fast style transfer: a network trained for one style, on pictures of any size."""

import copy
from collections.abc import Iterator

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.device import SHORT_OF_MEMORY, computing, mixed_precision
from gan_models.images.alpha import join_alpha, split_alpha
from gan_models.images.tensors import to_image, to_tensor
from gan_models.images.thumbnail import thumbnail
from gan_models.images.tiling import tiled_within_memory
from gan_models.jobs import Step
from gan_models.style_transfer import FastStylize
from gan_models.style_transfer.network import TransformerNet


class FastStyle(Backend):
    """Redraws pictures in a style (Johnson et al. 2016).

    Pictures of more than two megapixels go through in tiles. Their instance norms take means and variances from the
    picture at two megapixels, so that tiles fit together; the result is near to that of the whole at once, not the
    same.
    """

    weights = "fast-style"
    whole = 2_000_000  # pixels of the largest picture that goes through at once
    tile, overlap = 768, 96  # pixels

    def __init__(self, network: nn.Module, model: registry.Model, device: torch.device | str | None = None):
        super().__init__(network.to(memory_format=torch.channels_last), model, device)

    def run(self, ask: FastStylize) -> Iterator[Step]:
        """Redraw the picture; the result has its shape, and its alpha.

        Raises:
            ValueError: Memory is too short.
        """
        colour, alpha = split_alpha(ask.image)
        if colour.shape[0] * colour.shape[1] <= self.whole:
            with torch.inference_mode(), computing(self.device, SHORT_OF_MEMORY):
                drawn = to_image(self._through(self.network, to_tensor(colour).to(self.device)))
        else:
            drawn = colour.copy()  # what previews show of tiles to come
            network = self._frozen(colour)
            tiles = tiled_within_memory(
                lambda tile: self._through(network, tile),
                colour,
                out=drawn,
                device=self.device,
                tile=self.tile,
                overlap=self.overlap,
            )
            for index, total in tiles:
                yield Step(index, total, preview=thumbnail(drawn))
        mixed = cv2.addWeighted(drawn, ask.strength, colour, 1 - ask.strength, 0)
        yield Step(1, 1, result=join_alpha(mixed, alpha))

    def _through(self, network: nn.Module, picture: torch.Tensor) -> torch.Tensor:
        height, width = picture.shape[2:]
        right, below = (max(side + -side % TransformerNet.STRIDE, 32) - side for side in (width, height))
        padded = F.pad(picture, (0, right, 0, below), mode="replicate")
        with mixed_precision(self.device, bfloat16=True):
            drawn = network(padded.contiguous(memory_format=torch.channels_last))
        return drawn.float()[:, :, :height, :width]

    def _frozen(self, picture: np.ndarray) -> nn.Module:
        """Return a network whose norms keep the statistics of `picture`, seen at two megapixels."""
        share = (self.whole / (picture.shape[0] * picture.shape[1])) ** 0.5
        size = [max(1, round(side * share)) for side in picture.shape[1::-1]]
        small = to_tensor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)).to(self.device)
        network = copy.deepcopy(self.network)
        norms = {name: part for name, part in network.named_modules() if isinstance(part, nn.InstanceNorm2d)}
        seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        for name, norm in norms.items():
            norm.register_forward_pre_hook(lambda _, given, name=name: seen.update({name: _moments(given[0])}))
        with torch.inference_mode(), computing(self.device, SHORT_OF_MEMORY):
            self._through(network, small)
        for name, norm in norms.items():
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, _fixed(norm, *seen[name]))
        return network


def _moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance of each channel of 1×C×H×W."""
    variance, mean = torch.var_mean(x.float(), (0, 2, 3), correction=0)
    return mean, variance


def _fixed(norm: nn.InstanceNorm2d, mean: torch.Tensor, variance: torch.Tensor) -> nn.BatchNorm2d:
    """Return what `norm` does to a picture of these statistics, whatever is in it."""
    fixed = nn.BatchNorm2d(norm.num_features, eps=norm.eps).to(mean.device).eval().requires_grad_(False)
    state = {"weight": norm.weight, "bias": norm.bias, "running_mean": mean, "running_var": variance}
    fixed.load_state_dict({name: value.clone() for name, value in state.items()}, strict=False)
    return fixed
