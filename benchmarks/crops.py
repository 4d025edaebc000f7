"""Draw the sheet of crops that the README and the model cards show, from public-domain pictures of scikit-image.

python -m benchmarks.crops docs/crops.png
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from benchmarks.measuring import restorer
from gan_models.images.degradations import bicubic_downscale, bicubic_upscale, crop_to_multiple
from gan_models.super_resolution import Upscale

CROPS = {data.astronaut: (0, 150, 160), data.chelsea: (80, 100, 160), data.coffee: (120, 260, 160)}
MODELS = {"compact, faithful": "sr-psnr-compact", "compact, crisp": "sr-gan-compact"}
CELL, GAP, CAPTION = 240, 6, 26


def versions(original: np.ndarray, top: int, left: int, side: int) -> dict[str, np.ndarray]:
    """Return the side×side crop at (top, left) of `original` and of what is made of it at a quarter of the size."""
    original = crop_to_multiple(original, 4)
    small = bicubic_downscale(original, 4)
    pictures = {"bicubic": bicubic_upscale(small, 4)}
    pictures |= {title: restorer(Upscale, name)(small) for title, name in MODELS.items()}
    pictures["original"] = original
    return {title: picture[top : top + side, left : left + side] for title, picture in pictures.items()}


def draw(path: Path) -> None:
    """Write the sheet to `path`."""
    rows = [versions(load(), *box) for load, box in CROPS.items()]
    titles = list(rows[0])
    width = len(titles) * (CELL + GAP) - GAP
    sheet = Image.new("RGB", (width, CAPTION + len(rows) * (CELL + GAP) - GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for column, title in enumerate(titles):
        pen.text((column * (CELL + GAP) + CELL // 2, CAPTION // 2), title, fill="black", anchor="mm", font=font)
        for row, pictures in enumerate(rows):
            crop = Image.fromarray(pictures[title]).resize((CELL, CELL), Image.Resampling.NEAREST)
            sheet.paste(crop, (column * (CELL + GAP), CAPTION + row * (CELL + GAP)))
    sheet.save(path, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    draw(parser.parse_args().output)
