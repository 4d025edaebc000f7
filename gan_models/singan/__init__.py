"""SinGAN: a generative model of a single picture, and what it is good for."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from gan_models.checkpoints import registry
from gan_models.jobs import Step
from gan_models.task import Field, Image, Mask, Model, Output, Seed, Task

MAX_MEGAPIXELS = 2.0  # of a result
WEIGHTS = "A name that /models lists for “single-image”, or one that /singan_train returned."
PICTURE = Output("image", "Result at full size (PNG)", "The picture, a PNG that carries what made it")
LOWER = "What is coarser than this stays as it was, so lower scales change more."


@with_config(ConfigDict(extra="allow"))
class PyramidConfig(TypedDict):
    """Height and width of each scale, the coarsest first, besides what else the pyramid takes."""

    sizes: list[list[int]]


class PyramidModel(registry.Model):
    """A model of a single picture in the registry."""

    task: Literal["single-image"]
    config: PyramidConfig

    @property
    def scales(self) -> int:
        """How many there are."""
        return len(self.config["sizes"])


def _model() -> Any:
    return Model("singan-balloons", "single-image", description=WEIGHTS)


STARTS = {"sample": 0.0, "animate": 0.0, "paint": 0.2, "edit": 0.4, "harmonize": 0.6}  # of the way up the pyramid
REDRAWING = ("paint", "edit", "harmonize")  # what needs a scale below the first


def default_start_scale(action: str, scales: int) -> int:
    """Return the scale that an action begins at, with a model of so many, if nothing else is asked for."""
    return max(int(action in REDRAWING), round(STARTS[action] * (scales - 1)))


def _start(lowest: int, text: str) -> Any:
    return Field(None, ge=lowest, title="Start scale", description=f"{text} None: what suits the model.")


def _preset() -> Any:
    text = "“quick” takes minutes on a CPU, “balanced” some times that; “paper”, as published, wants a GPU."
    return Field("quick", description=text)


def _iterations() -> Any:
    text = "At each scale. None: as the preset says, 300 to 2,000; fewer are sooner done, and look rougher."
    return Field(None, ge=1, le=2000, title="Iterations", description=text, advanced=True)


class SinganTrain(Task):
    """Train a model on a single picture, some minutes long; other endpoints take its name."""

    name: ClassVar = "single-image"
    action: ClassVar = "train"
    generated: ClassVar = True
    returns: ClassVar = {
        "model": Output("text", "Model", "The model's name, good for an hour or so"),
        "samples": Output("images", "What it draws, scale by scale", "Random samples"),
        "curves": Output("plot", "Losses", "The losses"),
        "file": Output("file", "The model, to bring back later", "The model as a file", ".safetensors"),
    }

    image: Image = Field(title="A picture to learn from", description="In any common format.")
    preset: Literal["quick", "balanced", "paper"] = _preset()
    seed: int = Seed()
    resume: str = Field(
        "",
        title="Go on with",
        description="The name of a cancelled training of the same picture and settings; empty to start afresh.",
        advanced=True,
        kept=False,
    )
    iterations: int | None = _iterations()


class _Drawing(Task):
    """What a model of a single picture draws."""

    name: ClassVar = "single-image"
    backend: ClassVar = "gan_models.singan.backend:SingleImage"


class SinganSample(_Drawing):
    """Draw random pictures that look like the one that the model was trained on."""

    action: ClassVar = "sample"
    generated: ClassVar = True
    returns: ClassVar = {"images": Output("images", "Pictures", "A gallery of PNG files that carry what made them")}

    model: str = _model()
    count: int = Field(8, ge=1, le=16, step=1, description="How many pictures.")
    start_scale: int | None = _start(
        0, "0 invents the layout; higher ones keep more of the training picture and vary details."
    )
    width_factor: float = Field(
        1, ge=0.25, le=4, step=0.05, title="Width", description="In units of the training picture's."
    )
    height_factor: float = Field(1, ge=0.25, le=4, step=0.05, title="Height", description="The same for the height.")
    seed: int = Seed()


class SinganHarmonize(_Drawing):
    """Make something that was pasted into the training picture fit in with it."""

    action: ClassVar = "harmonize"
    returns: ClassVar = {"image": PICTURE}

    model: str = _model()
    composite: Image = Field(
        title="The training picture with something in it",
        description="The training picture with the thing in it.",
        missing="Place something in the picture first, or bring a picture and its mask.",
    )
    mask: Mask = Field(
        title="Its mask: white where that is",
        description="White where the thing is; as large as the composite.",
        missing="Place something in the picture first, or bring a picture and its mask.",
        kept=False,
    )
    start_scale: int | None = _start(1, LOWER)
    seed: int = Seed()


class SinganEdit(_Drawing):
    """Hide the seams of what was copied from one place of the training picture to another."""

    action: ClassVar = "edit"
    returns: ClassVar = {"image": PICTURE}

    model: str = _model()
    edited: Image = Field(
        title="The training picture with copied pieces",
        description="The training picture with copied pieces.",
        missing="Place something in the picture first, or bring a picture and its mask.",
    )
    mask: Mask = Field(
        title="Its mask: white where they are",
        description="White where they are; as large as the edited picture.",
        missing="Place something in the picture first, or bring a picture and its mask.",
        kept=False,
    )
    start_scale: int | None = _start(1, LOWER)
    seed: int = Seed()


class SinganPaint(_Drawing):
    """Turn a rough painting into a picture that looks like the training picture."""

    action: ClassVar = "paint"
    generated: ClassVar = True
    returns: ClassVar = {"image": PICTURE}

    model: str = _model()
    painting: Image = Field(
        title="A painting",
        description="The layout, in colours near to those of the training picture.",
        missing="Paint something first, or bring a painting.",
    )
    start_scale: int | None = _start(1, LOWER)
    quantize: bool = Field(
        False,
        title="Quantise colours",
        description="First replace each colour by the nearest of the training picture's five main ones.",
    )
    seed: int = Seed()


class SinganAnimate(_Drawing):
    """Set the training picture in motion."""

    action: ClassVar = "animate"
    generated: ClassVar = True
    returns: ClassVar = {
        "video": Output("video", "Film", "A video, MP4, that carries what made it", ".mp4"),
        "gif": Output("video", "The same as a GIF", "The same as a GIF", ".gif"),
    }

    model: str = _model()
    start_scale: int | None = _start(0, "0 moves everything; higher ones move smaller and smaller things.")
    alpha: float = Field(0.1, ge=0, le=1, step=0.01, description="How near the motion stays to the picture.")
    beta: float = Field(0.9, ge=0, le=1, step=0.01, description="How smooth it is.")
    frames: int = Field(60, ge=2, le=600, step=1, description="How many pictures.")
    fps: float = Field(12, ge=1, le=60, step=1, title="Pictures a second", description="Of the film.", advanced=True)
    seed: int = Seed()
    loop: bool = Field(True, description="Whether the end leads on to the beginning.", advanced=True)


class SinganUpscale(Task):
    """Enlarge a picture by what can be learned from itself alone: a model is trained on it, which takes minutes."""

    name: ClassVar = "single-image"
    action: ClassVar = "upscale"
    returns: ClassVar = {"image": PICTURE}

    image: Image = Field(title="A picture to enlarge", description="In any common format; transparency is kept.")
    factor: float = Field(
        4,
        ge=1.01,
        le=8,
        step=0.01,
        description=f"How many times as wide and as high; {MAX_MEGAPIXELS:g} megapixels at most.",
    )
    preset: Literal["quick", "balanced", "paper"] = _preset()
    seed: int = Seed()
    iterations: int | None = _iterations()

    def model_post_init(self, _: Any) -> None:
        """Refuse results that are too large."""
        height, width = self.image.shape[:2]
        if height * width * self.factor**2 > MAX_MEGAPIXELS * 1e6:
            raise ValueError(
                f"The result would have more than {MAX_MEGAPIXELS:g} megapixels; choose a smaller factor."
            )

    def run(self, weights: str | None = None, device: str | None = None) -> Iterator[Step]:
        """Train on the picture and enlarge it."""
        from gan_models.singan.backend import upscale  # brings PyTorch

        yield from upscale(self, device)


__all__ = [
    *("PyramidModel", "SinganAnimate", "SinganEdit", "SinganHarmonize", "SinganPaint", "SinganSample"),
    *("SinganTrain", "SinganUpscale"),
]
