"""Image-to-image translation: pix2pix and CycleGAN."""

from gan_models.translation.translate import Translator

__all__ = ["Translator"]
