"""GAN-Control (Shoshan et al. 2021): faces by what they are to look like: age, pose, expression, light, hair."""

from gan_models.gan_control.backend import FaceController

__all__ = ["FaceController"]
