"""Make the examples of the training lab, creatures as in its sample set: `python -m examples.sprites`."""

from pathlib import Path

import numpy as np
from PIL import Image

from gan_models.classic.pictures import sprites

FOLDER = Path(__file__).parent / "pictures"


def main() -> None:
    """Write the pictures."""
    FOLDER.mkdir(exist_ok=True)
    drawn = sprites(128, count=9, seed=4)
    for kind, pixels in zip(drawn.kinds, drawn.pixels[:3], strict=True):
        Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())).save(
            FOLDER / f"{kind}.png", optimize=True
        )


if __name__ == "__main__":
    main()
