"""GAN-Control (Shoshan et al. 2021): faces by what they are to look like: age, pose, expression, light, hair."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from gan_models.attributes import DEVIATIONS, MEANS
from gan_models.checkpoints import registry
from gan_models.stylegan2 import FACE, label, truncation_field
from gan_models.task import Field, Model, Output, Seeds, Task

MAX_ROWS = 6  # of a sheet


@dataclass(frozen=True)
class Control:
    """A number that can be asked for.

    Attributes:
        network: The control of the network that takes it.
        place: Which of that control's numbers it is.
        low: The least that can be asked for.
        high: The most.
        begin: Where a slider begins.
        text: What − and + do, and the unit.
        middle: What the network takes as 0.
        unit: What it takes as 1.
    """

    network: str
    place: int
    low: float
    high: float
    begin: float
    text: str
    middle: float = 0.0
    unit: float = 1.0


AGE = "In years, as people judge it."
COMPACT = {  # all but the age in deviations of real faces from their mean
    "age": Control("age", 0, 5, 80, 60, AGE, MEANS[0], DEVIATIONS[0]),
    "pose": Control(
        "pose", 0, -2, 2, 1, "Turned to the left, to the right; in deviations of real faces, as the ones below are."
    ),
    "expression": Control("expression", 0, -2, 2, 1, "Serious, smiling."),
    "hair": Control("hair", 0, -2, 2, 1, "Fair, dark."),
    "light": Control("illumination", 1, -2, 2, 1, "Lit from the left, from the right."),
    "light_up": Control("illumination", 2, -2, 2, 1, "Lit from below, from above."),
    "brightness": Control("illumination", 0, -2, 2, 0, "Dark, bright; light and skin can't be told apart."),
}
PUBLISHED = {  # years, degrees, and the colour of the hair from 0 to 255
    "age": Control("age", 0, 15, 75, 60, AGE),
    "yaw": Control("orientation", 0, -90, 90, 30, "Turned to the side, in degrees."),
    "pitch": Control("orientation", 1, -90, 90, 0, "Looking up or down, in degrees."),
    "roll": Control("orientation", 2, -90, 90, 0, "Leaning to the side, in degrees."),
    "hair_red": Control("hair", 0, 0, 255, 186, "Of the colour of the hair.", unit=255.0),
    "hair_green": Control("hair", 1, 0, 255, 158, "Of the colour of the hair.", unit=255.0),
    "hair_blue": Control("hair", 2, 0, 255, 92, "Of the colour of the hair.", unit=255.0),
}
PRESETS: tuple[tuple[str, dict[str, float]], ...] = (  # seed, and what is asked for
    ("1", {"age": 10, "expression": 1.5}),
    ("4", {"age": 70, "pose": -1.2, "expression": 1}),
    ("9", {"age": 35, "light": 1.5, "hair": 1.5}),
)


def controls_of(names: Collection[str]) -> dict[str, Control]:
    """Return what can be asked for, by name, where the network's own controls have these names."""
    return COMPACT if set(names) == {one.network for one in COMPACT.values()} else PUBLISHED


@with_config(ConfigDict(extra="allow"))
class ControlConfig(TypedDict):
    """How many numbers each control of a network has, besides what else it takes."""

    controls: dict[str, int]


class ControlModel(registry.Model):
    """A generator in the registry that takes controls."""

    task: Literal["face-control"]
    config: ControlConfig

    @property
    def asked(self) -> dict[str, Control]:
        """What can be asked of it, by name."""
        return controls_of(self.config["controls"])


class _Control(Task):
    """What is asked of a generator that takes controls."""

    name: ClassVar = "face-control"
    backend: ClassVar = "gan_models.gan_control.backend:FaceController"
    generated: ClassVar = True


class ControlFace(_Control):
    """Draw a face as it is asked for: of an age, turned, smiling, lit from a side."""

    action: ClassVar = "control"
    returns: ClassVar = {"image": FACE}

    model: str = Model("faces-control-compact", "face-control")
    seed: Seeds = Field("1", description="The person; all that isn't asked for is as the seed has it.")
    controls: dict[str, float] = Field(
        {},
        description="Values by name, such as {“age”: 60, “pose”: -1, “expression”: 1.5, “hair”: 1, “light”: 1, "
        "“light_up”: 0, “brightness”: 0}; the age in years, all others in deviations of real faces, -2 to 2. The "
        "published weights take “age”, “yaw”, “pitch”, “roll” in degrees, “hair_red”, “hair_green”, “hair_blue”.",
    )
    truncation: float = truncation_field()


class ControlSheet(_Control):
    """Draw a sheet of faces, a row each, in which one control goes from its least to its most."""

    action: ClassVar = "sheet"
    returns: ClassVar = {"image": Output("image", "Sheet (PNG)", "The sheet, a PNG that carries what made it")}

    model: str = Model("faces-control-compact", "face-control")
    seeds: Seeds = Field("1-4", description=f"One to {MAX_ROWS} people.")
    control: str = Field("age", description="What changes, such as “age”.")
    columns: int = Field(7, ge=2, le=11, step=1, title="Values", description="From the least to the most.")
    truncation: float = truncation_field()


__all__ = [
    "COMPACT",
    "MAX_ROWS",
    "PRESETS",
    "PUBLISHED",
    "Control",
    "ControlFace",
    "ControlModel",
    "ControlSheet",
    "controls_of",
    "label",
]
