"""A tiny generator of faces with random weights, and its inverter."""

import pytest

from gan_models import backend
from gan_models.checkpoints import registry
from gan_models.device import ModelCache
from gan_models.inversion.backend import FaceInverter
from tests.tiny_models import embed

LAYERS, WIDTH, SIDE = 6, 8, 16
FEATURES = {"channels": (4, 6, 8, 8), "depths": (2, 2, 3, 3), "pool": "average"}


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A folder with a registry of tiny models, some of which stand for the app's own."""
    folder = tmp_path_factory.mktemp("weights")
    sizes = {"z_dim": 5, "c_dim": 0, "w_dim": WIDTH, "img_resolution": SIDE, "img_channels": 3}
    kind = "gan_models.stylegan2.network:Generator"
    embed(folder, "tiny", kind, task="faces", num_mapping_layers=2, channel_base=128, channel_max=8, **sizes)
    embed(folder, "features-compact", "gan_models.nn.features.network:VGG", task="features", **FEATURES)
    table = (registry.REGISTRY).read_text(encoding="utf-8").split("[vgg16]")[1].split("\n[")[0]
    with (folder / "registry.toml").open("a", encoding="utf-8") as file:
        file.write(f"[vgg16]{table}\n")
    return folder


@pytest.fixture
def tiny(weights, monkeypatch):
    """Point the app at that registry, with nothing loaded."""
    monkeypatch.setattr(registry, "REGISTRY", weights / "registry.toml")
    monkeypatch.setattr(backend, "models", ModelCache(lambda: 10**9))


@pytest.fixture
def inverter(tiny):
    """The inverter of the tiny generator."""
    return FaceInverter.load("tiny", "cpu")
