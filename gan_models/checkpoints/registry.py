"""The models that the app knows, read from `weights/registry.toml`: one typed record each.

Each table of the file is a model, under the name by which everything else calls it:

    [super-resolution-compact]
    title = "Compact"                   # what a picker shows
    task = "super-resolution"           # its default is the first that is embedded, or else a formula
    network = "gan_models.super_resolution.network:SRResNet"  # not for the formats onnx, npy and formula
    config = { num_feat = 48 }          # the network's constructor arguments; optional
    format = "safetensors"              # or "state-dict" (PyTorch's own), "archive" (a tar file of such files),
                                        # "nvidia-pickle", "onnx", "npy", "formula"
    licence = "MIT"
    size_mb = 0.7                       # of the file, in millions of bytes

and exactly one source, unless the format is "formula", a classical method that its backend computes without weights:

    file = "compact.safetensors"        # embedded: a file beside the registry; needs sha256
    hub = { repo = "owner/name", file = "x.pth", revision = "main", repo_type = "space" }  # repo_type: or "model"
    package = { name = "lpips", file = "lpips/weights/v0.1/vgg.pth" }  # of an installed package; needs sha256

Optional:

    sha256 = "…"                        # of the file, 64 hexadecimal digits
    trainer = "sr-psnr"                 # by which `python -m gan_models train` made it; "singan": `singan train` did
    card = "compact.md"                 # model card, beside the registry
    unwrap = ["params_ema", "params"]   # keys under which the state dict may lie; the first that is there counts;
                                        # for nvidia-pickle by default "G_ema"
    convert = "gan_models.x:convert"    # function from the file's state dict to the network's; for nvidia-pickle
                                        # from the `safe_pickle.Record` to the network's arguments and state dict
    note = "Faces only."                # what a visitor should know

What the models of one task alone have to say, its family adds and checks: by a subclass of `Model` in its
`__init__.py`, whose `task` is a `Literal`. A family is a folder of gan_models with a backend.
"""

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StrictFloat,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from gan_models import settings

REGISTRY = settings.folder("weights") / "registry.toml"
NETWORK_FORMATS = ("safetensors", "state-dict", "archive", "nvidia-pickle")
FORMULA = "formula"


def _beside(file: str) -> str:
    if Path(file).name != file:
        raise ValueError(f"must name a file beside the registry, not {file}")
    return file


