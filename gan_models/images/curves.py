"""Curves of losses as a picture: drawn in milliseconds, so that they can be shown while a training goes on."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PANEL, MARGIN, TEXT = (320, 150), 10, 13  # pixels
IN_A_ROW = 3  # panels
PAPER, INK, GRID = "#ffffff", "#44403c", "#e7e5e4"
COLOURS = ("#0f766e", "#b45309", "#6d28d9", "#be123c", "#1d4ed8")


def draw_curves(losses: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Return a panel for each named loss, H×W×3 uint8, with its last, least and greatest value.

    Three are side by side, the next below. Numbers that are not finite are left out.
    """
    width, height = PANEL
    columns, rows = max(1, min(IN_A_ROW, len(losses))), max(1, math.ceil(len(losses) / IN_A_ROW))
    picture = Image.new("RGB", (width * columns, height * rows), PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(TEXT)
    for index, (name, values) in enumerate(losses.items()):
        across, down = index % IN_A_ROW * width, index // IN_A_ROW * height
        left, top = across + MARGIN, down + MARGIN + 2 * TEXT
        right, bottom = across + width - MARGIN, down + height - MARGIN
        pen.rectangle((left, top, right, bottom), outline=GRID)
        numbers = np.asarray(values, float)
        seen = numbers[np.isfinite(numbers)]
        if not seen.size:
            pen.text((left, down + 4), name, INK, font)
            continue
        low, high = seen.min(), seen.max()
        pen.text((left, down + 4), f"{name} {seen[-1]:.4g}\n({low:.3g} to {high:.3g})", INK, font, spacing=2)
        x = np.linspace(left + 2, right - 2, len(numbers))
        y = bottom - 3 - (numbers - low) / ((high - low) or 1) * (bottom - top - 6)
        points = [(float(a), float(b)) for a, b in zip(x, y, strict=True) if np.isfinite(b)]
        pen.line(points if len(points) > 1 else points * 2, COLOURS[index % len(COLOURS)], 2)
    return np.asarray(picture)
