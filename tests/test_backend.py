from gan_models import backend
from gan_models.backend import Backend
from gan_models.device import ModelCache
from gan_models.jobs import Step


def test_a_backend_is_shared_by_all_who_ask_for_the_same_weights(monkeypatch):
    monkeypatch.setattr(backend, "models", ModelCache(lambda: 10**7))

    class Painter(Backend):
        DEFAULT = "plain"

        def __init__(self, weights=None, device=None):
            self.weights, self.device = weights, device

        def steps(self, image, **options):
            yield Step(1, 2)
            yield Step(2, 2, result=image + options["shade"])

    assert Painter.cached() is Painter.cached("plain")
    assert Painter.cached().weights == "plain"
    assert Painter.cached("fancy") is not Painter.cached()
    assert Painter.cached("fancy", "cpu") is not Painter.cached("fancy")
    assert Painter.cached()(2, shade=3) == 5
