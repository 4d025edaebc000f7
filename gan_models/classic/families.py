"""The classic families by name."""

from gan_models.classic.aegan import AEGAN
from gan_models.classic.cgan import CGAN
from gan_models.classic.dcgan import DCGAN
from gan_models.classic.gan import GAN
from gan_models.classic.progressive import Progressive
from gan_models.classic.unrolled import Unrolled
from gan_models.classic.wgan import WGAN
from gan_models.classic.wgan_gp import WGANGP

FAMILIES: dict[str, type[GAN]] = {
    "gan": GAN,
    "cgan": CGAN,
    "dcgan": DCGAN,
    "unrolled": Unrolled,
    "wgan": WGAN,
    "wgan-gp": WGANGP,
    "aegan": AEGAN,
    "progressive": Progressive,
}
OF_POINTS = tuple(name for name in FAMILIES if name not in ("dcgan", "progressive"))  # those are made of convolutions


def family(name: str) -> type[GAN]:
    """Return a family.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in FAMILIES:
        raise ValueError(f"The family must be one of {', '.join(FAMILIES)}, not “{name}”.")
    return FAMILIES[name]
