"""A registry, a cache and a Hub of their own for each test."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save

from gan_models.checkpoints import hub, loading, registry
from tests.checkpoints.tiny import Tiny
from tests.hub.server import Hub

REPO, FILE = "atelier/tiny", "folder/model.safetensors"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """Give each test an empty Hub cache, and a client that remembers nothing."""
    for name in ("HF_HOME", "HF_TOKEN", "HF_HUB_OFFLINE", "GAN_ATELIER_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # Else the client asks its default endpoint what to say of the program that runs it.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    for memory in (hub._probes, hub._right, loading._probed):
        memory.clear()
    return tmp_path / "cache"


@pytest.fixture
def server(monkeypatch):
    """Serve a Hub that HF_ENDPOINT names."""
    with Hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        yield running


@pytest.fixture
def register(tmp_path, monkeypatch):
    """Return a function that registers a model, by default a safetensors file on the Hub, and returns it."""
    monkeypatch.setattr(registry, "REGISTRY", tmp_path / "registry.toml")
    tables = {}

    def add(name: str = "tiny", /, **changes) -> registry.Model:
        table = {
            "title": "Tiny",
            "task": "testing",
            "network": "tests.checkpoints.tiny:Tiny",
            "format": "safetensors",
            "licence": "MIT",
            "size_mb": 0.1,
        }
        if "file" not in changes:
            table["hub"] = {"repo": REPO, "file": FILE, "revision": "main"}
        tables[name] = {key: value for key, value in (table | changes).items() if value is not None}
        write_registry(tables)
        return registry.get(name)

    return add


@pytest.fixture
def embed(tmp_path, register):
    """Return a function that registers a model with its file beside the registry."""

    def add(name: str = "embedded", content: bytes | None = None, **changes) -> registry.Model:
        content = tiny_bytes() if content is None else content
        (tmp_path / f"{name}.safetensors").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        return register(name, **{"file": f"{name}.safetensors", "sha256": digest} | changes)

    return add


def write_registry(tables: dict) -> None:
    """Write `tables` as TOML, whose inline values are JSON's save for the colons of tables."""
    lines = []
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    registry.REGISTRY.write_text("\n".join(lines))
    registry._read.cache_clear()


def _toml(value) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def tiny_bytes(dtype: torch.dtype = torch.float32, scale: float = 1.0) -> bytes:
    """Return a safetensors file of `Tiny`'s weights."""
    torch.manual_seed(0)
    state = {name: value.clone() for name, value in Tiny().state_dict().items()}
    return save({name: (value * scale).to(dtype) if "layer" in name else value for name, value in state.items()})
