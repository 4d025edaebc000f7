"""Turn published StyleGAN2 generators into configuration and state dict of the `Generator` here.

NVIDIA's own need a look at their settings alone. Those of rosinality/stylegan2-pytorch, GAN-Control's too, have other
names, and keep some weights W, with I inputs, at another scale:

| layer | there | here |
|---|---|---|
| 3×3, styles s | conv(s · x, W / √(9 I)), over the norm of s W / √(9 I) | conv(s · x, W), over the norm of s W |
| to colours, 1×1 | conv(s · x, W / √I) | conv(s / √I · x, W) |
| linear, rate r | (r / √I) W x + r b | the same |
| filter for twice the size | [1, 3, 3, 1]² / 16 | [1, 3, 3, 1]² / 64, times 4 where it is used |
"""

import re
from collections.abc import Callable, Mapping
from math import sqrt
from textwrap import shorten
from typing import Any

import torch

from gan_models.checkpoints.errors import WeightsError
from gan_models.checkpoints.safe_pickle import Record
from gan_models.stylegan2 import network

SIZES = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")
# What NVIDIA's networks can be told beside their sizes, and its value where they aren't.
SYNTHESIS = {"channel_base": 32768, "channel_max": 512, "architecture": "skip", "conv_clamp": None}
FLAT_CLAMP = 256  # StyleGAN3's repository, which keeps these settings beside the sizes, clamps by default
# Settings that change nothing in what is computed in full precision, or that the tensors' shapes show.
SILENT = {
    "num_fp16_res",
    "fp16_channels_last",
    "fused_modconv_default",
    "resample_filter",
    "use_noise",
    "embed_features",
    "layer_features",
    "w_avg_beta",
}
FIXED = {"activation": "lrelu", "lr_multiplier": 0.01}  # what the layers here do
AVERAGED = 10_000  # latents for the average w, as NVIDIA's projector draws


def from_nvidia(source: Record | Mapping[str, Record]) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return configuration and state dict of a generator that `safe_pickle.read` read.

    Args:
        source: The generator, or all that was read, of which "G_ema" is taken.

    Returns:
        `Generator`'s arguments, and tensors in float32 that it loads strictly.

    Raises:
        WeightsError: It is no StyleGAN2 generator, or has settings that the networks here do not know.
        KeyError: There is no "G_ema", or a size is missing.
    """
    record = source if isinstance(source, Record) else source["G_ema"]
    if "synthesis.b4.const" not in record.state_dict:
        raise WeightsError(f"this {record.class_name} is no StyleGAN2 generator.")
    settings = dict(record.kwargs)
    sizes = {name: settings.pop(name) for name in SIZES}
    mapping = {"num_layers": 8} | settings.pop("mapping_kwargs", {})
    nested = settings.pop("synthesis_kwargs", {})
    synthesis = SYNTHESIS | ({"conv_clamp": FLAT_CLAMP} if settings else {}) | settings | nested
    layers = mapping.pop("num_layers")
    config = sizes | {"num_mapping_layers": layers} | {name: synthesis.pop(name) for name in SYNTHESIS}
    for name, value in (mapping | synthesis).items():
        if name not in SILENT and FIXED.get(name) != value:
            setting = shorten(f"{name} = {value}", 80, placeholder=" …")
            raise WeightsError(f"the networks here do not know the setting {setting}.")
    # Else a claim of a million layers would be built before it is found to be false.
    if f"mapping.fc{layers}.weight" in record.state_dict or f"mapping.fc{layers - 1}.weight" not in record.state_dict:
        raise WeightsError(f"there are not {layers} mapping layers.")
    return config, {name: value.float() for name, value in record.state_dict.items()}


def _without(dimensions: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a function that drops leading dimensions of size 1."""
    return lambda value: value.reshape(value.shape[dimensions:])


# For each kind of layer: the tensors' names here, there, and what makes the first of the second.
LINEAR = {"weight": ("weight", _without(0)), "bias": ("bias", _without(0))}
AFFINE = {f"affine.{ours}": (f"conv.modulation.{theirs}", make) for ours, (theirs, make) in LINEAR.items()}
LAYER = AFFINE | {
    "weight": ("conv.weight", lambda weight: _without(1)(weight) / sqrt(weight.shape[2:].numel())),
    "bias": ("activate.bias", _without(0)),
    "noise_strength": ("noise.weight", _without(1)),
}
COLOURS = AFFINE | {"weight": ("conv.weight", _without(1)), "bias": ("bias", torch.flatten)}
NOISE = {"noise_const": ("", _without(2))}
FILTER = {"resample_filter": ("kernel", lambda kernel: kernel / 4)}


