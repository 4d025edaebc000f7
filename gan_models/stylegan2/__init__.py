"""StyleGAN2-ADA: faces of people who do not exist, mixtures of them, ways between them, and edits."""

from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, model_validator, with_config
from typing_extensions import TypedDict

from gan_models.checkpoints import registry
from gan_models.task import Field, File, Model, Output, Seeds, Task

MAX_STRENGTH = 5.0  # of an edit
LAST_LAYER = 17  # of the largest weights; those of 64 pixels have the layers 0 to 9
ATTRIBUTES = {  # that some weights can change: what − and + do
    "age": "younger, older",
    "gender": "more feminine, more masculine",
    "smile": "sadder, happier",
    "long_hair": "shorter, longer hair",
    "dark_hair": "lighter, darker hair",
    "pose": "turned to the left, to the right",
    "young": "older, younger",
    "eyeglasses": "without, with glasses",
    "bald": "more, less hair",
    "hat": "without, with a hat",
    "mustache": "without, with a moustache",
}
FACE = Output("image", "Result at full size (PNG)", "The face, a PNG that carries what made it")


def truncation_field() -> Any:
    """Return the field that says how far faces may be from the average one."""
    text = "0 is the average face; 1 has all the variety and the odd ones; in between, faces are cleaner."
    return Field(0.7, ge=0, le=1.5, step=0.05, title="Truncation", description=text)


def label(name: str) -> str:
    """Return the name of an attribute or of a control as the page shows it."""
    return name.replace("_", " ").capitalize()


def attributes_of(model: str) -> list[str]:
    """Return the attributes that boundaries are registered for of the generator `model`; loads nothing."""
    boundaries = [entry for entry in registry.models("face-boundaries") if entry.of == model]
    return [name for entry in boundaries for name in entry.attributes]


class FaceModel(registry.Model):
    """A generator of faces in the registry.

    Attributes:
        crop: The square of a photo that it draws, by its name in `gan_models.images.faces.CROPS`.
    """

    task: Literal["faces"]
    crop: Literal["ffhq", "utkface"] = "ffhq"


@with_config(ConfigDict(extra="allow"))
class BoundaryConfig(TypedDict, total=False):
    """What boundaries are of: `attribute` where the file is a single array, else the network's `attributes`."""

    attribute: str
    attributes: list[str]


class BoundaryModel(registry.Model):
    """Directions in the registry along which faces change.

    Attributes:
        of: The generator whose latents they move.
    """

    task: Literal["face-boundaries"]
    config: BoundaryConfig
    of: str

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if not self.attributes:
            raise ValueError("must name its attribute or its attributes in config")
        return self

    @property
    def attributes(self) -> list[str]:
        """What they change."""
        return self.config.get("attributes") or [name for name in [self.config.get("attribute")] if name]


class _Faces(Task):
    """What is drawn by a generator of faces."""

    name: ClassVar = "faces"
    backend: ClassVar = "gan_models.stylegan2.backend:FaceGenerator"
    generated: ClassVar = True


class GenerateFaces(_Faces):
    """Draw faces of people who do not exist. The same seed gives the same face."""

    returns: ClassVar = {
        "images": Output("images", "Faces", "A gallery of PNG files that carry what made them"),
        "latents": Output("file", "Latents of these faces (.npy)", "A file with their latents", ".npy"),
    }

    model: str = Model("faces-compact", "faces")
    seed: Seeds = Field(
        "1",
        description="A number; a list of numbers and ranges such as “1, 5, 20-23”, for one face each; or “random”.",
    )
    count: int = Field(8, ge=1, le=16, step=1, description="Faces from a single seed on.")
    truncation: float = truncation_field()
    noise: Literal["const", "random", "none"] = Field(
        "const",
        description="Fine detail that is no part of the latent: the same each time, random, or none.",
        advanced=True,
    )
    latents: File | None = Field(
        None,
        title="Latents to draw in place of seeds (.npy)",
        description="A .npy file of latents to draw in place of seeds; /generate_faces gives one with each result.",
        advanced=True,
        suffixes=(".npy",),
    )


