"""From a model's name to its network: read without running anything, fitted strictly, probed for finite output."""

import io
import pickle
import pickletools
import re
import tarfile
import textwrap
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from gan_models.checkpoints import hub, registry, safe_pickle
from gan_models.checkpoints.errors import WeightsError
from gan_models.checkpoints.registry import Model
from gan_models.device import pick_device
from gan_models.jobs import check_wanted

EXPANDED = 20  # times its size that an archive may unpack to
_probed: set[tuple] = set()  # signatures of the downloads that gave finite output


def load(name: str, device: str | None = None) -> nn.Module | np.ndarray | Path:
    """Do what `gan_models.checkpoints.load` says."""
    target = pick_device(device)
    model = registry.get(name)
    file = hub.fetch(model, lambda done, total: check_wanted())
    new = not model.embedded and hub.signature(file) not in _probed
    loaded = _usable(model, file, probe=new)
    if new:
        _probed.add(hub.signature(file))
    return loaded.to(target) if isinstance(loaded, nn.Module) else loaded


def verify(model: Model) -> None:
    """Check everything that can be checked of the local file of `model`: hash, strict fit, finite output.

    Raises:
        WeightsError: The file is not here, or something is wrong with it; a wrong download is moved aside.
    """
    _usable(model, hub.verified(model), probe=True)


def read_metadata(path: Path) -> dict[str, str]:
    """Return what the header of a safetensors file says besides its tensors.

    Raises:
        WeightsError: There is no such file, or it can't be read.
    """
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError):
        raise WeightsError(f"“{path.name}” is damaged or not a safetensors file.") from None


