"""Deblurring: undo camera shake, motion and defocus."""

from demos.kit.restoration import restoration_tab
from gan_models.deblurring import Deblur

TAB = restoration_tab(
    Deblur,
    title="Deblurring",
    lead="Sharpens what shook or moved, by networks or, to compare, by classical deconvolution.",
)
