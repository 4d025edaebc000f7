"""Deblurring: undo camera shake, motion and defocus."""

from typing import ClassVar, Literal

from gan_models.restoration import Restoration
from gan_models.task import Field, Image, Model


class Deblur(Restoration):
    """Sharpen a picture that is shaken, moved or a little out of focus."""

    name: ClassVar = "deblurring"
    backend: ClassVar = "gan_models.deblurring.backend:Deblurrer"

    image: Image = Field(title="A blurred picture", description="In any common format; transparency is kept.")
    model: str = Model("deblur-compact", "deblurring")
    strength: float = Field(
        1, ge=0, le=1, step=0.05, description="0: the picture as it came; 1: all that the model corrects."
    )
    reduction: Literal[0, 1, 2, 3, 4] = Field(
        0,
        title="Motion",
        labels={0: "see what fits", 1: "a few pixels", 2: "about ten", 3: "fifteen", 4: "twenty"},
        description="How far things moved; compact networks undo longer motions on a picture so many times smaller.",
    )
    length: float = Field(
        9,
        ge=1,
        le=40,
        step=1,
        advanced=True,
        description="Of the motion that Wiener and Richardson–Lucy assume, in pixels.",
    )
    angle: float = Field(
        0,
        ge=-90,
        le=90,
        step=5,
        advanced=True,
        description="Of the motion that they assume, in degrees against the horizontal.",
    )
    reference: Image | None = Field(
        None,
        title="Measure the result",
        description="The sharp picture, of the same size: the record then says PSNR and SSIM before and after.",
    )


__all__ = ["Deblur"]
