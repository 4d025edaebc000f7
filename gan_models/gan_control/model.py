"""A StyleGAN2 whose latents have a part for each attribute, and what turns values of attributes into these parts."""

from collections.abc import Mapping as Values
from itertools import accumulate, pairwise

import torch
from torch import nn

from gan_models.stylegan2.network import FullyConnected, Mapping, Synthesis, for_layers, normalize

RATE = 0.01  # of the layers before w, as in StyleGAN2


class Stack(nn.Module):
    """Fully connected layers, all activated: from a part of z, or the value of an attribute, to a part of w."""

    def __init__(self, inputs: int, width: int, outputs: int, layers: int):
        super().__init__()
        widths = [inputs, *[width] * (layers - 1), outputs]
        self.layers = nn.Sequential(*(FullyConnected(a, b, rate=RATE, active=True) for a, b in pairwise(widths)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×inputs to N×outputs."""
        return self.layers(x)


class SplitMapping(nn.Module):
    """From z to w part by part, so that no part of z has a say in another part of w (section 3.1 of the paper).

    Args:
        groups: Numbers of z, and of w, by the name of what they are for.
        num_ws: Layers that take a w.
        width: Of the hidden layers.
        layers: For each part.
    """

    def __init__(self, groups: Values[str, int], num_ws: int, width: int, layers: int):
        super().__init__()
        ends = list(accumulate(groups.values()))
        self.parts = {name: slice(end - size, end) for (name, size), end in zip(groups.items(), ends, strict=True)}
        self.num_ws = num_ws
        self.stacks = nn.ModuleDict({name: Stack(size, width, size, layers) for name, size in groups.items()})
        self.register_buffer("w_avg", torch.zeros(ends[-1]))

    def forward(
        self,
        z: torch.Tensor,
        c: torch.Tensor | None = None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
    ) -> torch.Tensor:
        """N×z_dim to N×num_ws×w_dim, as `stylegan2.network.Mapping`, whose place this takes; there are no labels."""
        w = torch.cat([stack(normalize(z[:, self.parts[name]])) for name, stack in self.stacks.items()], 1)
        return for_layers(w, self.num_ws, self.w_avg, truncation_psi, truncation_cutoff)

    track = Mapping.track


class ControlledGenerator(nn.Module):
    """StyleGAN2 with a split mapping, and a stack for each attribute that can be asked for.

    Args:
        groups: Numbers of z, and of w, for each attribute and for what no attribute says.
        controls: Numbers that an attribute's value has, by the name of the control.
        of: The part of w that a control sets, where it has another name.
        img_resolution: Side of the pictures.
        img_channels: 3.
        mapping_layers: For each part.
        mapping_width: Of their hidden layers.
        control_layers: For each control.
        control_width: Of their hidden layers.
        channel_base: As for StyleGAN2.
        channel_max: As for StyleGAN2.
    """

    def __init__(
        self,
        groups: Values[str, int],
        controls: Values[str, int],
        of: Values[str, str] | None = None,
        *,
        img_resolution: int,
        img_channels: int = 3,
        mapping_layers: int = 8,
        mapping_width: int = 256,
        control_layers: int = 4,
        control_width: int = 512,
        channel_base: int = 32768,
        channel_max: int = 512,
    ):
        super().__init__()
        self.z_dim = self.w_dim = sum(groups.values())
        self.img_resolution, self.img_channels = img_resolution, img_channels
        self.synthesis = Synthesis(self.w_dim, img_resolution, img_channels, channel_base, channel_max, "skip", None)
        self.num_ws = self.synthesis.num_ws
        self.mapping = SplitMapping(groups, self.num_ws, mapping_width, mapping_layers)
        self.sizes, self.of = dict(controls), {name: (of or {}).get(name, name) for name in controls}
        self.controls = nn.ModuleDict(
            {
                name: Stack(size, control_width, groups[self.of[name]], control_layers)
                for name, size in controls.items()
            }
        )

    def controlled(self, ws: torch.Tensor, values: Values[str, torch.Tensor]) -> torch.Tensor:
        """Return N×num_ws×w_dim with the parts of w that `values`, N×size for each control, ask for."""
        ws = ws.clone()
        for name, value in values.items():
            ws[:, :, self.mapping.parts[self.of[name]]] = self.controls[name](value)[:, None]
        return ws

    def forward(
        self,
        z: torch.Tensor,
        c: torch.Tensor | None = None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        noise_mode: str = "random",
    ) -> torch.Tensor:
        """N×z_dim to pictures N×img_channels×H×W in about [-1, 1]."""
        return self.synthesis(self.mapping(z, c, truncation_psi, truncation_cutoff), noise_mode)

    def probe(self) -> torch.Tensor:
        """Return the picture of some latent with every control at 0, to check loaded weights."""
        like = self.mapping.w_avg
        ws = self.mapping(torch.ones(1, self.z_dim, device=like.device))
        middle = {name: torch.zeros(1, size, device=like.device) for name, size in self.sizes.items()}
        return self.synthesis(self.controlled(ws, middle), "const")
