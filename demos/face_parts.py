"""What the tabs of faces share."""

from typing import Any

import gradio as gr
import numpy as np

from demos import components as ui
from gan_models.images.provenance import write_png

TASK = "faces"
DEFAULT = "faces-compact"


def truncation_slider() -> gr.Slider:
    """Add the control of how far faces may be from the average one."""
    info = "0 is the average face; 1 has all the variety and the odd ones; in between, faces are cleaner."
    return gr.Slider(0, 1.5, 0.7, step=0.05, label="Truncation", info=info)


def save_face(picture: np.ndarray, model: str, **settings: Any) -> str:
    """Write a drawn face, H×W×3 uint8, with what made it, and return the path."""
    path = ui.new_file(f"{TASK}-{model}-{'face' if settings.get('seed') is None else settings['seed']}.png")
    write_png(path, picture, task=TASK, model=model, generated=True, **settings)
    return str(path)
