"""GAN inversion: the latents that draw a given face; by them colourisation, inpainting, and editing of photos."""

from gan_models.inversion.backend import FaceInverter, Inversion

__all__ = ["FaceInverter", "Inversion"]
