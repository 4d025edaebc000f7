"""Measure edits of attributes: how often they move the right way, and how far the others drift.

python -m benchmarks.editing [--seeds 200] [--strength 2] [--sheet FILE]

Each of the faces is edited along each direction by the same strength, up and down, alone and with all other
attributes held, and scored anew by `face-attributes-compact`. Scores are in units of their deviation over the faces.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gan_models import checkpoints
from gan_models.attributes import NAMES
from gan_models.images.tensors import to_tensor
from gan_models.stylegan2.edit import FaceEditor

TRUNCATION = 0.7
SHOWN = 4  # faces on the sheet
STRENGTHS = (-3, -1.5, 0, 1.5, 3)


def scores(editor: FaceEditor, latents: np.ndarray) -> np.ndarray:
    """Return N×6 scores of the faces that N×layers×w_dim latents draw."""
    network = checkpoints.load("face-attributes-compact", "cpu")
    faces = torch.cat([to_tensor(editor.faces.draw(w)) for w in latents])
    with torch.inference_mode():
        return network(faces).numpy()


def main(seeds: int, strength: float, sheet: Path | None) -> None:
    """Print the table, and write a sheet of edits."""
    editor = FaceEditor.load("faces-compact", "cpu")
    latents = editor.faces.styles(editor.faces.latents(range(1000, 1000 + seeds)), TRUNCATION)
    before = scores(editor, latents)
    unit = before.std(0)
    print(f"{seeds} faces at truncation {TRUNCATION}, strength ±{strength:g}.\n")
    print("| Attribute | Right way | Change | Others drift (mean, most) | Held: right way | Change | Others drift |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for index, name in enumerate(NAMES):
        others = [other for other in NAMES if other != name]
        cells = [name]
        for hold in ([], others):
            changes = []
            for sign in (1, -1):
                edited = np.stack([editor.edited(w, {name: sign * strength}, hold) for w in latents])
                changes.append(sign * (scores(editor, edited) - before) / unit)
            change = np.concatenate(changes)
            right = (change[:, index] > 0).mean()
            drift = np.abs(np.delete(change.mean(0), index))
            which = [other for other in NAMES if other != name][int(drift.argmax())]
            cells += [
                f"{right:.1%}",
                f"{change[:, index].mean():.2f}",
                f"{drift.mean():.2f}, {drift.max():.2f} ({which})",
            ]
        print(f"| {' | '.join(cells)} |", flush=True)
    if sheet:
        sheet.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn(editor, latents[:SHOWN])).save(sheet)


def drawn(editor: FaceEditor, latents: np.ndarray) -> np.ndarray:
    """Return rows of faces, one for each attribute and face, from less of it to more."""
    columns = []
    for w in latents:
        rows = [[editor.faces.draw(editor.edited(w, {name: s})) for s in STRENGTHS] for name in NAMES]
        columns.append(np.concatenate([np.concatenate(row, 1) for row in rows], 0))
    return np.concatenate(columns, 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--strength", type=float, default=2.0)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    main(options.seeds, options.strength, options.sheet)
