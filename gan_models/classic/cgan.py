"""The conditional GAN (Mirza and Osindero 2014): both networks are told what kind a sample is of."""

from gan_models.classic.dcgan import DCGAN


class CGAN(DCGAN):
    """A GAN of samples of several kinds; labels go into its networks beside latents and samples."""

    conditional = True
