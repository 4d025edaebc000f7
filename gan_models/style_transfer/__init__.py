"""Style transfer: by optimising the picture, for any style, and by networks that have learned one."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from gan_models.restoration import Restoration
from gan_models.task import Field, Image, Mask, Model, Output, Seed, Task

# Of the weights `features-compact`; VGG has the same names and more layers.
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
CONTENT_LAYER = "relu3_2"
SIDES = (64, 1536)  # pixels of a picture's longer side


def _given(value: Any) -> Any:
    if value is None:
        raise ValueError("Choose a picture and a style first.")
    return value


Given = Annotated[Image, BeforeValidator(_given)]


class Stylize(Task):
    """Draw a picture in the style of another one (Gatys et al. 2016): the picture itself is optimised."""

    name: ClassVar = "style-transfer"
    backend: ClassVar = "gan_models.style_transfer.backend:Stylizer"
    frame_rate: ClassVar = 6
    returns: ClassVar = {
        "image": Output(
            "image", "Result at full size (PNG)", "The picture, a PNG that carries the settings that made it"
        ),
        "losses": Output("plot", "Losses", "The curves of the losses"),
        "snapshots": Output("images", "On the way", "Snapshots on the way there"),
        "video": Output("video", "The way there", "A video of the way there", ".mp4"),
    }

    content: Given = Field(title="A picture", description="What is drawn.")
    style: Given = Field(title="A style", description="How it is drawn.", kept=True)
    model: str = Model(
        "features-compact", "features", description="A VGG that /models lists for “features”.", advanced=True
    )
    steps: int = Field(150, ge=1, le=2000, step=1, description="More come nearer to the style.")
    content_weight: float = Field(
        2.5e-8, ge=0, le=1, description="2.5e-4 keeps nearly all of the picture; 2.5e-8 lets the style win."
    )
    style_weight: float = Field(
        1e-6, ge=0, le=1, description="Weights are in the scale of Keras's example.", advanced=True
    )
    tv_weight: float = Field(1e-6, ge=0, le=1, title="Variation weight", description="Of smoothness.", advanced=True)
    side: int = Field(
        384,
        ge=SIDES[0],
        le=SIDES[1],
        step=32,
        title="Pixels",
        description="Of the longer side. Time grows with its square.",
    )
    second_style: Image | None = Field(
        None,
        title="A second style, to blend with the first",
        description="Blended half and half with the first, or for the rest of a region.",
        kept=True,
        advanced=True,
    )
    start: Literal["content", "noise", "style"] = Field(
        "content",
        title="Begin with",
        description="What the picture begins as.",
        labels={"content": "The picture", "noise": "Noise", "style": "The style"},
        advanced=True,
    )
    optimizer: Literal["lbfgs", "adam"] = Field(
        "lbfgs",
        title="Optimiser",
        description="L-BFGS comes farther in as many steps; Adam takes less memory.",
        labels={"lbfgs": "L-BFGS", "adam": "Adam"},
        advanced=True,
    )
    colours: Literal["style", "luminance", "histogram"] = Field(
        "style",
        description="Matched: the style gets the picture's colours first.",
        labels={"style": "The style's", "luminance": "The picture's own", "histogram": "Matched"},
    )
    content_layer: str = Field(CONTENT_LAYER, description="A layer of the feature network.", advanced=True)
    style_layers: str = Field(
        ", ".join(STYLE_LAYERS),
        description="With commas between. Early ones hold colours and fine strokes, late ones larger shapes.",
        advanced=True,
    )
    red: float = Field(
        0, ge=-255, le=255, step=1, title="Offset of red", description="Added at the end.", advanced=True
    )
    green: float = Field(
        0, ge=-255, le=255, step=1, title="Offset of green", description="Added at the end.", advanced=True
    )
    blue: float = Field(
        0, ge=-255, le=255, step=1, title="Offset of blue", description="Added at the end.", advanced=True
    )
    seed: int = Seed(description="Of the noise that the picture may begin as.")
    region: Mask | None = Field(
        None,
        title="Mark where the first style goes",
        description="Of the picture's size, white where the first style goes; the second one goes elsewhere.",
        kept=True,
    )
    begun: Image | None = Field(
        None,
        title="Go on from this, not from the beginning",
        description="What an earlier run came to with the same offsets, to go on from at full size.",
        kept=True,
    )
    coarse: float = Field(
        0.6,
        ge=0,
        le=0.9,
        step=0.1,
        title="Begin at half size",
        description="Share of the steps: strokes come out larger, and sooner. At 0 more of the picture stays.",
        advanced=True,
    )

    def model_post_init(self, _: Any) -> None:
        """Refuse a region that is none."""
        region = self.region
        if region is not None and (region.shape != self.content.shape[:2] or region.all() or not region.any()):
            raise ValueError("The region must have the picture's size, and be neither empty nor all of it.")


class FastStylize(Restoration):
    """Redraw a picture at once in a style that was learned (Johnson et al. 2016)."""

    name: ClassVar = "fast-style"
    backend: ClassVar = "gan_models.style_transfer.fast:FastStyle"

    image: Image = Field(title="A picture", description="In any common format; transparency is kept.")
    model: str = Model("style-starry-night", "fast-style")
    strength: float = Field(1, ge=0, le=1, step=0.05, description="0: the picture as it came; 1: the style alone.")


__all__ = ["CONTENT_LAYER", "SIDES", "STYLE_LAYERS", "FastStylize", "Stylize"]
