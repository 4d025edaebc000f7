"""A canvas on which a visitor marks a part of a picture."""

from typing import Any

import cv2
import gradio as gr
import numpy as np

from demos.kit.controls import PRIVATE, Picture, upload
from demos.kit.errors import plain_errors
from demos.kit.files import new_file, view
from gan_models.images import decode, flatten

CANVAS = 512  # pixels of the longer side of what a mask is drawn on


def mask_canvas(image: Picture, label: str = "Draw over what should be painted anew") -> Picture:
    """Add a canvas with the picture to draw a mask on, and a place for a ready one; returns what holds the mask."""
    canvas = gr.ImageEditor(
        type="numpy",  # which leaves no files behind
        format="png",
        sources=[],
        layers=False,
        transforms=[],
        brush=gr.Brush(default_size=40, colors=["#e11d48"], default_color="#e11d48", color_mode="fixed"),
        canvas_size=(CANVAS, CANVAS),
        label=label,
        buttons=[],
        elem_classes="mask-canvas",
    )
    with gr.Accordion("Or bring a mask", open=False):
        mask = upload("A mask of the picture's size: white where that is", "mask")

    image.change(plain_errors(show), image, [canvas, mask], queue=False, **PRIVATE)
    canvas.input(plain_errors(marked), [canvas, image], mask, queue=False, **PRIVATE)
    return mask


def show(path: str | None) -> tuple[Any, None]:
    """Put a new picture on the canvas, and drop the mask of the one before."""
    if not path:
        return None, None
    picture = flatten(decode(path))
    scale = CANVAS / max(picture.shape[:2])
    size = [max(1, round(length * scale)) for length in picture.shape[1::-1]]
    ground = view(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), new_file("canvas.png"))
    return gr.ImageEditor({"background": ground, "layers": [], "composite": ground}, canvas_size=tuple(size)), None


def marked(strokes: dict | None, path: str | None) -> str | None:
    """Return the mask that was drawn, as a picture of the photo's size."""
    if not strokes or not strokes["layers"] or not path:
        return None
    height, width = decode(path).shape[:2]
    drawn = np.max([layer[:, :, 3] for layer in strokes["layers"]], axis=0)
    hole = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_LINEAR) > 127
    if not hole.any():
        return None
    mask = str(new_file("mask.png"))
    cv2.imwrite(mask, hole.astype(np.uint8) * 255)
    return mask
