"""What can be asked for, said once: each task is a class whose fields have bounds, defaults, titles and descriptions.

From such a class come the controls of its tab, the endpoint with its documentation and schema, the command line, the
check of what is asked, the record in the result, and the restoring of that record. Nothing here brings PyTorch.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

import numpy as np
import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from gan_models.images.alpha import bright
from gan_models.images.checks import require_picture
from gan_models.images.decode import decode
from gan_models.images.provenance import fingerprint
from gan_models.jobs import Step
from gan_models.seeds import MAX_SEED


@dataclass(frozen=True)
class Kind:
    """What the value of a field is, beyond its Python type: "image", "mask", "file", "files", "video" or "seeds"."""

    name: str


def _decoded(value: Any) -> np.ndarray:
    """Return a picture, H×W×3 or 4, uint8, from an array, a path or the content of a file."""
    if value is None or isinstance(value, str | Path | bytes):
        return decode(value)
    require_picture(value)
    return value


def _marked(value: Any) -> np.ndarray:
    """Return H×W bool, true where a mask is white, from such an array or from a picture."""
    if isinstance(value, np.ndarray) and value.dtype == bool and value.ndim == 2:
        return value
    return bright(_decoded(value))


def _path(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("Choose a file first.")
    return Path(value)


def _paths(value: Any) -> list[Path]:
    if not isinstance(value, list | tuple):
        raise ValueError("Choose some files first.")
    return [_path(one) for one in value]


def _text(value: Any) -> Any:
    """Return a number as text: who asks for one seed may send it as a number."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Image = Annotated[np.ndarray, BeforeValidator(_decoded), Kind("image")]
Mask = Annotated[np.ndarray, BeforeValidator(_marked), Kind("mask")]
File = Annotated[Path, BeforeValidator(_path), Kind("file")]
Files = Annotated[list[Path], BeforeValidator(_paths), Kind("files")]
Video = Annotated[Path, BeforeValidator(_path), Kind("video")]
Seeds = Annotated[str, BeforeValidator(_text), Kind("seeds")]


def Field(  # noqa: N802 - called as pydantic's
    default: Any = ...,
    *,
    title: str | None = None,
    description: str = "",
    ge: float | None = None,
    le: float | None = None,
    step: float | None = None,
    labels: Mapping[Any, str] | None = None,
    advanced: bool = False,
    kept: bool | None = None,
    suffixes: tuple[str, ...] = (),
    missing: str | None = None,
) -> Any:
    """Return a field of a task.

    Args:
        default: Its value where nothing is asked for; none for what must be given.
        title: What the page calls it; by default its name.
        description: One or two sentences, for the page, the API and the command line.
        ge: The least value.
        le: The most.
        step: Of a slider.
        labels: What the page calls each choice.
        advanced: Whether the page keeps it among the advanced controls.
        kept: Whether the record has it; by default all but pictures, of which it has a fingerprint.
        suffixes: Of the files that are taken, such as ".npy".
        missing: What to say where nothing is given.
    """
    extra = {"step": step, "labels": labels, "advanced": advanced, "kept": kept, "suffixes": suffixes}
    extra |= {"missing": missing}
    return pydantic.Field(default, title=title, description=description, ge=ge, le=le, json_schema_extra=extra)


def Model(default: str, task: str, **field: Any) -> Any:  # noqa: N802
    """Return a field for the name of weights.

    Args:
        default: The name of those that are taken where none are asked for.
        task: The registry's task that they are for.
        field: What else `Field` takes.
    """
    found = Field(default, **{"title": "Weights", "description": f"A name that /models lists for “{task}”."} | field)
    found.json_schema_extra["weights"] = task
    return found


def Seed(default: int = 0, **field: Any) -> Any:  # noqa: N802
    """Return a field for a seed: the same one gives the same result."""
    return Field(
        default,
        ge=0,
        le=MAX_SEED,
        **{"title": "Seed", "description": "The same seed gives the same result.", "advanced": True} | field,
    )


@dataclass(frozen=True)
class Output:
    """A part of a result.

    Attributes:
        kind: "image", a picture, H×W×3 or 4; "images", those that the steps have drawn; "archive", these as a ZIP
            file; "video", of the steps' frames; "plot", of the steps' losses; "figure", one for eyes alone; "file",
            bytes; "values", what JSON knows; "number"; "text".
        title: What the page calls it, and the API its return value.
        description: What it is, for the API.
        suffix: Of the file.
    """

    kind: Literal["image", "images", "archive", "video", "plot", "figure", "file", "values", "number", "text"]
    title: str
    description: str = ""
    suffix: str = ".png"


