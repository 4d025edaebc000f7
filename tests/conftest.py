"""Serve the app as a visitor gets it, offline, once for all tests that call it from outside."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a core; to be said before PyTorch is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what drives the page, and leave out what is slow unless it is asked for."""
    for item in items:
        if ROOT / "tests" / "browser" in item.path.parents:
            item.add_marker("browser")
    if "slow" not in config.option.markexpr:
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@dataclass(frozen=True)
class App:
    url: str
    pid: int
    log: Path
    root: Path = ROOT


@pytest.fixture(scope="session")
def app(tmp_path_factory):
    """Yield a fresh, offline app with an empty Hub cache: its address, process and log."""
    with served([sys.executable, "app.py", "--mcp"], ROOT, tmp_path_factory.mktemp("app")) as app:
        yield app


@contextmanager
def served(command: list[str | Path], cwd: Path, folder: Path) -> Iterator[App]:
    """Serve the page by `command`, offline, until the block is left; `folder` takes its caches, files and log."""
    environment = {
        **os.environ,
        "HF_HOME": str(folder / "hub"),
        "GRADIO_TEMP_DIR": str(folder / "files"),
        "GAN_ATELIER_MAX_RESULT_MEGAPIXELS": "20",
        "PYTHONUNBUFFERED": "1",
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*command, "--offline", "--port", str(port)]
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield App(_wait_for_address(folder / "log", process), process.pid, folder / "log")
        finally:
            process.terminate()
            process.wait(20)
    surprises = re.findall(r"^\w+ failed$", (folder / "log").read_text(), re.MULTILINE)
    assert surprises == [], (folder / "log").read_text()


def _wait_for_address(log: Path, process: subprocess.Popen) -> str:
    """Return the address once Gradio has also tried it, for which it gives a busy server only three seconds."""
    for _ in range(600):
        found = re.search(r"Running on local URL:\s+(http://\S+)(?s:.*)To create a public link", log.read_text())
        if found:
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    pytest.fail(log.read_text())
