"""SinGAN: a generative model of a single picture."""

from gan_models.singan.backend import SingleImage, upscale

__all__ = ["SingleImage", "upscale"]