@dataclass(frozen=True)
class Parameter:
    """A field of a task as the page, the API and the command line see it.

    Attributes:
        name: Its name.
        type: Its Python type, without None.
        kind: What it is: "image", "mask", "file", "files", "video", "seeds", "model", "choice", "choices", "flag",
            "integer", "number", "text" or "values".
        choices: The values that there are, where they are few.
        optional: Whether None may be asked for.
        required: Whether it must be given.
        default: The default, if it isn't required.
        title: What the page calls it.
        description: What it says of itself.
        ge: The least value.
        le: The most.
        step: Of a slider.
        labels: What the page calls each choice.
        advanced: Whether it is for few.
        kept: Whether the record has it.
        suffixes: Of the files that it takes.
        missing: What to say where it isn't given.
        weights: For a model, the registry's task.
    """

    name: str
    type: Any
    kind: str
    choices: tuple
    optional: bool
    required: bool
    default: Any
    title: str
    description: str
    ge: float | None
    le: float | None
    step: float | None = None
    labels: Mapping[Any, str] | None = None
    advanced: bool = False
    kept: bool | None = None
    suffixes: tuple[str, ...] = ()
    missing: str | None = None
    weights: str | None = None

    @property
    def picture(self) -> bool:
        """Whether a picture is asked for."""
        return self.kind in ("image", "mask")

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of its values; files are the business of whoever takes them."""
        simple = {
            **{"flag": {"type": "boolean"}, "integer": {"type": "integer"}, "number": {"type": "number"}},
            **{
                "text": {"type": "string"},
                "seeds": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                "model": {"type": "string"},
            },
            **{"values": {"type": "object", "additionalProperties": {"type": "number"}}},
            **{"choices": {"type": "array", "items": {"type": "string"}}},
        }
        if self.kind == "choice":
            known = {str: "string", int: "integer", float: "number"}[type(self.choices[0])]
            found: dict[str, Any] = {"type": known, "enum": list(self.choices)}
        else:
            found = dict(simple[self.kind])
        bounds = {"minimum": self.ge, "maximum": self.le}
        found |= {name: bound for name, bound in bounds.items() if bound is not None}
        return {"anyOf": [found, {"type": "null"}]} if self.optional else found


class Task(BaseModel):
    """What a visitor can ask for. A subclass says:

    Attributes:
        name: What the record calls it; with `action`, where there are several of one name.
        action: See there.
        backend: "module:Class" of the backend that does it.
        returns: The parts of the result by name, the result itself first.
        generated: Whether a model draws all of the result, rather than altering a picture.
        frame_rate: Pictures a second of a video, where `fps` can't be asked for.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True, extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False
    )

    name: ClassVar[str]
    action: ClassVar[str | None] = None
    backend: ClassVar[str]
    returns: ClassVar[dict[str, Output]]
    generated: ClassVar[bool] = False
    frame_rate: ClassVar[float] = 8

    @classmethod
    def ask(cls, **values: Any) -> Self:
        """Return the task with these values.

        Raises:
            ValueError: Something is missing or out of its bounds; one sentence, for visitors, says what.
        """
        try:
            return cls(**values)
        except ValidationError as problem:
            raise ValueError(_sentence(cls, problem)) from None

    @classmethod
    def check(cls, **values: Any) -> None:
        """Do nothing if each of `values` by itself is one that can be asked for.

        Raises:
            ValueError: One isn't; one sentence, for visitors, says which and why.
        """
        for name, value in values.items():
            if name not in cls.model_fields:
                raise ValueError(_unknown(cls, name))
            try:
                _adapter(cls, name).validate_python(value)
            except ValidationError as problem:
                raise ValueError(_sentence(cls, problem, name)) from None

    @classmethod
    def endpoint(cls) -> str:
        """Return the name of the endpoint and of the MCP tool: that of the class, in lower case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """Return what can be asked for, by name, in the order of the API."""
        return _parameters(cls)

    @classmethod
    def documentation(cls, parameters: Mapping[str, Parameter] | None = None) -> str:
        """Return a docstring in Google's style, of which Gradio makes the documentation of an endpoint."""
        shown = cls.parameters() if parameters is None else parameters
        lines = [cls.__doc__ or "", "", "Args:"]
        lines += [f"    {name}: {one.description}{_bounds(one)}" for name, one in shown.items()]
        lines += ["", "Returns:", "    " + "; then ".join(_described(one) for one in cls.returns.values()) + "."]
        return "\n".join(lines)

    @classmethod
    def backend_class(cls) -> type:
        """Import and return the class of the backend, which brings PyTorch."""
        module, name = cls.backend.split(":")
        return getattr(import_module(module), name)

    def run(self, weights: str | None = None, device: str | None = None) -> Iterator[Step]:
        """Do what is asked; the last step carries the result.

        Args:
            weights: The file of a model that is in no registry, in place of the model asked for.
            device: "cuda", "mps" or "cpu"; None picks the best there is.

        Raises:
            ValueError: No such weights, or no such device; or what the backend says of what is asked.
        """
        backend = self.backend_class().cached(weights or getattr(self, "model", None), device)
        yield from backend.run(self)

    def record(self) -> dict[str, Any]:
        """Return what the result's record says of what was asked: arguments of `write_png`."""
        settings: dict[str, Any] = {"task": self.name}
        if self.action:
            settings["action"] = self.action
        for name, parameter in self.parameters().items():
            value = getattr(self, name)
            kept = not parameter.picture if parameter.kept is None else parameter.kept
            if kept:
                settings[name] = fingerprint(value) if isinstance(value, np.ndarray | Path) else value
        return settings


