"""Style transfer: by optimising the picture, for any style, and by networks that have learned one."""

from gan_models.style_transfer.backend import Stylizer
from gan_models.style_transfer.fast import FastStyle

__all__ = ["FastStyle", "Stylizer"]
