"""The models that the app knows, read from `weights/registry.toml`.

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

Optional:

    sha256 = "…"                        # of the file, 64 hexadecimal digits
    card = "compact.md"                 # model card, beside the registry
    unwrap = ["params_ema", "params"]   # keys under which the state dict may lie; the first that is there counts;
                                        # for nvidia-pickle by default "G_ema"
    convert = "gan_models.x:convert"    # function from the file's state dict to the network's; for nvidia-pickle
                                        # from the `safe_pickle.Record` to the network's arguments and state dict
    note = "Faces only."                # what a visitor should know
    of = "faces-compact"                # the model whose latents these weights find or move
    crop = "utkface"                    # of the task "faces": a name in `gan_models.images.faces.CROPS`; else "ffhq"
    takes = "edges"                     # of the task "translation": "labels", "edges", "drawing" (with shading),
                                        # "grey" or "masked"; else any
    side = 128                          # pixels of the shorter side of the pictures that it was trained on
    kinds = ["cat", "dog"]              # of the task "pictures": the kinds that can be asked for
"""

import re
import tomllib
from collections.abc import Collection
from dataclasses import MISSING, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from gan_models import settings

REGISTRY = settings.folder("weights") / "registry.toml"
KINDS = {  # of the keys' values; all others are str
    **{"config": dict, "hub": dict, "unwrap": list, "kinds": list, "size_mb": (int, float), "side": int}
}
NETWORK_FORMATS = ("safetensors", "state-dict", "archive", "nvidia-pickle")
FORMULA = "formula"
FORMATS = (*NETWORK_FORMATS, "onnx", "npy", FORMULA)


@dataclass(frozen=True)
class HubFile:
    """A file on the Hugging Face Hub.

    Attributes:
        repo: "owner/name".
        file: Path inside the repository.
        revision: A commit, best as it never changes; or a branch or tag.
        repo_type: "model" or "space".
    """

    repo: str
    file: str
    revision: str
    repo_type: str = "model"


@dataclass(frozen=True)
class Model:
    """One model of the registry; the module's docstring describes the attributes."""

    name: str
    title: str
    task: str
    format: str
    licence: str
    size_mb: float
    network: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    file: str | None = None
    hub: HubFile | None = None
    sha256: str | None = None
    card: str | None = None
    unwrap: tuple[str, ...] = ()
    convert: str | None = None
    note: str | None = None
    of: str | None = None
    crop: str | None = None
    takes: str | None = None
    side: int | None = None
    kinds: tuple[str, ...] = ()

    @property
    def embedded(self) -> bool:
        """Whether the weights come with the app."""
        return self.file is not None

    @property
    def from_drawing(self) -> bool:
        """Whether it starts from what is drawn by hand, so that all of its pictures is the network's work."""
        return self.takes in ("labels", "edges", "drawing")

    @property
    def formula(self) -> bool:
        """Whether this is a classical method, which has no weights."""
        return self.format == FORMULA

    @property
    def source(self) -> str:
        """Where the weights come from: "embedded" or "hub: repo/file"; or "formula", as there are none."""
        if self.formula:
            return FORMULA
        return f"hub: {self.hub.repo}/{self.hub.file}" if self.hub else "embedded"


def models(task: str | None = None) -> list[Model]:
    """Return the models of `task`, or all of them, in the order of the file.

    Raises:
        ValueError: The registry is not as the module's docstring says.
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


@lru_cache(maxsize=1)
def _read(path: Path, _modified: int) -> tuple[Model, ...]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as problem:
        raise ValueError(f"{path.name} is not valid TOML: {problem}.") from None
    return tuple(_model(name, table) for name, table in tables.items())


def _model(name: str, table: dict[str, Any]) -> Model:
    try:
        _check_keys(Model, table)
        if "hub" in table:
            _check_keys(HubFile, table["hub"])
            table = table | {"hub": HubFile(**table["hub"])}
        lists = {key: tuple(table.get(key, ())) for key in ("unwrap", "kinds")}
        model = Model(name=name, **table | lists)
        _check(model)
    except ValueError as problem:
        raise ValueError(f"In {REGISTRY.name}, [{name}] {problem}.") from None
    return model


def _check_keys(kind: type, table: dict[str, Any]) -> None:
    known = [entry for entry in fields(kind) if entry.name != "name"]  # a model's name is its table's
    required = [entry.name for entry in known if entry.default is MISSING and entry.default_factory is MISSING]
    if unknown := sorted(table.keys() - {entry.name for entry in known}):
        raise ValueError(f"has the unknown key {unknown[0]}")
    if missing := [key for key in required if key not in table]:
        raise ValueError(f"lacks the key {missing[0]}")
    if wrong := [key for key, value in table.items() if not isinstance(value, KINDS.get(key, str))]:
        raise ValueError(f"has a value of the wrong kind for the key {wrong[0]}")


def _check(model: Model) -> None:
    if model.format not in FORMATS:
        raise ValueError(f"has the format “{model.format}”, which is none of {', '.join(FORMATS)}")
    if model.formula and (model.file or model.hub):
        raise ValueError("is a formula and can't have a file or a hub entry")
    if not model.formula and (model.file is None) == (model.hub is None):
        raise ValueError("must have either a file or a hub entry, and not both")
    if model.hub and model.hub.repo_type not in ("model", "space"):
        raise ValueError(f"has the repo_type “{model.hub.repo_type}”, which is neither model nor space")
    if model.file and Path(model.file).name != model.file:
        raise ValueError(f"must name a file beside the registry, not {model.file}")
    if model.file and not model.sha256:
        raise ValueError("is embedded and so needs the sha256 of its file")
    if model.sha256 and not re.fullmatch("[0-9a-f]{64}", model.sha256):
        raise ValueError("has a sha256 that is not 64 lower-case hexadecimal digits")
    if (model.network is not None) != (model.format in NETWORK_FORMATS):
        raise ValueError(f"must name a network exactly if its format is one of {', '.join(NETWORK_FORMATS)}")
    for key in ("network", "convert"):
        path = getattr(model, key)
        if path and not re.fullmatch(r"[\w.]+:\w+", path):
            raise ValueError(f"must give {key} as module:name, not {path}")
