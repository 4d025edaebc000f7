"""What the benchmarks share: a restoration as a function, time and memory in a process of its own, and tables.

Memory is read from `/proc`: Linux only.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np

from gan_models.restoration import Restoration

COSTS = [
    "Input",
    "Method",
    "Seconds",
    "Input megapixels/s",
    "Speed (first = 1)",
    "Peak memory (MiB)",
    "Memory (first = 1)",
]


class Cost(NamedTuple):
    """What working on one picture takes: the time, and the resident memory above that of the idle process."""

    seconds: float
    mebibytes: float


def restorer(
    task: type[Restoration], model: str | None = None, device: str | None = "cpu", **values: object
) -> Callable[[np.ndarray], np.ndarray]:
    """Return `task` as a function of the picture alone, H×W×3 uint8, with its weights loaded.

    Args:
        task: What is done.
        model: By which weights; None for the default.
        device: Where they are; None picks the best there is.
        values: Of its other parameters.
    """
    model = model or task.parameters()["model"].default
    backend = task.backend_class().load(model, device)
    return lambda picture: backend(task.ask(image=picture, model=model, **values))


def in_own_process(function: Callable, *arguments: object) -> Cost:
    """Call `function` in a fresh process and return its result."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def cost(load: Callable[[], Callable[[np.ndarray], np.ndarray]], size: tuple[int, int], repeats: int) -> Cost:
    """Measure what `load` returns on a width×height picture in this process, after a small picture to warm up."""
    work = load()
    width, height = size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    idle = resident_mebibytes("VmRSS")
    work(picture[:64, :64].copy())
    seconds = []
    for _ in range(repeats):
        start = perf_counter()
        work(picture)
        seconds.append(perf_counter() - start)
    return Cost(min(seconds), resident_mebibytes("VmHWM") - idle)


def resident_mebibytes(field: str) -> float:
    """Return this process's resident memory in MiB: "VmRSS" for now, "VmHWM" for the peak so far."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


def cost_cells(size: tuple[int, int], name: str, found: Cost, first: Cost) -> list[str]:
    """Return a row of a table of costs, those of `first` being the unit."""
    width, height = size
    return [
        f"{width}×{height}",
        name,
        f"{found.seconds:.2f}",
        f"{width * height / 1e6 / found.seconds:.3f}",
        f"{first.seconds / found.seconds:.2f}",
        f"{found.mebibytes:.0f}",
        f"{found.mebibytes / first.mebibytes:.2f}",
    ]


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
