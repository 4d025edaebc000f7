"""Deblurring: undo camera shake, motion and defocus."""

from gan_models.deblurring.backend import Deblurrer

__all__ = ["Deblurrer"]
