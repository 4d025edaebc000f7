import pytest

from gan_models import backend, checkpoints
from gan_models.backend import Backend
from gan_models.checkpoints import registry
from gan_models.device import ModelCache
from gan_models.jobs import Step


class Doubler(Backend):
    """Doubles numbers; it takes no network, but those of deblurring would load."""

    weights = "deblurring"

    def run(self, ask):
        yield Step(1, 2)
        yield Step(2, 2, result=2 * ask)


@pytest.fixture(autouse=True)
def loaded(monkeypatch):
    """Return the names of what is loaded: nothing, in truth."""
    names = []
    monkeypatch.setattr(checkpoints, "load", lambda name, device: names.append(name))
    monkeypatch.setattr(backend, "models", ModelCache(lambda: 10**7))
    return names


def test_a_backend_is_shared_by_all_who_ask_for_the_same_weights(loaded):
    assert Doubler.cached() is Doubler.cached()
    assert Doubler.cached("wiener") is not Doubler.cached()
    assert Doubler.cached("wiener", "cpu") is not Doubler.cached("wiener")
    assert loaded == [registry.default("deblurring").name]  # for a formula there is nothing to load
    assert Doubler.cached()(21) == 42


def test_weights_of_another_task_are_refused_before_they_are_loaded(loaded):
    with pytest.raises(ValueError, match="for super-resolution, not for deblurring"):
        Doubler.load("sr-psnr-compact")
    assert loaded == []


def test_any_network_will_do_in_place_of_the_registrys():
    model = registry.get("deblur-compact").model_copy(update={"name": "mine"})
    own = Doubler("a network", model, "cpu")
    assert (own.network, own.model.name, own.device.type) == ("a network", "mine", "cpu")