def from_rosinality(content: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the state dict of a `Generator` that draws what a generator of rosinality/stylegan2-pytorch draws.

    Args:
        content: A checkpoint with "g_ema" and, beside it, "latent_avg"; or the generator's state dict alone. Without
            the average w, which truncation needs, it is taken over 10,000 random latents, always the same ones.

    Returns:
        Tensors in float32 that the `Generator` of that size loads strictly.

    Raises:
        WeightsError: Something in it is not as in that layout.
        KeyError: A parameter is missing.
        RuntimeError: A parameter has another shape.
    """
    state = content.get("g_ema", content)
    if not isinstance(state, Mapping):
        raise WeightsError("“g_ema” is no state dict.")
    converted = synthesis(state)
    for index in range(_count(r"style\.\d+\.weight", state)):
        converted |= linear(state, f"mapping.fc{index}", f"style.{index + 1}")
    known = "latent_avg" in content
    converted["mapping.w_avg"] = _tensor(content, "latent_avg").flatten() if known else _average(converted)
    return converted


def linear(state: Mapping[str, Any], ours: str, theirs: str) -> dict[str, torch.Tensor]:
    """Return the fully connected layer `theirs` of `state` under the name `ours`."""
    return _taken(state, ours, theirs, LINEAR)


def _taken(
    state: Mapping[str, Any], ours: str, theirs: str, kinds: dict[str, tuple[str, Callable]]
) -> dict[str, torch.Tensor]:
    return {
        f"{ours}.{name}": make(_tensor(state, f"{theirs}.{foreign}".removesuffix(".")))
        for name, (foreign, make) in kinds.items()
    }


def synthesis(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return what `Synthesis` loads, under the names that it has in a `Generator`, of rosinality's state dict.

    Raises:
        WeightsError: Something in it is not as in that layout.
        KeyError: A parameter is missing.
    """
    converted: dict[str, torch.Tensor] = {}

    def take(ours: str, theirs: str, kinds: dict[str, tuple[str, Callable]]) -> None:
        converted.update(_taken(state, ours, theirs, kinds))

    def idle_filter(ours: str) -> None:  # layers that do not enlarge carry one all the same
        converted[f"{ours}.resample_filter"] = network.resample_filter()

    converted["synthesis.b4.const"] = _without(1)(_tensor(state, "input.input"))
    idle_filter("synthesis.b4")
    idle_filter("synthesis.b4.conv1")
    take("synthesis.b4.conv1", "conv1", LAYER)
    take("synthesis.b4.conv1", "noises.noise_0", NOISE)
    take("synthesis.b4.torgb", "to_rgb1", COLOURS)
    for index in range(_count(r"to_rgbs\.\d+\.bias", state)):
        block, first, second = f"synthesis.b{8 << index}", 2 * index, 2 * index + 1
        take(f"{block}.conv0", f"convs.{first}", LAYER)
        take(f"{block}.conv0", f"convs.{first}.conv.blur", FILTER)
        take(f"{block}.conv0", f"noises.noise_{first + 1}", NOISE)
        take(f"{block}.conv1", f"convs.{second}", LAYER)
        idle_filter(f"{block}.conv1")
        take(f"{block}.conv1", f"noises.noise_{second + 1}", NOISE)
        take(f"{block}.torgb", f"to_rgbs.{index}", COLOURS)
        take(block, f"to_rgbs.{index}.upsample", FILTER)
    return converted


def _count(pattern: str, state: Mapping[str, Any]) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in state)


def _tensor(state: Mapping[str, Any], name: str) -> torch.Tensor:
    if not isinstance(state[name], torch.Tensor):
        raise WeightsError(f"“{name}” is no tensor.")
    return state[name].float()


@torch.no_grad()
def _average(converted: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the mean w, w_dim, of random latents."""
    state = {name.removeprefix("mapping."): value for name, value in converted.items() if name.startswith("mapping.")}
    if "fc0.weight" not in state or state["fc0.weight"].dim() != 2:
        raise WeightsError("there is no mapping from z to w.")
    w_dim, z_dim = state["fc0.weight"].shape
    mapping = network.Mapping(z_dim, 0, w_dim, None, len(state) // 2)
    mapping.load_state_dict(state)
    return mapping(torch.randn(AVERAGED, z_dim, generator=torch.Generator().manual_seed(0))).mean(0)
