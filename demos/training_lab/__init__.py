"""Training lab: GANs that are trained in the page, on points and on pictures, and drawn with."""

from demos.training_lab.layout import TITLE, build

__all__ = ["TITLE", "build"]
