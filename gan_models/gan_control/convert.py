"""Turn the published controller (amazon-science/gan-control) into the state dict of our `ControlledGenerator`.

It comes as an archive: in the folder `generator` a checkpoint whose `g_ema` has rosinality's layout, but for a stack
of layers for each part of the latent; and beside it a folder for each control, named after it, whose checkpoint has
`controller`. Linear layers have the scale of those here.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import torch

from gan_models.checkpoints.errors import WeightsError
from gan_models.gan_control.model import SplitMapping
from gan_models.stylegan2.convert import linear, synthesis

AVERAGED = 10_000  # latents for the average w
MAPPING = re.compile(r"style\.(\w+)\.(\d+)\.weight")  # of a part; its layer 0 normalises and has no weights
LAYER = re.compile(r"fc_stack\.(\d+)\.weight")
CONTROLS = ("expression_q", "expression", "orientation", "gamma", "age", "hair")


def from_published(files: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the state dict of a `ControlledGenerator` of that size.

    Args:
        files: The content of each checkpoint of the archive, by its path. Of several in a folder the last one counts.

    Returns:
        Tensors in float32. The average w, which is not in the archive, is taken over 10,000 latents, always the same.

    Raises:
        WeightsError: Something is not as in that layout.
        KeyError: The generator, or a parameter, is missing.
    """
    latest = {
        PurePosixPath(path).parts[-3]: content for path, content in sorted(files.items()) if path.count("/") > 1
    }
    state = latest["generator"]["g_ema"]
    converted = synthesis(state)
    groups: dict[str, int] = {}
    for group, layer in (match.groups() for name in state if (match := MAPPING.fullmatch(name))):
        index = int(layer) - 1
        converted |= linear(state, f"mapping.stacks.{group}.layers.{index}", f"style.{group}.{layer}")
        groups[group] = max(index + 1, groups.get(group, 0))
    converted["mapping.w_avg"] = _average(converted, groups)
    for folder, content in latest.items():
        control = next((name for name in CONTROLS if folder.startswith(name)), None)
        if control:
            layers = content["controller"]
            for index in (match[1] for name in layers if (match := LAYER.fullmatch(name))):
                converted |= linear(layers, f"controls.{control}.layers.{index}", f"fc_stack.{index}")
    return converted


@torch.no_grad()
def _average(converted: dict[str, torch.Tensor], depths: dict[str, int]) -> torch.Tensor:
    """Return the mean w, w_dim, of random latents; `depths` are the layers of each part."""
    if not depths:
        raise WeightsError("there is no mapping from the parts of z to those of w.")
    first = {name: converted[f"mapping.stacks.{name}.layers.0.weight"] for name in depths}
    sizes, (name, weight) = {name: weight.shape[1] for name, weight in first.items()}, next(iter(first.items()))
    mapping = SplitMapping(sizes, 1, len(weight), depths[name])
    state = {key.removeprefix("mapping."): value for key, value in converted.items() if key.startswith("mapping.")}
    mapping.load_state_dict(state | {"w_avg": mapping.w_avg})
    z = torch.randn(AVERAGED, sum(sizes.values()), generator=torch.Generator().manual_seed(0))
    return mapping(z)[:, 0].mean(0)
