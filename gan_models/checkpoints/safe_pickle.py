"""Read the networks in a pickle of NVIDIA's stylegan2-ada-pytorch or stylegan3, and run nothing that it holds.

A pickle is a program for a small stack machine; `pickletools` describes its instructions. The machine here knows
those that build text, numbers and containers. For the few functions that such files call by name it has inert ones
of its own (`ADMITTED`); any other name, and any other instruction, ends the reading. The source code that NVIDIA's
`torch_utils/persistence.py` (version 6) stores beside each object's attributes is text here like all other text.

No claim of the file is believed beyond the bytes that are there: lengths, storages, shapes and copies are bounded by
the file's size; instructions, names and settings by numbers that no such file comes near.
"""

import io
import math
import mmap
import pickletools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
import torch

from gan_models.checkpoints.errors import WeightsError

MAX_SIZE = 4_000_000_000  # bytes of a file; the largest of NVIDIA's has about a tenth
MAX_INSTRUCTIONS = 1_000_000  # a file has about 60,000, and each can take 200 bytes of memory
MAX_ENTRIES = 100_000  # modules, tensors and settings; a generator has about 300
MAX_DEPTH = 32  # of modules within modules, and of settings
MAX_TEXT = 1000  # characters of a name or a setting
COPIES = 4  # times its own size that a file may have copied

# The instructions that push what they hold themselves, and those that take all that lies above the last mark.
PUSHES = re.compile(
    "INT|BININT[12]?|LONG[14]?|(BIN)?FLOAT|(SHORT_)?BIN(STRING|UNICODE|BYTES)|STRING|UNICODE|BIN(UNICODE|BYTES)8|BYTEARRAY8"
)
TAKES_ITEMS = ("TUPLE", "LIST", "DICT", "APPENDS", "SETITEMS", "ADDITEMS")
EMPTY = {"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
LENGTHS = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # protocols 0 to 2 use the names of Python 2

# What precedes the numbers of a storage that `torch.save` wrote in its older format.
STORAGE_MAGIC, STORAGE_VERSION = 0x1950A86A20F9469CFC6C, 1001
NUMBERS = re.compile("b1|[iu][1248]|f[248]|c8|c16")  # numpy's codes of the types that are no references

# The constructor arguments that may come without a name.
POSITIONAL = {
    "Generator": (
        "z_dim",
        "c_dim",
        "w_dim",
        "img_resolution",
        "img_channels",
        "mapping_kwargs",
        "synthesis_kwargs",
    )
}


@dataclass(frozen=True)
class Record:
    """One network as it was saved.

    Attributes:
        class_name: The name of its class, such as "Generator".
        kwargs: What its constructor was given, by name, or by position ("0", "1", …) where the name isn't known:
            numbers, text, None, and lists and dicts of them.
        state_dict: Parameters and buffers by dotted name, on the CPU, in the precision in which they were stored.
    """

    class_name: str
    kwargs: dict[str, Any]
    state_dict: dict[str, torch.Tensor]


def read(path: str | Path) -> dict[str, Record]:
    """Return the networks in a pickle such as ffhq.pkl by name, such as "G", "D" and "G_ema".

    Args:
        path: A file that stylegan2-ada-pytorch or stylegan3 wrote, in any pickle protocol.

    Raises:
        WeightsError: There is no such file, it can't be read, it claims more than it holds, or it asks for anything
            but networks; the message names what.
    """
    path = Path(path)
    try:
        # Mapped, so that an instruction which claims to be longer than the file gets what is there and no more.
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if len(content) > MAX_SIZE:
                raise WeightsError(f"“{path.name}” is larger than {MAX_SIZE / 1e9:g} GB and is not read.")
            machine = _NetworkMachine(path.name, len(content))
            return machine.records(machine.run(content))
    except WeightsError:
        raise
    except FileNotFoundError:
        raise WeightsError(f"There is no file {path}.") from None
    except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError, OSError):
        raise WeightsError(f"“{path.name}” is damaged or not a pickle of StyleGAN networks.") from None


