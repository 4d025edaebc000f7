"""Image-to-image translation: pix2pix and CycleGAN."""

from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge
from pydantic import AfterValidator, StrictInt

from gan_models.checkpoints import registry
from gan_models.restoration import Restoration
from gan_models.task import Field, Image, Mask, Model, Seed

SMALLEST = 64  # pixels of the shorter side that a network may see


def _large_enough(side: int) -> int:
    if 0 < side < SMALLEST:
        raise ValueError(f"Pixels must be {SMALLEST} to 1024, or 0 for the usual, not {side}.")
    return side


class TranslationModel(registry.Model):
    """A network in the registry that turns pictures of one kind into others.

    Attributes:
        takes: What it starts from: a map of "labels", line drawings ("edges"), a "drawing" with shading, "grey"
            pictures, or "masked" ones, with a hole; None for any picture.
        side: Pixels of the shorter side of the pictures that it was trained on.
    """

    task: Literal["translation"]
    takes: Literal["labels", "edges", "drawing", "grey", "masked"] | None = None
    side: Annotated[StrictInt, Ge(SMALLEST)]

    @property
    def from_drawing(self) -> bool:
        """Whether it starts from what is drawn by hand, so that all of its pictures is the network's work."""
        return self.takes in ("labels", "edges", "drawing")


class Translate(Restoration):
    """Turn a picture of one kind into one of another."""

    name: ClassVar = "translation"
    backend: ClassVar = "gan_models.translation.backend:Translator"

    image: Image = Field(
        title="What to start from",
        description="A map of labels, a line drawing, a grey picture, one with a hole, any: as the weights say.",
    )
    model: str = Model("translate-facades-compact", "translation")
    from_photo: bool = Field(
        False,
        title="It is a photo",
        description="For weights that start from a drawing: find the edges of a photo first.",
    )
    side: Annotated[int, AfterValidator(_large_enough)] = Field(
        0,
        ge=0,
        le=1024,
        step=32,
        title="Pixels",
        description=f"Of the shorter side that the network sees, from {SMALLEST}; 0 for what it was trained at.",
        advanced=True,
    )
    seed: int = Seed(description="Of the dropout, by which pix2pix varies a little.")
    mask: Mask | None = Field(
        None,
        title="A hole to fill",
        description="For weights that fill a hole: white where it is. Without one it is where the picture is "
        "transparent.",
        kept=True,
    )

    @property
    def generated(self) -> bool:
        """Whether the network draws all of the result: of a drawing by hand it does."""
        return registry.get(self.model).from_drawing

    def model_post_init(self, context: Any) -> None:
        """Refuse a mask of another size than the picture's."""
        super().model_post_init(context)
        if self.mask is not None and self.mask.shape != self.image.shape[:2]:
            (height, width), (rows, columns) = self.image.shape[:2], self.mask.shape
            raise ValueError(f"The mask must have the picture's {width}×{height} pixels, not {columns}×{rows}.")


__all__ = ["SMALLEST", "Translate", "TranslationModel"]
