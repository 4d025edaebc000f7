"""Dehazing: see through fog, smoke and haze."""

from typing import ClassVar

from gan_models.restoration import Restoration
from gan_models.task import Field, Image, Model


class Dehaze(Restoration):
    """Remove haze, fog or smoke from a picture."""

    name: ClassVar = "dehazing"
    backend: ClassVar = "gan_models.dehazing.backend:Dehazer"

    image: Image = Field(title="A hazy picture", description="In any common format; transparency is kept.")
    model: str = Model("dehaze-candy-compact", "dehazing")
    strength: float = Field(
        1, ge=0, le=1, step=0.05, description="0: the picture as it came; 1: all the haze that the model sees goes."
    )
    reference: Image | None = Field(
        None,
        title="Measure the result",
        description="The same without haze, of its size: the record then says PSNR and SSIM before and after.",
    )


__all__ = ["Dehaze"]
