"""The arrows between the parts run one way, and importing loads nothing that is not needed yet."""

import ast
import json
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BELOW = {  # each folder and module that families share, from the bottom up, and those that it may import
    "settings": set(),
    "seeds": set(),
    "jobs": set(),
    "processes": set(),
    "device": {"settings"},
    "checkpoints": {"device", "jobs", "settings"},
    "nn": {"device", "jobs", "processes"},
    "images": {"checkpoints", "device", "jobs", "settings"},
    "task": {"images", "jobs", "seeds"},
    "results": {"images", "jobs", "task"},
    "metrics": {"checkpoints", "device", "images", "jobs", "nn", "task"},
    "restoration": {"images", "jobs", "metrics", "task"},
    "backend": {"checkpoints", "device", "jobs", "restoration", "task"},
    "training": {"checkpoints", "device", "images", "jobs", "metrics", "nn", "processes", "settings"},
}
FRONT = {"__init__", "__main__", "cli"}  # what visitors call, above everything
FOLDERS = {path.parent.name for path in (ROOT / "gan_models").glob("*/__init__.py")}
FAMILIES = FOLDERS - set(BELOW)
BUILT_ON = {
    "stylegan2": {"attributes"},
    "inversion": {"stylegan2"},
    "gan_control": {"attributes", "stylegan2"},
}


def imports(source, package):
    """Return the full name of everything that the code of a module in `package` imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, node.module] if node.module else base)
            found |= {f"{module}.{name.name}" for name in node.names}
    return found


def modules(folder):
    """Yield each file below `folder` with the names it imports."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    for path in paths:
        package = ".".join(path.relative_to(ROOT).parent.parts)
        yield path.relative_to(ROOT), imports(path.read_text(encoding="utf-8"), package)


def offenders(folder, forbidden):
    """Return "file: import" for everything below `folder` that `forbidden` objects to."""
    return [f"{path}: {name}" for path, names in modules(folder) for name in sorted(names) if forbidden(path, name)]


def is_in(name, *packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_all_ways_to_import_are_seen():
    source = """
import a.b as c
from d import e
def f():
    from g.h import i
    from . import j
    from .k import l
    from .. import m
    from ..n.o import p
"""
    expected = {"a.b", "d.e", "g.h.i", "x.y.j", "x.y.k.l", "x.m", "x.n.o.p"}
    assert imports(source, "x.y") == expected


def test_what_computes_knows_nothing_of_the_page():
    assert not offenders("gan_models", lambda path, name: is_in(name, "gradio", "demos", "app", "spaces"))


def test_the_page_never_touches_a_tensor():
    assert not offenders("demos", lambda path, name: is_in(name, "torch", "torchvision", "safetensors", "app"))


def test_networks_are_made_of_torch_and_our_layers_alone():
    def foreign(path, name):
        own = is_in(name, "torch", "gan_models.nn.layers") or name.partition(".")[0] in sys.stdlib_module_names
        return path.name == "network.py" and not own

    assert any(path.name == "network.py" for path, _ in modules("gan_models"))
    assert not offenders("gan_models", foreign)


def part(path):
    """Return the folder or the module of gan_models that a file belongs to."""
    return path.parts[1].removesuffix(".py")


def test_every_folder_and_module_has_its_place():
    parts = {part(path) for path, _ in modules("gan_models")}
    assert parts == set(BELOW) | FAMILIES | FRONT
    assert {"stylegan2", "attributes"} <= FAMILIES
    assert tuple(TopologicalSorter(BELOW).static_order())  # it raises CycleError where arrows run both ways


def test_what_families_share_imports_only_what_is_below_it():
    def upwards(path, name):
        above = (set(BELOW) | FAMILIES | FRONT) - {part(path), "__init__"} - BELOW.get(part(path), set())
        return part(path) in BELOW and is_in(name, *(f"gan_models.{other}" for other in above))

    assert not offenders("gan_models", upwards)


def test_families_know_only_what_is_shared_and_what_they_are_built_on():
    def foreign(path, name):
        family = part(path)
        others = (FAMILIES | FRONT) - {family, "__init__"} - BUILT_ON.get(family, set())
        return family in FAMILIES and is_in(name, *(f"gan_models.{other}" for other in others))

    assert not offenders("gan_models", foreign)


def test_only_checkpoints_reads_and_writes_weights():
    def foreign(path, name):
        return path.parts[1] != "checkpoints" and is_in(name, "safetensors", "huggingface_hub")

    assert not offenders("gan_models", foreign)


# --- What importing does

WATCH = """
import json, sys

opened, called = set(), []

def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        opened.add(arguments[0])
    elif event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        called.append(repr(arguments))

sys.addaudithook(watch)
{code}
json.dump({{"modules": sorted(sys.modules), "opened": sorted(opened), "called": called}}, sys.stdout)
"""


def watched(code):
    """Run `code` in a fresh interpreter; return what it imported, opened and called."""
    environment = {name: value for name, value in os.environ.items() if name != "GRADIO_ANALYTICS_ENABLED"}
    command = [sys.executable, "-c", WATCH.format(code=code)]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_the_watch_sees_what_it_looks_for(tmp_path):
    weights = tmp_path / "x.safetensors"
    code = f"""
import socket, colorsys
open({str(weights)!r}, "wb").close()
try:
    socket.create_connection(("127.0.0.1", 9), 0.2)
except OSError:
    pass
"""
    found = watched(code)
    assert str(weights) in found["opened"]
    assert any("127.0.0.1" in call for call in found["called"])
    assert "colorsys" in found["modules"]


def importing(folder, names):
    """Return code that imports the modules `names` of `folder`."""
    return "import " + ", ".join(f"{folder}.{name}" for name in sorted(names))


TABS = {".".join(path.relative_to("demos").with_suffix("").parts) for path, _ in modules("demos")}


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import gan_models", ("torch", "gradio", "numpy", "huggingface_hub")),
        (
            importing("gan_models", BELOW.keys() - {"processes", "nn", "metrics", "training"}),
            ("torch", "gradio", "demos"),
        ),
        (importing("gan_models", FAMILIES), ("torch", "gradio", "demos")),
        ("import gan_models.__main__", ("torch", "gradio")),
        (f"{importing('demos', TABS)}, app", ("torch",)),
    ],
    ids=["package", "shared", "families", "command line", "page"],
)
def test_importing_is_cheap_and_quiet(code, absent):
    found = watched(code)
    assert "gan_models" in found["modules"]
    assert [name for name in found["modules"] if is_in(name, *absent)] == []
    assert [path for path in found["opened"] if path.endswith((".safetensors", ".pth", ".pt", ".onnx"))] == []
    assert found["called"] == []


def test_another_users_temporary_folder_is_let_alone(tmp_path):
    (tmp_path / "gradio").write_text("Whoever came first has this name, and nothing can be made below it.")
    environment = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
    code = """
import os, app
folder = os.environ["GRADIO_TEMP_DIR"]
print(oct(os.stat(folder).st_mode)[-3:], len(os.listdir(folder)) > 0, app.demo.GRADIO_CACHE == folder)
"""
    environment["TMPDIR"] = str(tmp_path)
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert process.stdout.split() == ["700", "True", "True"], process.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["gradio"]  # nothing is left behind
