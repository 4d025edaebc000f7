"""What `pip install .` brings: a wheel with all that the page needs, found from wherever it is served."""

import importlib.metadata
import subprocess
import sys
import sysconfig
import zipfile

import pytest
from gradio_client import Client, handle_file
from packaging.requirements import Requirement
from PIL import Image

from tests.conftest import ROOT, served

DATA = {"weights": {".safetensors", ".md", ".toml"}, "examples": {".png", ".jpg", ".zip", ".md"}}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    offline = ("--no-build-isolation", "--no-deps", "--no-index", "--quiet")
    subprocess.run([sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", folder, ROOT], check=True)
    [path] = folder.iterdir()
    return path


def files_below(folder, suffixes):
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.suffix in suffixes}


def test_the_wheel_holds_all_that_the_page_needs_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    code = {"app.py"} | files_below("demos", {".py", ".css", ".js"}) | files_below("gan_models", {".py"})
    assert code >= {"demos/kit/style.css", "demos/kit/placement.js", "gan_models/__main__.py"}
    data = {f"gan_models/{name}" for folder, suffixes in DATA.items() for name in files_below(folder, suffixes)}
    assert data >= {"gan_models/weights/registry.toml", "gan_models/examples/CREDITS.md"}
    assert held == code | data


def test_the_wheel_asks_for_what_the_requirements_say(wheel):
    [package] = importlib.metadata.distributions(path=[str(wheel)])
    required = {Requirement(line) for line in (ROOT / "requirements.txt").read_text().splitlines()}
    assert required == {Requirement(line) for line in package.requires if "extra ==" not in line}
    assert package.metadata.get_all("Provides-Extra") == ["dev", "ray", "train"]


@pytest.mark.slow
def test_an_installed_page_serves_from_an_empty_folder(wheel, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    [packages] = (tmp_path / "venv" / "lib").glob("*/site-packages")
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib"))  # so that none is installed anew
    subprocess.run([python, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet", wheel], check=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    with served([python.with_name("gan-atelier")], empty, tmp_path) as app:
        client = Client(app.url, verbose=False, download_files=tmp_path)
        assert all(model["ready"] for model in client.predict(api_name="/models") if model["source"] == "embedded")
        hazy = next((packages / "gan_models" / "examples" / "dehazing").iterdir())
        clear, *_ = client.predict(image=handle_file(hazy), api_name="/dehaze")
        assert Image.open(clear).size == Image.open(hazy).size
    assert list(empty.iterdir()) == []
