"""The smallest network, and a converter, for the registry of the tests to name."""

import torch
from torch import nn


class Tiny(nn.Module):
    """One linear layer, with a buffer of whole numbers."""

    def __init__(self, width: int = 3):
        super().__init__()
        self.layer = nn.Linear(width, 2)
        self.register_buffer("steps", torch.tensor(7))


class Overflowing(Tiny):
    """Its weights are finite, but not what it makes of them."""

    def probe(self) -> torch.Tensor:
        return self.layer(torch.full((1, 3), 3e38)) * 3e38


def from_foreign(state: dict) -> dict:
    """Rename the parameters of a file of another project."""
    return {"layer.weight": state["w"], "layer.bias": state["b"], "steps": torch.tensor(state["epoch"])}
