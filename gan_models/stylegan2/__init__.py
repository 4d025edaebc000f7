"""StyleGAN2-ADA: networks, training, and faces drawn with them."""

from gan_models.stylegan2.backend import FaceGenerator, parse_seeds

__all__ = ["FaceGenerator", "parse_seeds"]
