"""Measure face control: how near faces come to what was asked, what else changes, and how good they are.

python -m benchmarks.control errors [--count 500]          beside InterFaceGAN's directions on the same generator
python -m benchmarks.control quality --data FOLDER         FID and KID of the generator before and after
python -m benchmarks.control sheet FILE                    two faces for each control, from its least to its most
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.measuring import markdown
from gan_models import checkpoints
from gan_models.gan_control import COMPACT, ControlSheet
from gan_models.gan_control.backend import FaceController
from gan_models.gan_control.measures import Measures, distances
from gan_models.metrics import fid, kid
from gan_models.stylegan2.boundaries import fitted
from gan_models.training.datasets import load_squares

FITTED = 6000  # faces that directions are fitted on
ASKED = {"age": (15.0, 65.0)}  # where values are asked for; all others in
USUAL = (-1.5, 1.5)
BATCH, ENLARGED, SEEDS = 50, 2, "1, 2"


@torch.inference_mode()
def drawn(network: torch.nn.Module, ws: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield batches of faces in [0, 1] of N×layers×w_dim latents."""
    for part in ws.split(BATCH):
        yield (network.synthesis(part, "const") / 2 + 0.5).clamp(0, 1)


@torch.inference_mode()
def seen(measures: Measures, network: torch.nn.Module, ws: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return what is measured in the faces of N×layers×w_dim latents."""
    found = [measures(pictures) for pictures in drawn(network, ws)]
    return {name: torch.cat([one[name] for one in found]) for name in found[0]}


@torch.inference_mode()
def random_latents(network: torch.nn.Module) -> torch.Tensor:
    """Return the N×layers×w_dim latents of random faces, always the same."""
    rng = torch.Generator().manual_seed(0)
    return network.mapping(torch.randn(FITTED, network.z_dim, generator=rng))


def along_direction(ws: torch.Tensor, scores: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
    """Return the first of N×layers×w_dim latents, one for each value that is `asked`, moved as InterFaceGAN does.

    The length of the step is that by which `scores`, N, of all the faces change on average from the face's own to the
    value: other than a control, this asks for the face to be measured first.
    """
    normal = torch.from_numpy(fitted(ws[:, 0].numpy(), scores.numpy())[0]).float()
    along = ws[:, 0] @ normal
    slope = ((along - along.mean()) * (scores - scores.mean())).mean() / along.var()
    return ws[: len(asked)] + ((asked - scores[: len(asked)]) / slope)[:, None, None] * normal


def errors(count: int) -> str:
    """Return a table of how far what is measured is from what was asked, for each control, and what else changes."""
    faces, plain = FaceController.load(device="cpu"), checkpoints.load("faces-compact", "cpu")
    networks, rng = {"control": faces.network, "faces-compact": plain}, torch.Generator().manual_seed(1)
    latents = {name: random_latents(network) for name, network in networks.items()}
    values = {name: seen(faces.measures, network, latents[name]) for name, network in networks.items()}
    rows = []
    for name, one in COMPACT.items():
        low, high = ((bound - one.middle) / one.unit for bound in ASKED.get(name, USUAL))
        asked = low + (high - low) * torch.rand(count, generator=rng)
        for method, source in (("control", "control"), ("direction", "control"), ("direction", "faces-compact")):
            before = {attribute: value[:count] for attribute, value in values[source].items()}
            if method == "control":
                wanted = before[one.network].clone()
                wanted[:, one.place] = asked
                with torch.inference_mode():
                    changed = faces.network.controlled(latents[source][:count], {one.network: wanted})
            else:
                changed = along_direction(latents[source], values[source][one.network][:, one.place], asked)
            after = seen(faces.measures, networks[source], changed)
            got = after[one.network][:, one.place]
            apart = {attribute: distance.diagonal() for attribute, distance in distances(before, after).items()}
            others = [
                value.mean() for attribute, value in apart.items() if attribute not in (one.network, "identity")
            ]
            cells = [f"{float((got - asked).abs().mean()) * one.unit:.2f}"]
            cells += [f"{float((before[one.network][:, one.place] - asked).abs().mean()) * one.unit:.2f}"]
            cells += [f"{float(apart['identity'].mean()):.2f}", f"{float(torch.stack(others).mean()):.2f}"]
            rows.append([name, method if source == "control" else f"{method}, {source}", *cells])
    titles = ["Asked for", "By", "Mean error", "Without", "Identity changes", "Other attributes change"]
    found = values["control"]["identity"][:count]
    strangers = float(1 - (found * found.roll(1, 0)).sum(1).mean())
    return f"{markdown(titles, rows)}\n\n{count} faces; the identity of two people differs by {strangers:.2f}"


@torch.inference_mode()
def quality(data: Path, count: int) -> None:
    """Print FID and KID, by features-compact, of random faces before and after the generator was given controls."""
    features, rng = checkpoints.load("features-compact", "cpu"), torch.Generator().manual_seed(0)
    real = torch.from_numpy(load_squares(data, 64))
    wanted = torch.cat([features.pooled(part / 255) for part in real.split(BATCH)]).numpy()
    rows = []
    for name in ("faces-compact", "faces-control-compact"):
        network = checkpoints.load(name, "cpu")
        ws = network.mapping(torch.randn(count, network.z_dim, generator=rng))
        found = torch.cat([features.pooled(pictures) for pictures in drawn(network, ws)]).numpy()
        near = kid(found[:5000], wanted[:: max(1, len(wanted) // 5000)][:5000])
        rows.append([name, f"{count} against {len(wanted)}", f"{fid(found, wanted):.3f}", f"{1000 * near:.3f}"])
    print(markdown(["Generator", "Pictures", "FID (features-compact)", "KID × 1000"], rows))


def sheet(file: Path) -> None:
    """Draw two faces for each control, from its least value to its most."""
    faces = FaceController.load(device="cpu")
    sheets = [faces(ControlSheet(seeds=SEEDS, control=name)) for name in COMPACT]
    gap = np.full((6, sheets[0].shape[1], 3), 255, np.uint8)
    whole = Image.fromarray(np.concatenate([part for one in sheets for part in (one, gap)][:-1]))
    whole.resize((ENLARGED * whole.width, ENLARGED * whole.height), Image.Resampling.BICUBIC).save(file, quality=90)


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(required=True)
    measured = actions.add_parser("errors")
    measured.add_argument("--count", type=int, default=500)
    measured.set_defaults(run=lambda options: print(errors(options.count)))
    judged = actions.add_parser("quality")
    judged.add_argument("--data", type=Path, required=True)
    judged.add_argument("--count", type=int, default=10_000)
    judged.set_defaults(run=lambda options: quality(options.data, options.count))
    shown = actions.add_parser("sheet")
    shown.add_argument("file", type=Path)
    shown.set_defaults(run=lambda options: sheet(options.file))
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
