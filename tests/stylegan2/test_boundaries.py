import numpy as np
import pytest
from scipy.optimize import minimize

from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.jobs import finish
from gan_models.stylegan2 import boundaries
from gan_models.stylegan2.boundaries import FaceBoundaries, fitted, support_vector_machine
from tests.trainings import cancel, same, training

RNG = np.random.default_rng(0)


def test_the_machine_minimises_its_loss():
    points = RNG.normal(size=(60, 3))
    signs = np.where(points @ [1, -2, 0.5] + 0.3 + RNG.normal(size=60) > 0, 1.0, -1.0)
    normal, offset = support_vector_machine(points, signs)
    scaled = (points - points.mean(0)) / points.std()

    def loss(values):
        margins = signs * (scaled @ values[:3] + values[3])
        return 0.5 * values[:3] @ values[:3] + boundaries.SOFTNESS * np.mean(np.maximum(0, 1 - margins) ** 2)

    best = minimize(loss, np.zeros(4), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 9000})
    expected = best.x[:3] / points.std()
    np.testing.assert_allclose(normal, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(offset, best.x[3] - points.mean(0) @ expected, rtol=1e-2, atol=1e-3)


def test_a_boundary_is_found_where_it_is():
    truth = np.array([3.0, 0, 4.0, 0]) / 5
    latents = RNG.normal(size=(4000, 4))
    normal, (held, rest) = fitted(latents, latents @ truth + 0.2 * RNG.normal(size=4000))
    assert np.linalg.norm(normal) == pytest.approx(1)
    assert normal @ truth > 0.99
    assert held > 0.99
    assert 0.85 < rest < held


def test_what_has_nothing_to_do_with_the_latents_is_not_found():
    latents = RNG.normal(size=(4000, 4))
    _, (held, rest) = fitted(latents, RNG.normal(size=4000))
    assert 0.4 < held < 0.6
    assert 0.4 < rest < 0.6


def test_training_fits_every_attribute(tmp_path):
    figures = finish(training(FaceBoundaries, tmp_path, samples=300))
    assert figures["smile"][0] > 0.8
    assert (tmp_path / "boundaries.safetensors").stat().st_size < 5000


def test_training_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(FaceBoundaries, "report_every", 1)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    finish(training(FaceBoundaries, whole, samples=100))
    cancel(training(FaceBoundaries, parts, samples=100), after=1)
    finish(training(FaceBoundaries, parts, samples=100, resume=True))
    name = "boundaries.safetensors"
    assert same(*(load_state_dict_file(out / name, "safetensors") for out in (whole, parts)))


def test_an_odd_number_of_samples_is_refused():
    with pytest.raises(ValueError, match="multiple of 50"):
        FaceBoundaries(samples=120)
