import numpy as np
import pytest
import torch

from gan_models import checkpoints
from gan_models.classic import PictureGenerator, model, trainer
from gan_models.classic.backend import MAX_COUNT, great_circle
from gan_models.classic.network import Autoencoder, DCGANGenerator
from gan_models.jobs import finish


@pytest.fixture(scope="module")
def backends(tmp_path_factory):
    torch.manual_seed(0)
    folder, made = tmp_path_factory.mktemp("models"), {}
    networks = {"kinds": DCGANGenerator(6, 16, 4, classes=2), "there and back": Autoencoder(6, 16, 4)}
    for name, network in networks.items():
        for parameter in network.parameters():
            parameter.data *= 8  # untrained ones draw nothing but grey
        kinds = ("cat", "dog") if name == "kinds" else ()
        made[name] = PictureGenerator(
            model.save(network.eval(), trainer.config_of(network, 16), kinds, folder / f"{name}.safetensors"), "cpu"
        )
    return made


def test_a_seed_gives_the_same_picture_alone_and_among_others(backends):
    several = backends["kinds"](seeds=[3, 4, 3], kind="dog")
    (alone,) = backends["kinds"](seeds=[3], kind="dog")
    np.testing.assert_array_equal(several[0], alone)
    np.testing.assert_array_equal(several[2], alone)
    assert not np.array_equal(several[1], alone)


def test_kinds_are_drawn_as_asked_or_in_turn(backends):
    cat, dog = (backends["kinds"](seeds=[1], kind=kind)[0] for kind in ("cat", "dog"))
    assert not np.array_equal(cat, dog)
    turn = backends["kinds"](seeds=[1, 1])
    np.testing.assert_array_equal(turn[0], cat)
    np.testing.assert_array_equal(turn[1], dog)
    with pytest.raises(ValueError, match="among cat, dog"):
        backends["kinds"](seeds=[1], kind="cow")
    with pytest.raises(ValueError, match="knows none"):
        backends["there and back"](seeds=[1], kind="cat")


def test_the_embedded_conditional_gan_draws_the_kinds_of_cifar():
    backend, features = PictureGenerator("cifar-cgan", "cpu"), checkpoints.load("features-compact", "cpu")
    drawn = np.stack([*backend(seeds=list(range(60))), *backend(seeds=list(range(60, 120)))])
    pixels = torch.from_numpy(drawn).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        found = features.classifier(features.pooled(pixels)).argmax(1)
    assert (found == torch.arange(120) % 10).float().mean() > 0.3  # of real ones 0.88, by chance 0.1


def test_a_film_passes_through_its_seeds_and_ends_before_its_beginning(backends):
    backend = backends["there and back"]
    frames = finish(backend.between([1, 2], frames=4))
    assert len(frames) == 8
    for place, seed in ((0, 1), (4, 2)):
        np.testing.assert_allclose(frames[place].astype(int), backend(seeds=[seed])[0], atol=1)
    for options in ({"seeds": [1]}, {"seeds": [1, 2], "frames": 1000}):
        with pytest.raises(ValueError, match="two seeds at least"):
            backend.between(**options)


def test_great_circles_keep_their_radius():
    a, b = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    torch.testing.assert_close(great_circle(a, b, 1 / 3), 3 * torch.tensor([[np.cos(np.pi / 6), 0.5]]).float())
    for seed in range(20):
        z = torch.randn(1, 64, generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(great_circle(z, z, 0.5), z, rtol=1e-3, atol=1e-3)


def test_what_is_taken_away_and_added_cancels(backends):
    first, minus, plus, total = finish(backends["there and back"].combined([1, 2], [3], [3]))
    np.testing.assert_array_equal(minus, plus)
    np.testing.assert_allclose(total.astype(int), first, atol=1)


def test_a_picture_goes_there_and_back(backends):
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    backend = backends["there and back"]
    assert backend.reconstructed(picture).shape == (16, 16, 3)
    transparent = np.dstack([picture, np.zeros((40, 50), np.uint8)])
    white = np.full((40, 50, 3), 255, np.uint8)
    np.testing.assert_array_equal(backend.reconstructed(transparent), backend.reconstructed(white))
    with pytest.raises(ValueError, match="no encoder"):
        backends["kinds"].reconstructed(picture)


def test_too_few_and_too_many_are_refused(backends):
    for seeds in ([], list(range(MAX_COUNT + 1))):
        with pytest.raises(ValueError, match=f"1 to {MAX_COUNT} seeds"):
            backends["kinds"].steps(seeds=seeds)
    with pytest.raises(ValueError, match="whole number from 0"):
        backends["kinds"].steps(seeds=[-1])
