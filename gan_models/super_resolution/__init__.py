"""Super-resolution: pictures two or four times as large."""

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from gan_models import settings
from gan_models.checkpoints import registry
from gan_models.restoration import Restoration
from gan_models.task import Field, Image, Model


@with_config(ConfigDict(extra="allow"))
class UpscalingConfig(TypedDict, total=False):
    """How many times a network enlarges, besides what else it takes."""

    scale: Literal[2, 4]


class UpscalingModel(registry.Model):
    """A network in the registry that enlarges pictures."""

    task: Literal["super-resolution"]
    config: UpscalingConfig = UpscalingConfig()

    @property
    def scale(self) -> int:
        """How many times as wide and as high its pictures are; 4 is every network's default."""
        return self.config.get("scale", 4)


class Upscale(Restoration):
    """Enlarge a picture two or four times, with details that plain interpolation blurs."""

    name: ClassVar = "super-resolution"
    backend: ClassVar = "gan_models.super_resolution.backend:Upscaler"

    image: Image = Field(title="A picture to enlarge", description="In any common format; transparency is kept.")
    model: str = Model("sr-psnr-compact", "super-resolution")
    factor: Literal[2, 4] = Field(
        4, labels={2: "×2", 4: "×4"}, description="How many times as wide and as high; ×4 has 16 times the pixels."
    )
    reference: Image | None = Field(
        None,
        title="Measure the result",
        description="What the result should be, of its size: the record then says PSNR and SSIM, over all colours.",
    )

    def size(self) -> tuple[int, int]:
        """Return the height and the width of the result."""
        height, width = self.image.shape[:2]
        return height * self.factor, width * self.factor

    @classmethod
    def check(cls, **values: Any) -> None:
        """Refuse, besides what `Task.check` does, more than the weights can; nothing is loaded."""
        super().check(**values)
        model, factor = (values.get(name, cls.parameters()[name].default) for name in ("model", "factor"))
        check_scale(model, factor)

    def model_post_init(self, context: Any) -> None:
        """Refuse, without loading anything, more than the weights can, and results past the configured limit."""
        check_scale(self.model, self.factor)
        height, width = self.image.shape[:2]
        check_size(height, width, self.factor)
        super().model_post_init(context)


def check_scale(model: str, factor: int) -> None:
    """Do nothing if `model` can enlarge pictures so many times.

    Raises:
        ValueError: It can't, or is for another task.
    """
    scale = registry.get(model, task=Upscale.name).scale
    if factor > scale:
        raise ValueError(f"These weights enlarge {scale} times at most; choose ×{scale}.")


def check_size(height: int, width: int, factor: int) -> None:
    """Do nothing if a picture of this size, enlarged, has no more pixels than results may have.

    Raises:
        ValueError: It has; the sentence says which size would do.
    """
    limit = settings.max_result_megapixels()
    megapixels = height * width * factor**2 / 1e6
    if megapixels > limit:
        rows, columns = _largest(height, width, limit * 1e6 / factor**2)
        raise ValueError(
            f"The result would have {round(megapixels, 1):g} megapixels; at most {limit:g} are made here. "
            f"At ×{factor} a picture of {columns}×{rows} pixels would do."
        )


def _largest(height: int, width: int, pixels: float) -> tuple[int, int]:
    """Return the largest size of about the same shape that has at most `pixels`, and at least one a side."""
    shrink = (pixels / (height * width)) ** 0.5
    rows, columns = (min(max(1, int(length * shrink)), int(pixels)) for length in (height, width))
    return rows, min(columns, max(1, int(pixels / rows)))


__all__ = ["Upscale", "UpscalingModel", "check_size"]
