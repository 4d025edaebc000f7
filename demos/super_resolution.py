"""Super-resolution: pictures two or four times as large."""

from demos.kit.restoration import restoration_tab
from gan_models.super_resolution import Upscale

TAB = restoration_tab(
    Upscale,
    title="Super-resolution",
    lead="Makes a picture two or four times as large, and draws the details sharply.",
)