def load_state_dict_file(path: Path, format: str, unwrap: Sequence[str] = ()) -> dict[str, Any]:
    """Return the state dict in a file without running anything that the file holds.

    Args:
        path: The file.
        format: "safetensors", "state-dict" for what `torch.save` wrote, or "archive" for a tar file of such files, of
            which the content of each is returned by its path in the archive.
        unwrap: Keys under which the state dict may lie; the first that is there counts.

    Returns:
        Tensors by name, on the CPU, as they were stored. Other values are kept too, for converters.

    Raises:
        WeightsError: There is no such file, it can't be read, or it asks for code to be run.
    """
    try:
        if format == "safetensors":
            return load_file(path)
        if format == "archive":
            return _read_archive(path)
        with path.open("rb") as file:  # opened here, since torch.load would go by the name's ending
            content = torch.load(file, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except FileNotFoundError:
        raise WeightsError(f"There is no file {path}.") from None
    except pickle.UnpicklingError as problem:
        if asked := re.findall(r"GLOBAL ([\w.]+)", str(problem)) or _globals(path):
            raise WeightsError(f"“{path.name}” asks for {', '.join(asked)}, which is never run.") from None
        raise WeightsError(f"“{path.name}” is not a readable PyTorch file of tensors alone.") from None
    except (SafetensorError, tarfile.TarError, zlib.error, RuntimeError, ValueError, LookupError, EOFError, OSError):
        raise WeightsError(f"“{path.name}” is damaged or no {format} file.") from None
    for key in unwrap:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            return dict(content[key])
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        raise WeightsError(f"“{path.name}” holds no state dict.")
    return dict(content)


def _read_archive(path: Path) -> dict[str, Any]:
    """Return what the files that `torch.save` wrote hold in a tar archive; nothing is written to the disk.

    Raises:
        WeightsError: It would hold more than its size allows for.
    """
    files, left = {}, EXPANDED * path.stat().st_size
    with tarfile.open(path) as archive:
        for member in archive:
            left -= member.size
            if left < 0:
                raise WeightsError(f"“{path.name}” would unpack to more than {EXPANDED} times its size.")
            if member.isfile() and member.name.endswith((".pt", ".pth")):
                content = io.BytesIO(archive.extractfile(member).read())
                files[member.name] = torch.load(content, map_location="cpu", weights_only=True)
    return files


def load_record(path: Path, unwrap: Sequence[str] = ()) -> safe_pickle.Record:
    """Return one network of a pickle of NVIDIA's: the first of `unwrap`, by default "G_ema", that is there.

    Raises:
        WeightsError: None of them is there, or the file can't be read safely.
    """
    records, wanted = safe_pickle.read(path), unwrap or ("G_ema",)
    for name in wanted:
        if name in records:
            return records[name]
    there = textwrap.shorten(", ".join(records), 100, placeholder=" …")
    raise WeightsError(f"“{path.name}” holds no {' or '.join(wanted)}, but {there}.")


def converted(convert: Callable[[Any], Any], content: Any) -> Any:
    """Return what `convert` makes of a file's content.

    Raises:
        WeightsError: It stumbles over what it finds.
    """
    try:
        return convert(content)
    except WeightsError:
        raise
    except KeyError as problem:
        raise WeightsError(f"the parameter {problem} is missing.") from None
    except (TypeError, ValueError, LookupError, ArithmeticError, RuntimeError):
        raise WeightsError("its parameters are not those of the layout that it is converted from.") from None


def _globals(path: Path) -> list[str]:
    """Return what a bare pickle would import, by reading its instructions and following none of them."""
    strings: list[str] = []
    found: list[str] = []
    with path.open("rb") as file, suppress(ValueError):
        for instruction, argument, _ in pickletools.genops(file):
            if instruction.name == "GLOBAL":
                found.append(argument.replace(" ", "."))
            elif instruction.name == "STACK_GLOBAL":
                found.append(".".join(strings[-2:]))
            elif isinstance(argument, str):
                strings.append(argument)
    return found


def _usable(model: Model, file: Path, *, probe: bool) -> nn.Module | np.ndarray | Path:
    """Load `file`, and move a download that turns out to be of no use aside."""
    try:
        loaded = _read(model, file)
        if probe:
            _check_finite(loaded)
    except WeightsError as problem:
        raise hub.rejected(model, file, str(problem).rstrip(".")) from None
    return loaded


def _read(model: Model, file: Path) -> nn.Module | np.ndarray | Path:
    if model.format == "onnx":
        return file
    if model.format == "npy":
        return _read_array(file)
    if model.format == "nvidia-pickle":
        network = _from_record(model, load_record(file, model.unwrap))
    else:
        network = _constructed(model)
        state = load_state_dict_file(file, model.format, model.unwrap)
        _fit(network, state, _named(model, "convert"))
    return network.eval().requires_grad_(False)


def _named(model: Model, key: str) -> Any:
    """Return the class or the function that the registry names by `key`; None if it names none.

    Raises:
        ValueError: There is no such thing.
    """
    try:
        return resolve_name(getattr(model, key)) if getattr(model, key) else None
    except (ImportError, AttributeError) as problem:
        raise registry.mistaken(model.name, f"has a {key} that can't be imported: {problem}") from None


def _constructed(model: Model) -> nn.Module:
    """Return the network that the registry describes, with new weights.

    Raises:
        ValueError: It takes no such config.
    """
    network = _named(model, "network")
    try:
        return network(**model.config)
    except TypeError as problem:
        raise registry.mistaken(model.name, f"has a config that its network can't take: {problem}") from problem


def _from_record(model: Model, record: safe_pickle.Record) -> nn.Module:
    """Build the network that a record describes; arguments in the registry count more than the record's own."""
    kind, convert = _named(model, "network"), _named(model, "convert")
    config, state = converted(convert, record) if convert else ({}, record.state_dict)
    try:
        with torch.device("meta"):  # sizes that a file claims take no memory before they are known to fit its tensors
            network = kind(**config | model.config)
    except (TypeError, ValueError, ArithmeticError, RuntimeError):
        raise WeightsError(f"its settings describe no {kind.__name__}.") from None
    _fit(network, state, assign=True)
    return network.float()


def _read_array(file: Path) -> np.ndarray:
    try:
        return np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError):
        raise WeightsError(f"“{file.name}” is damaged or not a plain array.") from None


def _fit(
    network: nn.Module,
    state: dict[str, Any],
    convert: Callable[[Any], Any] | None = None,
    *,
    assign: bool = False,
) -> None:
    """Load `state` into `network` strictly: copied, so that half precision becomes the network's own, or assigned."""
    state = converted(convert, state) if convert else state
    try:
        network.load_state_dict(state, strict=True, assign=assign)
    except RuntimeError as problem:
        details = textwrap.shorten(str(problem).partition("\n")[2] or str(problem), 200, placeholder=" …")
        raise WeightsError(f"they do not fit the network, {details}") from None


@torch.no_grad()
def _check_finite(loaded: nn.Module | np.ndarray | Path) -> None:
    """Run the network's own `probe` if it has one, else look at the numbers themselves."""
    if isinstance(loaded, Path):
        return
    if isinstance(loaded, np.ndarray):
        tensors = [torch.from_numpy(loaded)]
    elif hasattr(loaded, "probe"):
        tensors = [loaded.probe()]
    else:
        tensors = list(loaded.state_dict().values())
    if not all(tensor.isfinite().all() for tensor in tensors):
        raise WeightsError("they give numbers that are not finite.")
