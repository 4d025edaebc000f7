"""SinGAN: a generative model of a single picture."""

from gan_models.singan.single_image import SingleImage, upscale

__all__ = ["SingleImage", "upscale"]
