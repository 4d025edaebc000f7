"""A picture on which a visitor places an object with the mouse, a finger or the keys."""

import base64
from pathlib import Path

import cv2
import gradio as gr
import numpy as np

SCRIPT = (Path(__file__).parent / "placement.js").read_text(encoding="utf-8")
TEMPLATE = """
<div class="placement">
  <canvas tabindex="0" role="application" width="768" height="512" aria-label="{hint}"></canvas>
  <label>Size <input type="range" min="3" max="150" value="30" aria-label="Size of the object"></label>
  <p>{hint}</p>
</div>
"""
STYLE = """
.placement canvas { width: 100%; height: auto; border-radius: 6px; touch-action: none; cursor: move; }
.placement canvas:focus-visible { outline: 2px solid var(--primary-500); }
.placement label { display: flex; gap: 8px; align-items: center; font-size: 0.9rem; }
.placement input { flex: 1; }
.placement p { font-size: 0.85rem; color: var(--body-text-color-subdued); margin: 2px 0 0; }
"""
SIDE = 512  # of what goes to the page


def placement(hint: str, value: dict[str, str | bool]) -> gr.HTML:
    """Add the component, which shows what `placed` returns.

    Its `input` event tells x, y and width of the object, and `box`, the frame that was cut out, or None.
    """
    return gr.HTML(
        value,
        html_template=TEMPLATE.format(hint=hint),
        css_template=STYLE,
        js_on_load=SCRIPT,
        apply_default_css=False,
    )


def placed(ground: np.ndarray, thing: np.ndarray | None = None, *, cut: bool = False) -> dict[str, str | bool]:
    """Return the value that shows `thing`, H×W×3 or 4 uint8, on `ground`, or lets a piece of that be `cut` out."""
    return {"ground": _address(ground), "thing": "" if thing is None else _address(thing), "cut": cut}


def _address(picture: np.ndarray) -> str:
    """Return `picture` as an address that holds its content."""
    share = min(1, SIDE / max(picture.shape[:2]))
    size = [max(1, round(side * share)) for side in picture.shape[1::-1]]
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if share < 1 else picture
    order = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    _, content = cv2.imencode(".webp", cv2.cvtColor(picture, order), [cv2.IMWRITE_WEBP_QUALITY, 85])
    return "data:image/webp;base64," + base64.b64encode(content).decode()