class MixStyles(_Faces):
    """Mix two faces: the first layers of one, which hold pose and shape, with later ones of another, for colours."""

    action: ClassVar = "mix"
    returns: ClassVar = {
        "image": Output("image", "Mixture (PNG)", "The mixed face, a PNG that carries what made it"),
        "images": Output("images", "Both faces and the mixture", "A gallery of both faces and the mixture"),
    }

    model: str = Model("faces-compact", "faces")
    content_seed: int = Field(3, ge=0, title="Shape from seed", description="The face that is changed.")
    style_seed: int = Field(7, ge=0, title="Colours from seed", description="Where the other layers come from.")
    crossover: int = Field(
        4,
        ge=0,
        le=LAST_LAYER,
        step=1,
        description="The second face's first layer: early ones hold shapes, late ones colours; the last is 9 or more",
    )
    truncation: float = truncation_field()
    last_layer: int | None = Field(
        None,
        ge=0,
        description="The last layer that comes from the second face; none for all that follow.",
        advanced=True,
    )


class InterpolateFaces(_Faces):
    """Film the way from face to face."""

    action: ClassVar = "interpolate"
    returns: ClassVar = {"video": Output("video", "Film", "A video, MP4, that carries what made it", ".mp4")}

    model: str = Model("faces-compact", "faces")
    seeds: Seeds = Field("1, 2, 3", description="The faces on the way, two or more, in order.")
    frames: int = Field(48, ge=1, le=120, step=1, description="Pictures from one face to the next.")
    truncation: float = truncation_field()
    space: Literal["w", "z"] = Field(
        "w",
        description="Straight lines in w change evenly; great circles in z take more turns.",
        advanced=True,
    )
    loop: bool = Field(True, description="Go back to the first face.", advanced=True)
    fps: float = Field(24, ge=1, le=60, step=1, title="Pictures a second", description="Of the film.", advanced=True)


class _Editing(Task):
    """What is done to faces in the space of w."""

    name: ClassVar = "faces"
    backend: ClassVar = "gan_models.stylegan2.edit:FaceEditor"
    generated: ClassVar = True


class EditFace(_Editing):
    """Change attributes of a face: its age, its smile, its hair."""

    action: ClassVar = "edit"
    returns: ClassVar = {"image": FACE}

    model: str = Model("faces-compact", "faces")
    seed: Seeds = Field("1", description="The face to edit.")
    truncation: float = truncation_field()
    edits: dict[str, float] = Field(
        {},
        title="Strengths",
        description="From -5 to 5 by attribute, such as {“age”: 2, “smile”: -1}, in units of faces' deviation.",
    )
    hold: list[str] = Field([], description="Attributes that should stay as they are meanwhile, such as “gender”.")
    latents: File | None = Field(
        None,
        title="Or latents of a photo, from the tab “Face inversion”",
        description="A file of latents that /invert_face returned, to edit a photo in place of a seed's face.",
        suffixes=(".safetensors",),
    )

    def model_post_init(self, _: Any) -> None:
        """Refuse strengths that are too large."""
        for attribute, strength in self.edits.items():
            if not abs(strength) <= MAX_STRENGTH:
                raise ValueError(f"The strength of {attribute} must be from -{MAX_STRENGTH:g} to {MAX_STRENGTH:g}.")


class CombineFaces(_Editing):
    """Add up faces: the average of some, minus that of others, plus that of a third group."""

    action: ClassVar = "combine"
    returns: ClassVar = {
        "image": Output("image", "Sum (PNG)", "The sum, a PNG that carries what made it"),
        "images": Output("images", "The averages and their sum", "A gallery of the averages and the sum"),
    }

    model: str = Model("faces-compact", "faces")
    plus: Seeds = Field("1-4", description="Seeds of faces that have something, such as “1-4”: laughing men, say.")
    minus: Seeds = Field("5-8", description="Seeds of faces like those without it: men.")
    also: Seeds = Field("9-12", title="Plus", description="Seeds of the faces that get it: women, say.")
    truncation: float = truncation_field()


__all__ = [
    *("ATTRIBUTES", "LAST_LAYER", "BoundaryModel", "CombineFaces", "EditFace", "FaceModel", "GenerateFaces"),
    *("InterpolateFaces", "MixStyles", "attributes_of", "label", "truncation_field"),
]
