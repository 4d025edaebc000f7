"""The conditional GAN (Mirza and Osindero 2014): both networks are told what kind a sample is of."""

from typing import ClassVar

from gan_models.classic.gan import GAN


class CGAN(GAN):
    """A GAN of samples of several kinds, whose generator is told the kind beside the latent.

    On CIFAR-10 batch normalisation in the discriminator, a slower rate for it, and labels that are not smoothed took
    trainings further in 2,000 batches of 32 than spectral normalisation and smoothing in 8,000 of 64.
    """

    norm = "batch"
    conditional = True
    for_pictures: ClassVar = {"lr": 5e-4, "lr_d": 2e-4}
