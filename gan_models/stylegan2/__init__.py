"""StyleGAN2-ADA: networks, training, and faces drawn with them."""

from gan_models.seeds import parse_seeds
from gan_models.stylegan2.backend import FaceGenerator

__all__ = ["FaceGenerator", "parse_seeds"]
