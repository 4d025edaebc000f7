import subprocess
import sys

import pytest

from gan_models import checkpoints
from gan_models.checkpoints import WeightsError, hub, registry
from tests.checkpoints.conftest import write_registry

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
    ],
)
def test_mistakes_in_the_file_are_named(register, changes, problem):
    with pytest.raises(ValueError, match=rf"^In registry.toml, \[tiny\] .*{problem}"):
        register(**changes)


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
