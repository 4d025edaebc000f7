import hashlib
import inspect
import subprocess
import sys
from pkgutil import resolve_name
from typing import get_args

import pytest

from gan_models import checkpoints
from gan_models.checkpoints import WeightsError, hub, registry
from gan_models.cli import main
from gan_models.images.faces import CROPS
from gan_models.stylegan2 import FaceModel
from tests.checkpoints.conftest import tiny_bytes, write_registry
from tests.test_all_tasks import TASKS

SHA = "0" * 64


def test_models_come_in_file_order_and_by_task(register):
    register("zebra")
    register("ant", task="other")
    register("cat")
    assert [model.name for model in registry.models()] == ["zebra", "ant", "cat"]
    assert [model.name for model in registry.models("testing")] == ["zebra", "cat"]
    assert registry.models("nothing") == []


def test_the_default_is_the_first_embedded_model_of_the_task(register):
    register("on-hub")
    register("other-task", task="other", file="a.safetensors", sha256=SHA)
    register("first", file="b.safetensors", sha256=SHA)
    register("second", file="c.safetensors", sha256=SHA)
    assert registry.default("testing").name == "first"
    with pytest.raises(ValueError, match="No model is there for the task “nothing”"):
        registry.default("nothing")


def test_without_an_embedded_model_a_formula_is_the_default(register):
    register("on-hub")
    assert registry.default("testing").name == "on-hub"
    register("first", format="formula", network=None, hub=None)
    register("second", format="formula", network=None, hub=None)
    assert registry.default("testing").name == "first"
    assert registry.default("testing", among=["on-hub", "second"]).name == "second"


def test_an_unknown_name_is_answered_with_those_that_there_are(register):
    register("ant")
    register("bee")
    with pytest.raises(ValueError, match=r"^There is no model “cow”; there are ant, bee.$"):
        registry.get("cow")


def test_all_keys_arrive(register):
    model = register(
        hub={"repo": "a/b", "file": "c.pth", "revision": "main", "repo_type": "space"},
        format="state-dict",
        config={"width": 5},
        unwrap=["params_ema", "params"],
        convert="tests.checkpoints.tiny:from_foreign",
        note="Small.",
        card="tiny.md",
        sha256=SHA,
    )
    assert model.hub == registry.HubFile("a/b", "c.pth", "main", "space")
    assert (model.embedded, model.source) == (False, "hub: a/b/c.pth")
    assert (model.config, model.unwrap) == ({"width": 5}, ("params_ema", "params"))
    assert (model.note, model.card, model.sha256) == ("Small.", "tiny.md", SHA)


def test_embedded_models_say_so(register):
    model = register(file="a.safetensors", sha256=SHA)
    assert (model.embedded, model.source, model.hub) == (True, "embedded", None)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"colour": "red"}, "unknown key colour"),
        ({"name": "x"}, "unknown key name"),
        ({"licence": None}, "lacks the key licence"),
        ({"hub": None}, "either a file or a hub entry"),
        (
            {"file": "a.safetensors", "sha256": SHA, "hub": {"repo": "a/b", "file": "c", "revision": "d"}},
            "not both",
        ),
        ({"hub": {"repo": "a/b", "file": "c"}}, "lacks the key revision"),
        ({"hub": {"repo": "a/b", "file": "c", "revision": "d", "format": "e"}}, "unknown key format"),
        ({"hub": {"repo": "a/b", "file": "c", "revision": "d", "repo_type": "cat"}}, "repo_type “cat”"),
        ({"hub": "a/b"}, "wrong kind for the key hub"),
        ({"file": "a.safetensors"}, "needs the sha256"),
        ({"file": "../a.safetensors", "sha256": SHA}, "beside the registry"),
        ({"sha256": "ABC"}, "not 64 lower-case"),
        ({"format": "tensorflow"}, "format “tensorflow”, which is none of"),
        ({"network": None}, "must name a network exactly if"),
        ({"format": "npy"}, "must name a network exactly if"),
        ({"network": "somewhere.Net"}, "network as module:name"),
        ({"unwrap": "params"}, "wrong kind for the key unwrap"),
        ({"size_mb": "3"}, "wrong kind for the key size_mb"),
        ({"card": "../tiny.md"}, "beside the registry"),
        ({"hub": None, "package": {"name": "tiny", "file": "tiny/a.npy"}}, "needs the sha256"),
        ({"package": {"name": "tiny", "file": "tiny/a.npy"}, "sha256": SHA}, "not both"),
        ({"hub": None, "package": {"name": "tiny"}, "sha256": SHA}, "lacks the key file of package"),
        ({"takes": "edges"}, "unknown key takes"),
        ({"task": "translation"}, "lacks the key side"),
        ({"task": "translation", "side": "128"}, "wrong kind for the key side"),
        ({"task": "translation", "side": 128, "takes": "cats"}, "takes “cats”, which is none of labels, edges"),
        ({"task": "pictures", "kinds": "cat"}, "wrong kind for the key kinds"),
        ({"task": "faces", "crop": "passport"}, "crop “passport”, which is none of ffhq or utkface"),
        ({"task": "face-boundaries"}, "lacks the key config"),
        ({"task": "face-boundaries", "config": {"w_dim": 8}, "of": "tiny"}, "its attribute or its attributes"),
        ({"task": "face-encoding"}, "lacks the key of"),
        ({"task": "face-control", "config": {"groups": {}}}, "lacks the key controls of config"),
        ({"task": "single-image", "config": {"sizes": 3}}, "wrong kind for the key sizes of config"),
        ({"task": "super-resolution", "config": {"scale": 3}}, "scale “3” of config, which is none of 2 or 4"),
    ],
)
def test_mistakes_in_the_file_are_named(register, changes, problem):
    with pytest.raises(ValueError, match=rf"^In registry.toml, \[tiny\] .*{problem}"):
        register(**changes)


