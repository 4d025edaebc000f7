"""Exponential moving average of a network's weights."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


class EMA:
    """A smoothed copy of a network: `ema.network` follows `network` with a memory of 1 / (1 - decay) steps.

    The first steps forget faster, so that the start leaves no trace.
    """

    def __init__(self, network: nn.Module, decay: float = 0.999):
        def follow(averages: list[torch.Tensor], current: list[torch.Tensor], updates: torch.Tensor) -> None:
            count = int(updates)
            torch._foreach_lerp_(averages, current, 1 - min(decay, (1 + count) / (10 + count)))

        self.average = AveragedModel(network, multi_avg_fn=follow).eval().requires_grad_(False)
        self.average.n_averaged.fill_(1)  # the copy it begins with

    @property
    def network(self) -> nn.Module:
        """The average, in evaluation mode; buffers are the last ones."""
        return self.average.module

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take one step towards `network`."""
        self.average.update_parameters(network)

    def state_dict(self) -> dict:
        """Return what `load_state_dict` restores."""
        return {"network": self.network.state_dict(), "updates": int(self.average.n_averaged) - 1}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state that `state_dict` gave."""
        self.network.load_state_dict(state["network"])
        self.average.n_averaged.fill_(state["updates"] + 1)