def restored(task: type[Task], record: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the values of `task` that the record of a result holds; None if it is not of this task.

    Values that the task can't have, as records may come from anywhere, are left out.
    """
    if not record or record["task"] != task.name or record["settings"].get("action") != task.action:
        return None
    asked = record["settings"] | {"model": record["weights"], "seed": record["seed"]}
    return {
        name: asked[name]
        for name, parameter in task.parameters().items()
        if name in asked and not parameter.picture and _fits(task, name, asked[name])
    }


def _fits(task: type[Task], name: str, value: Any) -> bool:
    try:
        task.check(**{name: value})
    except ValueError:
        return False
    return True


@cache
def _adapter(task: type[Task], name: str) -> pydantic.TypeAdapter:
    """Return what validates a field by itself."""
    config = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)
    return pydantic.TypeAdapter(task.model_fields[name].rebuild_annotation(), config=config)


@cache
def _parameters(task: type[Task]) -> dict[str, Parameter]:
    return {name: _parameter(name, field) for name, field in task.model_fields.items()}


def _parameter(name: str, field: FieldInfo) -> Parameter:
    annotation, optional, kinds = field.annotation, False, [one for one in field.metadata if isinstance(one, Kind)]
    if type(None) in get_args(annotation):
        optional = True
        annotation = next(one for one in get_args(annotation) if one is not type(None))
    if get_origin(annotation) is Annotated:
        kinds += [one for one in annotation.__metadata__ if isinstance(one, Kind)]
        annotation = annotation.__origin__
    bounds = {key: getattr(one, key) for one in field.metadata for key in ("ge", "le") if hasattr(one, key)}
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    choices = get_args(annotation) if get_origin(annotation) is Literal else ()
    return Parameter(
        name=name,
        type=annotation,
        kind=kinds[0].name if kinds else "model" if "weights" in extra else _kind(annotation),
        choices=choices,
        optional=optional,
        required=field.is_required(),
        default=None if field.is_required() else field.get_default(call_default_factory=True),
        title=field.title or name.replace("_", " ").capitalize(),
        description=field.description or "",
        ge=bounds.get("ge"),
        le=bounds.get("le"),
        **extra,
    )


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "choice"
    if get_origin(annotation) is dict:
        return "values"
    if get_origin(annotation) is list:
        return "choices"
    return {bool: "flag", int: "integer", float: "number", str: "text"}[annotation]


def _given(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and value == "")


def _bounds(parameter: Parameter) -> str:
    """Return what the documentation says of the values that there are."""
    if parameter.choices:
        return f" One of {', '.join(map(str, parameter.choices))}."
    if parameter.ge is not None and parameter.le is not None and parameter.le < MAX_SEED:
        return f" From {parameter.ge:g} to {parameter.le:g}."
    return ""


def _described(output: Output) -> str:
    return (output.description or output.title).rstrip(".")


def _unknown(task: type[Task], name: str) -> str:
    return f"There is no parameter “{name}”; there are {', '.join(task.parameters())}."


def _sentence(task: type[Task], problem: ValidationError, name: str | None = None) -> str:
    """Return what is wrong first with what was asked, for a visitor; `name` is that of the field, if it is of one."""
    first = problem.errors()[0]
    name = name or (str(first["loc"][0]) if first["loc"] else "")
    parameter = task.parameters().get(name)
    if parameter is not None and parameter.missing and (first["type"] == "missing" or not _given(first["input"])):
        return parameter.missing
    if first["type"] in ("value_error", "assertion_error"):
        return str(first["ctx"]["error"])
    if parameter is None:
        return _unknown(task, name)
    title = parameter.title
    if parameter.picture and first["type"] != "missing":
        return "Choose a picture first."
    given, context = first.get("input"), first.get("ctx", {})
    shown = f"“{given}”" if isinstance(given, str) else f"{given}"
    match first["type"]:
        case "missing":
            return f"{title} is missing."
        case "greater_than_equal":
            return f"{title} must be at least {context['ge']:g}, not {shown}."
        case "less_than_equal":
            return f"{title} must be at most {context['le']:g}, not {shown}."
        case "literal_error":
            return f"{title} must be one of {', '.join(map(str, parameter.choices))}, not {shown}."
        case "finite_number":
            return f"{title} must be a finite number."
    wanted = {
        **{"flag": "true or false", "integer": "a whole number", "number": "a number", "values": "numbers by name"},
        **{"choices": "a list of names"},
    }
    return f"{title} must be {wanted.get(parameter.kind, 'a text')}, not {shown[:60]}."


__all__ = [
    *("Field", "File", "Files", "Image", "Mask", "Model", "Output", "Parameter", "Seed", "Seeds", "Task", "Video"),
    "restored",
]
