"""Deblurring: undo camera shake, motion and defocus."""

from gan_models.deblurring.deblur import Deblurrer

__all__ = ["Deblurrer"]
