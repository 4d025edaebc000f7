"""Exponential moving average of a network's weights."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import nn


class EMA:
    """A smoothed copy of a network: `ema.network` follows `network` with a memory of 1 / (1 - decay) steps."""

    def __init__(self, network: nn.Module, decay: float = 0.999):
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take one step towards `network`; the first steps forget faster, so that the start leaves no trace."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for average, current in zip(self.network.parameters(), network.parameters(), strict=True):
            average.lerp_(current, 1 - decay)
        for average, current in zip(self.network.buffers(), network.buffers(), strict=True):
            average.copy_(current)

    def state_dict(self) -> dict:
        """Return what `load_state_dict` restores."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state that `state_dict` gave."""
        self.network.load_state_dict(state["network"])
        self.updates = state["updates"]


@torch.no_grad()
def renew_statistics(network: nn.Module, passes: Sequence[Callable[[], object]]) -> None:
    """Give the batch normalisation in `network` the means and variances of what goes through it.

    Averaged weights need their own: with those of the weights that they were averaged from, pictures are dull
    (Izmailov et al. 2018, section 3.2).

    Args:
        network: Left in evaluation mode, or as it is if it has no batch normalisation.
        passes: Each sends another batch through it.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    network.train()
    for number, send in enumerate(passes, 1):
        for norm in norms:
            norm.momentum = 1 / number  # so that all batches count alike
        send()
    network.eval()