@dataclass(frozen=True)
class _Function:
    """Stands for a function or class of the file; called with the machine and the file's arguments."""

    stand_in: Callable[..., Any]


@dataclass(frozen=True)
class _Object:
    """One of NVIDIA's persistent objects: the name of its class, and what its `__dict__` was."""

    class_name: str
    state: dict[str, Any]


class _Machine:
    """Runs the instructions that build things; what their arguments may be is up to the subclasses.

    Args:
        name: The file's name, for messages.
        size: The file's size in bytes.
    """

    admitted: MappingProxyType[str, Any]

    def __init__(self, name: str, size: int):
        self.name, self.size, self.copied = name, size, 0

    def run(self, stream: BinaryIO | mmap.mmap) -> Any:
        """Return what the pickle at the stream's position builds, and leave the position after it."""
        stack: list[Any] = []
        below: list[list[Any]] = []
        memo: dict[int, Any] = {}
        for index, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
            if index > MAX_INSTRUCTIONS:
                raise self.excess()
            name, items = instruction.name, []
            if name in TAKES_ITEMS:
                items, stack = stack, below.pop()
            match name:
                case "STOP":
                    return stack.pop()
                case "PROTO" | "FRAME":
                    pass
                case "MARK":
                    below.append(stack)
                    stack = []
                case "NONE":
                    stack.append(None)
                case "NEWTRUE" | "NEWFALSE":
                    stack.append(name == "NEWTRUE")
                case _ if PUSHES.fullmatch(name):
                    stack.append(argument)
                case _ if name in EMPTY:
                    stack.append(EMPTY[name]())
                case _ if name in LENGTHS:
                    stack[-LENGTHS[name] :] = [tuple(stack[-LENGTHS[name] :])]
                case "TUPLE":
                    stack.append(tuple(items))
                case "LIST":
                    stack.append(items)
                case "DICT":
                    stack.append({})
                    _set_items(stack[-1], items)
                case "APPEND":
                    item = stack.pop()
                    _append(stack[-1], [item])
                case "APPENDS":
                    _append(stack[-1], items)
                case "SETITEM":
                    value, key = stack.pop(), stack.pop()
                    _set_items(stack[-1], [key, value])
                case "SETITEMS":
                    _set_items(stack[-1], items)
                case "ADDITEMS":
                    _add(stack[-1], items)
                case "MEMOIZE":
                    memo[len(memo)] = stack[-1]
                case "PUT" | "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "GET" | "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "GLOBAL":
                    stack.append(self.find(*argument.split(" ", 1)))
                case "STACK_GLOBAL":
                    attribute, module = stack.pop(), stack.pop()
                    stack.append(self.find(module, attribute))
                case "REDUCE" | "NEWOBJ":
                    arguments, function = stack.pop(), stack.pop()
                    if not isinstance(function, _Function) or type(arguments) is not tuple:
                        raise TypeError("Something that is no function is called.")
                    stack.append(function.stand_in(self, *arguments))
                case "BUILD":
                    state = stack.pop()
                    self.build(stack[-1], state)
                case "BINPERSID":
                    stack.append(self.storage(stack.pop()))
                case _:
                    if name == "INST":
                        self.find(*argument.split(" ", 1))  # to say what would have been made
                    raise self.refusal(f"the pickle instruction {name}")

    def find(self, module: str, attribute: str) -> Any:
        """Return what stands for a global of the file."""
        if type(module) is not str or type(attribute) is not str:
            raise TypeError("A global is named by text.")
        path = f"{RENAMED.get(module, module)}.{attribute}"
        if path.startswith("dnnlib.tflib."):
            raise WeightsError(
                f"“{self.name}” was written by a TensorFlow version of StyleGAN (it asks for {_shown(path)}), "
                "which can't be read; take a file of a PyTorch version."
            )
        if path not in self.admitted:
            raise self.refusal(path)
        return self.admitted[path]

    def build(self, target: Any, state: Any) -> None:
        """Take the attributes of an object: containers have none."""
        raise self.refusal("the pickle instruction BUILD")

    def storage(self, identity: Any) -> Any:
        """Take a reference to something outside the pickle."""
        raise self.refusal("the pickle instruction BINPERSID")

    def copies(self, count: int) -> None:
        """Count bytes that are copied, as one instruction can ask for a copy of what another one brought."""
        self.copied += count
        if self.copied > COPIES * self.size:
            raise self.excess()

    def refusal(self, what: str) -> WeightsError:
        """Return what to raise when the file asks for `what`."""
        return WeightsError(f"“{self.name}” asks for {_shown(what)}, which is never run.")

    def excess(self) -> WeightsError:
        """Return what to raise when the file would take more memory than it has bytes."""
        return WeightsError(f"“{self.name}” claims more than it holds.")


