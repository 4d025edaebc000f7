"""Make the examples of the translation tab: `python -m examples.translation`.

A label map drawn here, and photos that scikit-image carries (CC0 or public domain); see CREDITS.md.
"""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage import data

from gan_models.images.facades import FACADE_LABELS
from gan_models.images.faces import CROPS, cut, find_faces
from gan_models.translation import inputs

FOLDER = Path(__file__).parent / "translation"
SIDE = 512


def facade() -> np.ndarray:
    """Return labels of a house of four floors with a shop, 512×512×3."""
    picture = np.full((SIDE, SIDE, 3), FACADE_LABELS["wall"], np.uint8)

    def paint(label: str, left: int, top: int, width: int, height: int) -> None:
        picture[top : top + height, left : left + width] = FACADE_LABELS[label]

    paint("background", 0, 0, SIDE, 40)
    paint("cornice", 0, 40, SIDE, 22)
    for floor in range(4):
        top = 84 + 88 * floor
        paint("cornice", 0, top + 72, SIDE, 6)
        for column in range(5):
            left = 32 + 96 * column
            paint("head", left - 4, top - 8, 64, 6)
            paint("window", left, top, 56, 56)
            paint("sill", left - 4, top + 56, 64, 6)
            if floor == 1 and column in (1, 3):
                paint("balcony", left - 8, top + 36, 72, 30)
    for left in (0, SIDE - 14):
        paint("column", left, 62, 14, SIDE - 62)
    paint("shop", 24, 436, 180, 76)
    paint("entrance", 226, 428, 60, 84)
    paint("shop", 308, 436, 180, 76)
    return picture


def main() -> None:
    """Write the pictures."""
    FOLDER.mkdir(exist_ok=True)
    Image.fromarray(facade()).save(FOLDER / "facade.png", optimize=True)
    astronaut = data.astronaut()
    face = find_faces(astronaut)[0]
    drawing = inputs.line_drawing(cut(astronaut, face, CROPS["utkface"], 128))
    drawing = cv2.resize(drawing, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    drawing = np.where(cv2.GaussianBlur(drawing, (0, 0), 2.5) < 140, np.uint8(0), np.uint8(255))
    Image.fromarray(drawing).save(FOLDER / "drawing.png", optimize=True)
    portrait = cut(astronaut, face, CROPS["utkface"], 256)
    Image.fromarray(portrait).save(FOLDER / "portrait.jpg", quality=92)
    pencil = inputs.pencil_drawing(cut(astronaut, face, CROPS["utkface"], 128), np.random.default_rng(0))
    Image.fromarray(pencil).convert("L").save(FOLDER / "pencil.png", optimize=True)
    coffee = cv2.resize(data.coffee(), (450, 300), interpolation=cv2.INTER_AREA)
    Image.fromarray(inputs.grey(coffee)).convert("L").save(FOLDER / "grey.jpg", quality=92)
    cat = cv2.resize(data.chelsea(), (360, 240), interpolation=cv2.INTER_AREA)
    alpha = np.full(cat.shape[:2], 255, np.uint8)
    cv2.ellipse(alpha, (110, 150), (34, 26), 20, 0, 360, 0, -1)
    Image.fromarray(np.dstack([cat, alpha])).save(FOLDER / "hole.png", optimize=True)


if __name__ == "__main__":
    main()
