"""The classic families: GAN, CGAN, DCGAN, unrolled, WGAN, WGAN-GP, AEGAN, progressive growing."""

from gan_models.classic.backend import PictureGenerator

__all__ = ["PictureGenerator"]
