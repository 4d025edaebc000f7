"""Style transfer: by optimising the picture, for any style, and by networks that have learned one."""

from gan_models.style_transfer.fast import FastStyle
from gan_models.style_transfer.stylize import Stylizer

__all__ = ["FastStyle", "Stylizer"]