def _digest(digits: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", digits):
        raise ValueError("has a sha256 that is not 64 lower-case hexadecimal digits")
    return digits


def _reference(path: str, info: ValidationInfo) -> str:
    if not re.fullmatch(r"[\w.]+:\w+", path):
        raise ValueError(f"must give {info.field_name} as module:name, not {path}")
    return path


@dataclass(frozen=True)
class HubFile:
    """A file on the Hugging Face Hub.

    Attributes:
        repo: "owner/name".
        file: Path inside the repository.
        revision: A commit, best as it never changes; or a branch or tag.
        repo_type: "model" or "space".
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    repo: str
    file: str
    revision: str
    repo_type: Literal["model", "space"] = "model"


@dataclass(frozen=True)
class PackageFile:
    """A file that an installed Python package brings.

    Attributes:
        name: What the package index calls the package.
        file: Path from where packages are installed, such as "lpips/weights/v0.1/vgg.pth".
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    name: str
    file: str


class Model(BaseModel):
    """One model of the registry; the module's docstring describes the attributes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    task: str
    format: Literal["safetensors", "state-dict", "archive", "nvidia-pickle", "onnx", "npy", "formula"]
    licence: str
    size_mb: StrictFloat
    network: Annotated[str, AfterValidator(_reference)] | None = None
    config: dict[str, Any] = {}
    file: Annotated[str, AfterValidator(_beside)] | None = None
    hub: HubFile | None = None
    package: PackageFile | None = None
    sha256: Annotated[str, AfterValidator(_digest)] | None = None
    trainer: str | None = None
    card: Annotated[str, AfterValidator(_beside)] | None = None
    unwrap: tuple[str, ...] = ()
    convert: Annotated[str, AfterValidator(_reference)] | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        sources = [source for source in (self.file, self.hub, self.package) if source is not None]
        if self.formula and sources:
            raise ValueError("is a formula and can't have a file, a hub entry or a package")
        if not self.formula and len(sources) != 1:
            raise ValueError("must have either a file or a hub entry or a package, and not both")
        if (self.file or self.package) and not self.sha256:
            raise ValueError("needs the sha256 of its file")
        if (self.network is not None) != (self.format in NETWORK_FORMATS):
            raise ValueError(f"must name a network exactly if its format is one of {', '.join(NETWORK_FORMATS)}")
        return self

    @property
    def embedded(self) -> bool:
        """Whether the weights come with the app."""
        return self.file is not None

    @property
    def formula(self) -> bool:
        """Whether this is a classical method, which has no weights."""
        return self.format == FORMULA

    @property
    def source(self) -> str:
        """Where the weights come from: "embedded", "hub: repo/file", "package: name"; or "formula", for none."""
        if self.hub:
            return f"hub: {self.hub.repo}/{self.hub.file}"
        if self.package:
            return f"package: {self.package.name}"
        return FORMULA if self.formula else "embedded"


def models(task: str | None = None) -> list[Model]:
    """Return the models of `task`, or all of them, in the order of the file.

    Raises:
        ValueError: The registry is not as the module's docstring says; one sentence names the model and the key.
    """
    known = _read(REGISTRY, REGISTRY.stat().st_mtime_ns)
    return [model for model in known if task in (None, model.task)]


def get(name: str, task: str | None = None) -> Model:
    """Return the model `name`.

    Raises:
        ValueError: There is none, and the message lists those that there are; or it is for another task than `task`.
    """
    known = {model.name: model for model in models()}
    if name not in known:
        raise ValueError(f"There is no model “{name}”; there are {', '.join(known)}.")
    if task not in (None, known[name].task):
        raise ValueError(f"The weights “{name}” are for {known[name].task}, not for {task}.")
    return known[name]


def default(task: str, among: Collection[str] | None = None) -> Model:
    """Return the first embedded model of `task`; where there is none its first formula, or else its first model.

    With `among`, only models of these names count.

    Raises:
        ValueError: There is none at all.
    """
    candidates = [model for model in models(task) if among is None or model.name in among]
    if not candidates:
        raise ValueError(f"No model is there for the task “{task}”.")
    return min(candidates, key=lambda model: (not model.embedded, not model.formula))


def mistaken(name: str, mistake: str) -> ValueError:
    """Return what to raise where the registry's entry `name` is wrong; `mistake` follows the name."""
    return ValueError(f"In {REGISTRY.name}, [{name}] {mistake}.")


@lru_cache(maxsize=1)
def _read(path: Path, _modified: int) -> tuple[Model, ...]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as problem:
        raise ValueError(f"{path.name} is not valid TOML: {problem}.") from None
    records = _records()
    return tuple(_model(records, name, table) for name, table in tables.items())


def _records() -> dict[str, type[Model]]:
    """Return the class of the models of each task of which a family has its own."""
    for backend in Path(settings.__file__).parent.glob("*/backend.py"):
        import_module(f"gan_models.{backend.parent.name}")
    return {get_args(record.model_fields["task"].annotation)[0]: record for record in Model.__subclasses__()}


def _model(records: dict[str, type[Model]], name: str, table: Any) -> Model:
    if not isinstance(table, dict):
        raise mistaken(name, "is no table")
    if "name" in table:
        raise mistaken(name, "has the unknown key name")
    try:
        return records.get(str(table.get("task")), Model)(name=name, **table)
    except ValidationError as problem:
        raise mistaken(name, _mistake(problem)) from None


def _mistake(problem: ValidationError) -> str:
    """Return what the first mistake is, to follow the name of the model."""
    first = problem.errors()[0]
    *outer, key = map(str, first["loc"] or [""])
    inside = f" of {'.'.join(outer)}" if outer else ""
    match first["type"]:
        case "value_error":
            return str(first["ctx"]["error"])
        case "missing":
            return f"lacks the key {key}{inside}"
        case "extra_forbidden" | "unexpected_keyword_argument":
            return f"has the unknown key {key}{inside}"
        case "literal_error":
            known = first["ctx"]["expected"].replace("'", "")
            return f"has the {key} “{first['input']}”{inside}, which is none of {known}"
        case _:
            return f"has a value of the wrong kind for the key {key}{inside}"