class _StorageMachine(_Machine):
    """Reads what `torch.save` wrote of one storage, before the numbers themselves."""

    admitted = MappingProxyType(
        {
            "torch.DoubleStorage": torch.float64,
            "torch.FloatStorage": torch.float32,
            "torch.HalfStorage": torch.float16,
            "torch.BFloat16Storage": torch.bfloat16,
            "torch.LongStorage": torch.int64,
            "torch.IntStorage": torch.int32,
            "torch.ShortStorage": torch.int16,
            "torch.CharStorage": torch.int8,
            "torch.ByteStorage": torch.uint8,
            "torch.BoolStorage": torch.bool,
        }
    )

    def storage(self, identity: Any) -> tuple[torch.dtype, str, int]:
        """Take ("storage", class, key, device, count, view): the device is of no matter, all is read to the CPU."""
        kind, dtype, key, _, count, view = identity
        if kind != "storage" or not isinstance(dtype, torch.dtype) or type(key) is not str or view is not None:
            raise ValueError("This is no reference to a storage.")
        return dtype, key, count


class _NetworkMachine(_Machine):
    """Reads the pickle itself."""

    def __init__(self, name: str, size: int):
        super().__init__(name, size)
        self.entries = 0

    def build(self, target: Any, state: Any) -> None:
        """Give an array its numbers; a number type its byte order; mappings have nothing but items."""
        if isinstance(target, np.ndarray):
            _, shape, dtype, fortran, raw = state
            _check_numbers(raw, dtype, shape)
            self.copies(len(raw))
            target.__setstate__((1, shape, dtype, bool(fortran), raw))
        elif isinstance(target, np.dtype):
            if state[1] not in ("<", "|"):
                raise self.refusal("numbers in another byte order")
        elif type(target) is not dict or type(state) is not dict or state:
            super().build(target, state)

    def records(self, content: Any) -> dict[str, Record]:
        """Return the networks among the entries of the whole."""
        content = content if type(content) is dict else {}
        networks = {name: entry for name, entry in content.items() if isinstance(entry, _Object)}
        if not networks:
            raise WeightsError(f"“{self.name}” holds no networks.")
        for name, network in networks.items():
            self.count(name)
            self.count(network.class_name)
        return {name: self.record(network) for name, network in networks.items()}

    def record(self, network: _Object) -> Record:
        """Return a network's settings and tensors."""
        state = dict(self.tensors(network))
        if sum(tensor.nbytes for tensor in state.values()) > self.size:  # many that share one storage
            raise self.excess()
        given, named = _member(network, "_init_args", tuple), _member(network, "_init_kwargs", dict)
        names = POSITIONAL.get(network.class_name, ())
        kwargs = {names[i] if i < len(names) else str(i): value for i, value in enumerate(given)} | named
        return Record(network.class_name, self.plain(kwargs), state)

    def tensors(self, module: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield the parameters and buffers of a module and of those in it, as its own `state_dict` would."""
        if not isinstance(module, _Object) or depth > MAX_DEPTH:
            raise ValueError("This is no module.")
        passing = _member(module, "_non_persistent_buffers_set", set)
        for group, left_out in (("_parameters", ()), ("_buffers", passing)):
            for name, tensor in _member(module, group, dict).items():
                self.count(prefix + name)
                if tensor is None or name in left_out:
                    continue
                if not isinstance(tensor, torch.Tensor):
                    raise ValueError("This is no tensor.")
                yield prefix + name, tensor
        for name, child in _member(module, "_modules", dict).items():
            self.count(prefix + name)
            if child is not None:
                yield from self.tensors(child, f"{prefix}{name}.", depth + 1)

    def plain(self, value: Any, depth: int = 0) -> Any:
        """Return a copy of settings, of which nothing is shared."""
        self.count(value if type(value) is str else "")
        if depth > MAX_DEPTH:
            raise self.excess()
        match value:
            case dict():
                return {self.plain(key): self.plain(entry, depth + 1) for key, entry in value.items()}
            case list() | tuple():
                return [self.plain(entry, depth + 1) for entry in value]
            case int() if abs(value) >= 2**63:
                raise self.excess()
            case None | bool() | int() | float() | str():
                return value
        raise WeightsError(f"“{self.name}” has settings that are neither numbers nor text.")

    def count(self, text: str) -> None:
        """Count one thing more, as a file can name the same one again and again within others."""
        self.entries += 1
        if self.entries > MAX_ENTRIES or len(text) > MAX_TEXT:
            raise self.excess()


# --- What stands for the functions of the file; `machine` is the one that calls


def _mapping(machine: _NetworkMachine) -> dict:
    return {}


def _rebuilt_mapping(machine: _NetworkMachine, kind: Any, base: Any, items: dict) -> dict:
    """What protocols 0 and 1 make an EasyDict with."""
    if kind is not EASY_DICT or base is not dict or type(items) is not dict:
        raise machine.refusal("copyreg._reconstructor")
    return items


def _set(machine: _NetworkMachine, items: list) -> set[str]:
    machine.copies(8 * len(items))
    texts: set[str] = set()
    _add(texts, items)
    return texts


def _encoded(machine: _NetworkMachine, text: str, encoding: str) -> bytes:
    """What protocols 0 to 2 make bytes with."""
    if type(text) is not str or encoding != "latin1":
        raise machine.refusal("_codecs.encode")
    machine.copies(len(text))
    return text.encode(encoding)


def _dtype(machine: _NetworkMachine, code: str, *_: bool) -> np.dtype:
    if not NUMBERS.fullmatch(code):
        raise machine.refusal(f"numpy.dtype {code}")
    return np.dtype(f"<{code}")


def _scalar(machine: _NetworkMachine, dtype: np.dtype, raw: bytes) -> bool | int | float | complex:
    _check_numbers(raw, dtype, ())
    return np.frombuffer(raw, dtype)[0].item()


def _array(machine: _NetworkMachine, kind: Any, *_: Any) -> np.ndarray:
    """An array that BUILD is about to fill."""
    if kind is not np.ndarray:
        raise machine.refusal("numpy.core.multiarray._reconstruct")
    return np.empty(0)


def _viewed_array(machine: _NetworkMachine, raw: bytes, dtype: np.dtype, shape: tuple, order: str) -> np.ndarray:
    """What protocol 5 makes an array with."""
    _check_numbers(raw, dtype, shape)
    return np.frombuffer(raw, dtype).reshape(shape, order=order)


def _storage(machine: _NetworkMachine, blob: bytes) -> torch.Tensor:
    """Return the numbers of a storage: five pickles, how many there are, and the numbers.

    `torch.load` would do, but takes memory for whatever count the storage claims, before or without reading it.
    """
    machine.copies(len(blob))
    stream, inner = io.BytesIO(blob), _StorageMachine(machine.name, len(blob))
    magic, version, system, (dtype, key, count), keys = (inner.run(stream) for _ in range(5))
    head = (magic, version, system["little_endian"], keys)
    rest = memoryview(blob)[stream.tell() :]
    if head != (STORAGE_MAGIC, STORAGE_VERSION, True, [key]) or int.from_bytes(rest[:8], "little") != count:
        raise ValueError("This is no storage.")
    if count * dtype.itemsize != len(rest) - 8:
        raise machine.excess()
    return torch.frombuffer(bytearray(rest[8:]), dtype=dtype) if count else torch.empty(0, dtype=dtype)


def _tensor(
    machine: _NetworkMachine, storage: torch.Tensor, offset: int, size: tuple, stride: tuple, *_: Any
) -> torch.Tensor:
    _check_counts(offset, *size, *stride)
    if not isinstance(storage, torch.Tensor):
        raise ValueError("This is no storage.")
    if math.prod(size) > storage.numel():  # a stride of 0 repeats one number for ever
        raise machine.excess()
    return torch.as_strided(storage, size, stride, offset)


def _parameter(machine: _NetworkMachine, tensor: torch.Tensor, *_: Any) -> torch.Tensor:
    return tensor


def _shape(machine: _NetworkMachine, sizes: tuple) -> tuple:
    return sizes


def _device(machine: _NetworkMachine, kind: str, *_: int) -> str:
    return kind


def _object(machine: _NetworkMachine, meta: dict[str, Any]) -> _Object:
    class_name, state = meta["class_name"], meta["state"]
    if meta["type"] != "class" or not str.isidentifier(class_name) or type(state) is not dict:
        raise ValueError("This is no persistent object.")
    return _Object(class_name, state)


EASY_DICT = _Function(_mapping)

ADMITTED = {
    "builtins.dict": dict,  # never called, like all that is no _Function
    "builtins.set": _Function(_set),
    "collections.OrderedDict": _Function(_mapping),
    "copyreg._reconstructor": _Function(_rebuilt_mapping),
    "_codecs.encode": _Function(_encoded),
    "dnnlib.util.EasyDict": EASY_DICT,
    "torch_utils.persistence._reconstruct_persistent_obj": _Function(_object),
    "torch._utils._rebuild_tensor_v2": _Function(_tensor),
    "torch._utils._rebuild_parameter": _Function(_parameter),
    "torch.storage._load_from_bytes": _Function(_storage),
    "torch.Size": _Function(_shape),
    "torch.device": _Function(_device),
    **{str(dtype): dtype for dtype in _StorageMachine.admitted.values()},
    "numpy.dtype": _Function(_dtype),
    "numpy.ndarray": np.ndarray,
    **{f"numpy.{core}.multiarray.scalar": _Function(_scalar) for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray._reconstruct": _Function(_array) for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _Function(_viewed_array) for core in ("core", "_core")},
}
_NetworkMachine.admitted = MappingProxyType(ADMITTED)


# --- Checks


def _member(module: _Object, name: str, kind: type) -> Any:
    """Return an attribute of a module, or an empty one."""
    value = module.state.get(name, kind())
    if type(value) is not kind:
        raise TypeError("This is no attribute of a module.")
    return value


def _append(target: Any, items: list) -> None:
    if type(target) is not list:
        raise TypeError("Only lists are appended to.")
    target.extend(items)


def _set_items(target: Any, items: list) -> None:
    """Set alternating keys and values. Keys of text alone cannot be chosen to collide, nor nest without end."""
    keys, values = items[::2], items[1::2]
    if type(target) is not dict or not all(type(key) is str for key in keys):
        raise TypeError("Only mappings from text have items.")
    target.update(zip(keys, values, strict=True))


def _add(target: Any, items: list) -> None:
    if type(target) is not set or not all(type(item) is str for item in items):
        raise TypeError("Only sets of text are added to.")
    target.update(items)


def _check_counts(*counts: Any) -> None:
    if len(counts) > 64 or not all(type(count) is int and 0 <= count < 2**63 for count in counts):
        raise ValueError("These are no sizes.")


def _check_numbers(raw: Any, dtype: Any, shape: tuple) -> None:
    _check_counts(*shape)
    if not isinstance(raw, bytes | bytearray) or not isinstance(dtype, np.dtype):
        raise TypeError("This is no array of numbers.")
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise ValueError("An array is as large as its numbers.")


def _shown(text: str) -> str:
    """Return a name that a file chose, fit for a message."""
    return re.sub(r"[^\w .<>]", "?", text)[:100]
