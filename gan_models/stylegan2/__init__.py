"""StyleGAN2-ADA: networks, training, and faces drawn with them."""

from gan_models.stylegan2.generate import FaceGenerator, parse_seeds

__all__ = ["FaceGenerator", "parse_seeds"]