def test_what_is_no_table_is_named(register):
    register()
    registry.REGISTRY.write_text("size = 3")
    with pytest.raises(ValueError, match=r"^In registry.toml, \[size\] is no table.$"):
        registry.models()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"network": "tests.checkpoints.nowhere:Tiny"}, "a network that can't be imported: No module named"),
        ({"network": "tests.checkpoints.tiny:Large"}, "a network that can't be imported: .*Large"),
        ({"convert": "tests.checkpoints.tiny:from_nowhere"}, "a convert that can't be imported: .*from_nowhere"),
        ({"config": {"depth": 3}}, "a config that its network can't take: .*depth"),
    ],
)
def test_networks_that_there_are_not_are_named_where_they_are_loaded(embed, changes, problem):
    model = embed("tiny", **changes)
    with pytest.raises(ValueError, match=rf"^In registry.toml, \[tiny\] has {problem}"):
        checkpoints.load("tiny", "cpu")
    assert hub.ready(model)  # the file is not to blame


def test_broken_toml_is_named(register):
    register()
    registry.REGISTRY.write_text("[oops")
    with pytest.raises(ValueError, match=r"registry.toml is not valid TOML"):
        registry.models()


def test_an_edited_file_is_read_again(register):
    register("ant")
    write_registry({})
    assert registry.models() == []


def test_the_real_registry_is_valid_and_ships_what_it_says():
    for model in registry.models():
        assert model.card is None or (registry.REGISTRY.parent / model.card).suffix == ".md"
        assert registry.get(model.name) == model
        assert registry.get(getattr(model, "of", model.name))
        assert model.convert is None or callable(resolve_name(model.convert))


@pytest.mark.parametrize("model", registry.models(), ids=lambda model: model.name)
def test_every_network_takes_its_config(model):
    if model.network and model.format != "nvidia-pickle":  # whose files say the rest
        inspect.signature(resolve_name(model.network)).bind(**model.config)


def test_every_crop_is_known():
    assert set(get_args(FaceModel.model_fields["crop"].annotation)) == set(CROPS)


def test_every_task_begins_with_weights_that_are_here():
    for task in TASKS:
        for one in task.parameters().values():
            if one.kind == "model":
                model = registry.get(one.default, task=one.weights)
                assert model.embedded or model.formula, task


def test_importing_the_package_is_light():
    heavy = {"torch", "numpy", "huggingface_hub"}
    code = f"import sys, gan_models.checkpoints; print(sorted({heavy} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
    assert checkpoints.__all__ == ["Model", "WeightsError", "load"]


def test_a_model_of_another_task_is_refused():
    name = registry.default("super-resolution").name
    assert registry.get(name, task="super-resolution").name == name
    with pytest.raises(ValueError, match="are for super-resolution, not for faces"):
        registry.get(name, task="faces")


# --- Formulas


def test_a_formula_needs_no_source_and_is_always_ready(register):
    model = register("wiener", format="formula", network=None, hub=None, size_mb=0.0)
    assert model.formula
    assert model.source == "formula"
    assert not model.embedded
    assert hub.ready(model)
    assert hub.content_hash(model) is None


def test_a_formula_has_no_weights_to_load_or_fetch(register):
    model = register("wiener", format="formula", network=None, hub=None, size_mb=0.0)
    for action in (lambda: hub.fetch(model), lambda: checkpoints.load("wiener", "cpu")):
        with pytest.raises(WeightsError, match="“wiener” is a formula: it has no weights"):
            action()


@pytest.mark.parametrize("changes", [{"hub": {"repo": "a/b", "file": "c", "revision": "d"}}, {"network": "a:b"}])
def test_a_formula_with_weights_is_refused(register, changes):
    with pytest.raises(ValueError, match=r"is a formula|must name a network"):
        register("wiener", **{"format": "formula", "network": None, "hub": None, "size_mb": 0.0} | changes)


# --- Files of packages


@pytest.fixture
def package(tmp_path, monkeypatch, register):
    """Install a package that brings a file of weights; return the function that registers it."""
    packages = tmp_path / "packages"
    (packages / "tiny_weights-1.0.dist-info").mkdir(parents=True)
    (packages / "tiny_weights-1.0.dist-info" / "METADATA").write_text("Name: tiny-weights\nVersion: 1.0\n")
    (packages / "tiny_weights").mkdir()
    (packages / "tiny_weights" / "a.safetensors").write_bytes(tiny_bytes())
    monkeypatch.syspath_prepend(packages)

    def add(name: str = "tiny-weights", digest: str = hashlib.sha256(tiny_bytes()).hexdigest()) -> registry.Model:
        source = {"name": name, "file": "tiny_weights/a.safetensors"}
        return register("packaged", hub=None, package=source, sha256=digest)

    return add


def test_weights_of_an_installed_package_load_where_they_lie(package):
    model = package()
    assert (model.embedded, model.source, hub.ready(model)) == (False, "package: tiny-weights", True)
    assert hub.fetch(model) == hub.path(model)
    assert checkpoints.load("packaged", "cpu").steps == 7
    assert main(["weights", "verify"]) == 0


def test_a_package_that_is_not_there_is_named(package):
    model = package("other-weights")
    assert not hub.ready(model)
    with pytest.raises(WeightsError, match="`pip install other-weights` brings it"):
        hub.fetch(model)


def test_a_packages_file_that_is_another_is_refused_and_left_alone(package):
    model = package(digest=SHA)
    with pytest.raises(WeightsError, match=r"their content is not what it should be\.$"):
        checkpoints.load("packaged", "cpu")
    assert hub.path(model).exists()
