"""Where models run: device and precision, one lock per device, memory, random numbers, the cache of models."""

from __future__ import annotations

import gc
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_models import settings

if TYPE_CHECKING:
    import torch


SHORT_OF_MEMORY = "The memory of this device is too short for this picture; try again later."


class OutOfMemory(ValueError):
    """The device has too little memory even for the smallest unit of work; the message is for the visitor."""


def pick_device(device: str | None = None) -> torch.device:
    """Return the device asked for, here or in `GAN_ATELIER_DEVICE`; else CUDA, then MPS, then the CPU.

    Raises:
        ValueError: The device asked for is unknown or not there.
    """
    import torch

    asked = device or settings.device()
    if asked is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    kind, _, index = asked.partition(":")
    if not there.get(kind, False) or not (index or "0").isdecimal():
        raise ValueError(f"There is no device “{asked}” here; choose among cuda, mps and cpu.")
    return torch.device(asked)


def device_name(device: torch.device) -> str:
    """Return what a visitor would call the device: a graphics card's name, or "CPU, 2 threads"."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return "CPU, 1 thread" if threads == 1 else f"CPU, {threads} threads"


def mixed_precision(device: torch.device, bfloat16: bool = False) -> AbstractContextManager:
    """Return a context that computes in half precision where that is faster, and changes nothing elsewhere.

    Args:
        device: On CUDA convolutions are computed in float16.
        bfloat16: Whether the network bears 8 bits of precision too: then a CPU that has bfloat16 uses it.
    """
    import torch

    if device.type == "cuda":
        return torch.autocast("cuda", torch.float16)
    if device.type == "cpu" and bfloat16 and cpu_has_bfloat16():
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()


def training_precision(device: torch.device) -> AbstractContextManager:
    """Return a context in which networks are trained in bfloat16 where the device computes it itself.

    Weights may change inside: no copy of them in half precision is kept from one pass to the next.
    """
    import torch

    if device.type == "cuda" or (device.type == "cpu" and cpu_has_bfloat16()):
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)
    return nullcontext()


@cache
def cpu_has_bfloat16() -> bool:
    """Say whether the processor computes bfloat16 itself; emulated it would be slow. Known on Linux alone."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


_locks: dict[str, threading.Lock] = {}
_locks_guard = threading.Lock()


def device_lock(device: torch.device) -> threading.Lock:
    """Return the one lock of `device`. Hold it while the device computes, never across a yield."""
    with _locks_guard:
        return _locks.setdefault(f"{device.type}:{device.index or 0}", threading.Lock())


@contextmanager
def out_of_memory_as(error: type[Exception] | Exception) -> Iterator[None]:
    """Turn PyTorch's out-of-memory errors, which differ by device, into `error`."""
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError):
        raise error from None
    except RuntimeError as problem:
        text = str(problem)
        if "can't allocate memory" in text or "not enough memory" in text or "out of memory" in text:
            raise error from None
        raise


@contextmanager
def computing(device: torch.device, short_of_memory: str, threads: int | None = None) -> Iterator[None]:
    """Hold the lock of `device`; where its memory is too short, raise `OutOfMemory` with the sentence given.

    `threads` is how many a CPU uses meanwhile, by default as many as usual: small networks are no slower on one, and
    on a busy machine much faster, as no thread waits for another.
    """
    import torch

    with device_lock(device), out_of_memory_as(OutOfMemory(short_of_memory)):
        usual = torch.get_num_threads()
        torch.set_num_threads(threads or usual)
        try:
            yield
        finally:
            torch.set_num_threads(usual)


_drawing = threading.Lock()


class RandomStream:
    """Torch's random numbers from a seed on, among which those of other streams leave no trace.

    Args:
        seed: Where the stream begins.
        device: A CUDA device has a generator of its own, which belongs to the stream too.
    """

    def __init__(self, seed: int, device: torch.device | None = None):
        import torch

        self.cuda = [device] if device is not None and device.type == "cuda" else []
        with _drawing, torch.random.fork_rng(self.cuda):
            torch.manual_seed(seed)
            self._keep()

    @contextmanager
    def drawn_from(self) -> Iterator[None]:
        """Let torch draw from this stream inside the `with` block, where it left off; other streams wait."""
        import torch

        with _drawing, torch.random.fork_rng(self.cuda):
            torch.set_rng_state(self.state)
            for device, state in zip(self.cuda, self.cuda_states, strict=True):
                torch.cuda.set_rng_state(state, device)
            yield
            self._keep()

    def _keep(self) -> None:
        import torch

        self.state = torch.get_rng_state()
        self.cuda_states = [torch.cuda.get_rng_state(device) for device in self.cuda]


def free_memory() -> None:
    """Give cached device memory back, so that the next attempt finds as much as there is."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class ModelCache:
    """Loaded backends or networks by key: each is loaded once, and the longest unused leave past the budget.

    Args:
        budget: Bytes that the weights of all backends may take together. The newest always stays.
    """

    def __init__(self, budget: Callable[[], int]):
        self.budget = budget
        self._entries: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._loading: dict[Any, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, key: Any, load: Callable[[], Any]) -> Any:
        """Return the backend of `key`, calling `load` if it is not here; others wait for the same load."""
        with self._guard:
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:
            with self._guard:
                if key in self._entries:
                    self._entries.move_to_end(key)
                    return self._entries[key][0]
            backend = load()
            with self._guard:
                self._entries[key] = (backend, _weight_bytes(backend))
                self._evict()
            return backend

    def clear(self) -> None:
        """Forget every backend."""
        with self._guard:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def _evict(self) -> None:
        while len(self._entries) > 1 and sum(size for _, size in self._entries.values()) > self.budget():
            self._entries.popitem(last=False)


def _weight_bytes(backend: Any) -> int:
    import torch

    parts = [backend, *vars(backend).values()]
    networks = [part for part in parts if isinstance(part, torch.nn.Module)]
    return sum(tensor.nbytes for network in networks for tensor in network.state_dict().values())


def _memory_budget() -> int:
    """Return a quarter of the device's memory in bytes, for the weights of all loaded models."""
    import torch

    device = pick_device()
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory // 4
    if not hasattr(os, "sysconf"):  # Windows
        return 4 * 10**9
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


models = ModelCache(_memory_budget)
