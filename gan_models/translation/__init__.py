"""Image-to-image translation: pix2pix and CycleGAN."""

from gan_models.translation.backend import Translator

__all__ = ["Translator"]
