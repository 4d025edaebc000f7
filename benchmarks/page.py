"""What the page costs: `python -m benchmarks.page [--root CHECKOUT]`.

Seconds from the start of the process to the first page, beside those of `import gradio` alone, warm; bytes of that
page; and what a visitor who opens it and asks one small thing adds to the memory of the server.
"""

import argparse
import gzip
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import httpx

VISITORS, WARMING = 40, 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="the checkout to measure")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    imports, pages = [], []
    for _ in range(options.runs + 1):  # the first one warms the disk
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import gradio"], check=True)
        imports.append(time.perf_counter() - started)
        with Served(options.root) as server:
            pages.append(server.seconds)
            page = server.page
    print(f"import gradio      {statistics.median(imports[1:]):.2f} s")
    print(f"first page         {statistics.median(pages[1:]):.2f} s")
    print(f"page               {len(page) / 1e6:.2f} MB, {len(gzip.compress(page)) / 1e6:.2f} MB compressed")
    with Served(options.root) as server:
        for _ in range(WARMING):
            server.visit()
        before, started = server.memory(), time.perf_counter()
        for _ in range(VISITORS):
            server.visit()
        seconds, grown = time.perf_counter() - started, server.memory() - before
    print(f"a visitor          {grown / VISITORS / 1e6:.2f} MB of memory, {seconds / VISITORS:.2f} s")


class Served:
    """The app of a checkout, served offline while the block lasts."""

    def __init__(self, root: Path):
        self.root = root

    def __enter__(self) -> "Served":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        started = time.perf_counter()
        command = [sys.executable, "app.py", "--offline", "--port", self.url.rpartition(":")[2]]
        self.process = subprocess.Popen(command, cwd=self.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                self.page = urllib.request.urlopen(self.url, timeout=30).read()
                break
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(f"The app of {self.root} does not start.") from None
                time.sleep(0.02)
        self.seconds = time.perf_counter() - started
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def visit(self) -> None:
        """Open the page as a new visitor, and ask for the models there are."""
        with httpx.Client(base_url=self.url, timeout=30) as visitor:
            visitor.get("/").raise_for_status()
            config = visitor.get("/config").json()
            (models,) = [one["id"] for one in config["dependencies"] if one["api_name"] in ("models", "list_models")]
            asked = {"data": ["dehazing"], "fn_index": models, "session_hash": f"{time.time_ns():x}"}
            visitor.post("/gradio_api/run/predict", json=asked).raise_for_status()

    def memory(self) -> int:
        """Return the bytes of memory that the server holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(status.partition("VmRSS:")[2].split()[0])


if __name__ == "__main__":
    main()
