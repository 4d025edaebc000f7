"""The archive of amazon-science/gan-control: its layout with random numbers, and its formulas."""

import io
import tarfile
from itertools import pairwise
from math import sqrt

import torch

from tests.stylegan2 import rosinality
from tests.stylegan2.rosinality import lrelu

GROUPS = {"id": 8, "expression": 6, "age": 6, "other": 4}  # of 24 numbers
CONTROLS = {"expression": 5, "expression_q": 8, "age": 1}
MIDDLE, LAYERS = 16, 3
CONFIG = {
    "groups": GROUPS,
    "controls": CONTROLS,
    "of": {"expression_q": "expression"},
    "img_resolution": 32,
    "mapping_layers": LAYERS,
    "mapping_width": MIDDLE,
    "control_layers": 2,
    "control_width": MIDDLE,
    "channel_base": 128,
    "channel_max": 16,
}


def files() -> dict[str, dict]:
    """Return the checkpoints of an archive, by their paths, with random numbers in every parameter."""
    rng = torch.Generator().manual_seed(1)
    plain = rosinality.checkpoint()["g_ema"]
    state = {name: value for name, value in plain.items() if not name.startswith("style.")}

    def stack(prefix, widths, first):
        return {
            f"{prefix}.{first + index}.{kind}": torch.randn(*shape, generator=rng) * scale
            for index, (a, b) in enumerate(pairwise(widths))
            for kind, shape, scale in (("weight", (b, a), 100), ("bias", (b,), 30))
        }

    for name, size in GROUPS.items():
        state |= stack(f"style.{name}", [size, MIDDLE, MIDDLE, size], 1)
    found = {"controller/generator/checkpoint/800000.pt": {"g_ema": state}}
    for name, size in CONTROLS.items():
        layers = stack("fc_stack", [size, MIDDLE, GROUPS[CONFIG["of"].get(name, name)]], 0)
        found[f"controller/{name}_latent_rec/checkpoint/000100.pt"] = {"controller": layers}
        found[f"controller/{name}_latent_rec/checkpoint/000050.pt"] = {"controller": {}}
    return found


def archive(contents: dict[str, dict]) -> bytes:
    """Return `contents` as a tar.gz, with a file that is none of PyTorch's beside them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for path, content in contents.items():
            file = io.BytesIO()
            torch.save(content, file)
            _add(tar, path, file.getvalue())
        _add(tar, "controller/generator/args.json", b"{}")
    return stream.getvalue()


def _add(tar, path, content):
    member = tarfile.TarInfo(path)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def stacked(state, prefix, first, x):
    """Layers one after another, each activated, as the published code computes them."""
    index = first
    while f"{prefix}.{index}.weight" in state:
        weight, bias = state[f"{prefix}.{index}.weight"], state[f"{prefix}.{index}.bias"]
        x = lrelu(x @ weight.double().T * (0.01 / sqrt(weight.shape[1])) + 0.01 * bias.double())
        index += 1
    return x


def mapped(contents, z):
    """N×24 to w, part by part."""
    state, parts = contents["controller/generator/checkpoint/800000.pt"]["g_ema"], []
    for name, part in zip(GROUPS, z.double().split(list(GROUPS.values()), 1), strict=True):
        parts.append(stacked(state, f"style.{name}", 1, part / (part.square().mean(1, keepdim=True) + 1e-8).sqrt()))
    return torch.cat(parts, 1)
