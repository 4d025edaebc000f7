"""Single image: a generative model of one picture, and the six things that it can do (SinGAN)."""

from demos.single_image.layout import TITLE, build

__all__ = ["TITLE", "build"]
