"""GAN inversion: the latents that draw a given face; by them colours, what was hidden, and edits of photos."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from gan_models.checkpoints import registry
from gan_models.jobs import Step
from gan_models.task import Field, File, Image, Mask, Model, Output, Seed, Task

RETURNS = {
    "image": Output("image", "Result (PNG)", "The face, a PNG that carries what made it"),
    "losses": Output("plot", "Losses", "The curves of what was minimised"),
    "video": Output("video", "The way there", "A film of the way", ".mp4"),
    "latents": Output("file", "Latents (.safetensors)", "A file with latents and noise maps", ".safetensors"),
}


class EncoderModel(registry.Model):
    """A network in the registry that guesses latents.

    Attributes:
        of: The generator whose latents they are.
    """

    task: Literal["face-encoding"]
    of: str


class _Photo(Task):  # a task has the fields of its bases in the order from the last to the first
    """A photo with a face."""

    name: ClassVar = "face-inversion"

    image: Image = Field(title="A photo with a face", description="The photo, in any common format.")


class _Hole(_Photo):
    """A photo with a part to be painted anew."""

    mask: Mask = Field(
        description="A picture of the same size, white where the photo is to be painted anew.",
        missing="Mark what should be painted anew: draw on the picture, or bring a mask.",
        kept=False,
    )


class _Pixels(_Photo):
    """A photo of which some pixels are seen."""

    scheme: Literal["strided", "random", "block"] = Field(
        "random",
        title="Pixels that are seen",
        labels={"strided": "A grid", "random": "Anywhere", "block": "The middle"},
        description="Which pixels are seen: a grid, any, or the middle.",
    )
    share: float = Field(0.1, ge=0.01, le=1, step=0.01, description="How many of them.")


class _Framed(Task):
    """How a face is cut out of a photo."""

    framing: Literal["face", "middle"] = Field(
        "face",
        labels={"face": "A face", "middle": "The middle"},
        description="Look for a face and turn it upright, or take the picture's middle square as it is.",
        advanced=True,
    )
    face: int = Field(1, ge=1, description="Which one, where there are several: 1 is the largest.", advanced=True)


class _Weights(Task):
    """The generator of faces."""

    model: str = Model("faces-compact", "faces")


class _Search(_Weights):
    """How latents are looked for."""

    backend: ClassVar = "gan_models.inversion.backend:FaceInverter"
    returns: ClassVar = RETURNS

    steps: int = Field(300, ge=1, le=5000, step=1, description="Of the optimisation; more come nearer to the photo.")
    seed: int = Seed(description="Of its noise: other seeds give other results.")
    space: Literal["auto", "w", "w+"] = Field(
        "auto",
        labels={"auto": "Automatic", "w": "w", "w+": "w+"},
        description="w+ has a latent for each layer and comes nearer; w has one for all, for likely colours and "
        "better edits.",
        advanced=True,
    )
    start: Literal["encoder", "average"] = Field(
        "encoder", description="A network's guess, where the weights have one, or the average face.", advanced=True
    )
    pull: float = Field(
        1,
        ge=0,
        le=10,
        step=0.1,
        title="Pull to the start",
        description="Keeps the latents near where they start: likelier faces, less like the photo. 1 suits the task.",
        advanced=True,
    )


class AlignFace(_Framed, _Weights, _Photo):
    """Cut a face out of a photo, upright and framed as a model of faces was trained."""

    action: ClassVar = "align"
    returns: ClassVar = {"image": Output("image", "Result (PNG)", "The face, a square PNG")}

    def run(self, weights: str | None = None, device: str | None = None) -> Iterator[Step]:
        """Cut the face out."""
        from gan_models.inversion.align import framed  # brings PyTorch

        face = framed(self).square
        yield Step(1, 1, result=face, message=f"A face of {face.shape[1]} × {face.shape[0]} pixels")


class InvertFace(_Framed, _Search, _Photo):
    """Find the latents that draw the face in a photo, so that it can be edited like any drawn face."""

    action: ClassVar = "invert"
    generated: ClassVar = True

    latents: File | None = Field(
        None,
        title="Latents that were found here, to go on from",
        description="A file that this endpoint returned, to go on from.",
        suffixes=(".safetensors",),
    )


class ColorizeFace(_Framed, _Search, _Photo):
    """Colour a grey photo of a face: its own lightness, the colours of the face that looks most like it in grey."""

    action: ClassVar = "colorize"


class InpaintFace(_Framed, _Search, _Hole):
    """Paint a part of a face anew, so that it fits the rest."""

    action: ClassVar = "inpaint"


class MeasureFace(_Framed, _Search, _Pixels):
    """Recover a face from a few of its pixels, to show what a generator knows of faces."""

    action: ClassVar = "measure"
    generated: ClassVar = True


__all__ = ["AlignFace", "ColorizeFace", "EncoderModel", "InpaintFace", "InvertFace", "MeasureFace"]
