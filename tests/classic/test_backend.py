import numpy as np
import pytest
import torch

from gan_models import checkpoints
from gan_models.classic import CombinePictures, GeneratePictures, InterpolatePictures, ReconstructPicture, model
from gan_models.classic.backend import PictureGenerator, great_circle
from gan_models.classic.network import Autoencoder, DCGANGenerator
from gan_models.classic.trainer import config_of
from gan_models.seeds import MAX_COUNT


def brightened(network):
    for parameter in network.parameters():
        parameter.data *= 8  # untrained ones draw nothing but grey
    return network.eval()


@pytest.fixture(scope="module")
def of_kinds():
    torch.manual_seed(0)
    return PictureGenerator(brightened(DCGANGenerator(6, 16, 4, classes=2)), device="cpu", kinds=("cat", "dog"))


@pytest.fixture(scope="module")
def encoding():
    torch.manual_seed(0)
    return PictureGenerator(brightened(Autoencoder(6, 16, 4)), device="cpu")


def drawn(backend, seed="1", count=1, **options):
    """Return the pictures that are drawn from seeds."""
    return pictures(backend.run(GeneratePictures.ask(seed=seed, count=count, **options)))


def pictures(steps):
    return [step.drawn.image for step in steps if step.drawn is not None]


def test_a_seed_gives_the_same_picture_alone_and_among_others(of_kinds):
    several = drawn(of_kinds, "3, 4, 3", kind="dog")
    (alone,) = drawn(of_kinds, "3", kind="dog")
    np.testing.assert_array_equal(several[0], alone)
    np.testing.assert_array_equal(several[2], alone)
    assert not np.array_equal(several[1], alone)


def test_kinds_are_drawn_as_asked_or_in_turn(of_kinds, encoding):
    cat, dog = (drawn(of_kinds, kind=kind)[0] for kind in ("cat", "dog"))
    assert not np.array_equal(cat, dog)
    turn = drawn(of_kinds, "1, 1")
    np.testing.assert_array_equal(turn[0], cat)
    np.testing.assert_array_equal(turn[1], dog)
    with pytest.raises(ValueError, match="among cat, dog"):
        drawn(of_kinds, kind="cow")
    with pytest.raises(ValueError, match="knows none"):
        drawn(encoding, kind="cat")


def test_each_picture_tells_its_seed_and_its_kind(of_kinds, encoding):
    *steps, last = of_kinds.run(GeneratePictures.ask(seed="7", count=3))
    assert [step.drawn.caption for step in steps] == ["Seed 7, cat", "Seed 8, dog", "Seed 9, cat"]
    assert [step.drawn.record for step in steps][:2] == [{"seed": 7, "kind": "cat"}, {"seed": 8, "kind": "dog"}]
    assert (last.message, last.notes) == ("3 pictures of 16 pixels", {"seed": 7})
    step, last = encoding.run(GeneratePictures.ask(seed="random", count=1))
    assert step.drawn.caption == f"Seed {last.notes['seed']}"
    assert last.message == "1 picture of 16 pixels"


def test_the_embedded_conditional_gan_draws_the_kinds_of_cifar():
    backend, features = PictureGenerator.load("cifar-cgan", "cpu"), checkpoints.load("features-compact", "cpu")
    found = np.stack([drawn(backend, str(seed), 10) for seed in range(0, 120, 10)]).reshape(-1, 32, 32, 3)
    pixels = torch.from_numpy(found).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        kinds = features.classifier(features.pooled(pixels)).argmax(1)
    assert (kinds == torch.arange(120) % 10).float().mean() > 0.3  # of real ones 0.88, by chance 0.1


def test_a_visitors_file_is_as_good_as_what_is_registered(of_kinds, encoding, tmp_path):
    for backend, kinds in ((of_kinds, ("cat", "dog")), (encoding, ())):
        path = model.save(backend.network, config_of(backend.network, 16), kinds, tmp_path / "a.safetensors")
        brought = PictureGenerator.cached(path, "cpu")  # the second time another file of the same name
        assert (brought.kinds, brought.encodes) == (kinds, backend is encoding)
        difference = drawn(brought)[0].astype(int) - drawn(backend)[0]
        assert np.abs(difference).max() <= 2, "it is kept in half precision"
        assert PictureGenerator.cached(path, "cpu") is brought


def test_a_film_passes_through_its_seeds_and_ends_before_its_beginning(encoding):
    *steps, last = encoding.run(InterpolatePictures.ask(seeds="1, 2", frames=4))
    frames = [step.frame for step in steps]
    assert [frame.shape for frame in frames] == [(256, 256, 3)] * 8, "too small to be seen"
    for place, seed in ((0, "1"), (4, "2")):
        np.testing.assert_allclose(frames[place][::16, ::16].astype(int), drawn(encoding, seed)[0], atol=1)
    assert last.message == "8 pictures, 0.7 s of film,"
    assert all(step.notes == {"seeds": [1, 2]} for step in steps)
    for options in ({"seeds": "1"}, {"seeds": "0-10", "frames": 60}):
        with pytest.raises(ValueError, match="two seeds at least"):
            encoding(InterpolatePictures.ask(**options))


def test_a_film_keeps_to_one_kind(of_kinds):
    for kind, shown in (("", "cat"), ("dog", "dog")):
        first, *_ = of_kinds.run(InterpolatePictures.ask(seeds="1, 2", frames=2, kind=kind))
        np.testing.assert_allclose(first.frame[::16, ::16].astype(int), drawn(of_kinds, kind=shown)[0], atol=1)


def test_great_circles_keep_their_radius():
    a, b = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    torch.testing.assert_close(great_circle(a, b, 1 / 3), 3 * torch.tensor([[np.cos(np.pi / 6), 0.5]]).float())
    for seed in range(20):
        z = torch.randn(1, 64, generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(great_circle(z, z, 0.5), z, rtol=1e-3, atol=1e-3)


def test_what_is_taken_away_and_added_cancels(encoding):
    *steps, last = encoding.run(CombinePictures.ask(seeds="1, 2", minus="3", plus="3"))
    first, minus, plus, total = pictures(steps)
    assert [step.drawn.caption for step in steps] == ["First", "Minus", "Plus", "Sum"]
    np.testing.assert_array_equal(minus, plus)
    np.testing.assert_allclose(total.astype(int), first, atol=1)
    assert last.notes == {"seeds": [1, 2], "minus": [3], "plus": [3]} == steps[0].drawn.record


def test_a_picture_goes_there_and_back(encoding, of_kinds):
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    transparent = np.dstack([picture, np.zeros((40, 50), np.uint8)])
    white = np.full((40, 50, 3), 255, np.uint8)
    back = [encoding(ReconstructPicture.ask(image=one)) for one in (picture, transparent, white)]
    assert back[0].shape == (16, 16, 3)
    np.testing.assert_array_equal(back[1], back[2])
    assert not np.array_equal(back[0], back[1])
    with pytest.raises(ValueError, match="no encoder"):
        of_kinds(ReconstructPicture.ask(image=picture))


def test_what_is_cut_off_is_not_compared_with_either(encoding):
    picture = np.full((60, 60, 3), 250, np.uint8)
    picture[10:30, 20:40] = (200, 30, 60)
    trimmed, whole = (encoding.run(ReconstructPicture.ask(image=picture, trim=trim)) for trim in (True, False))
    (trimmed,), (whole,) = trimmed, whole
    np.testing.assert_array_equal(whole.before, picture)
    assert trimmed.before.shape < picture.shape
    assert trimmed.message == whole.message == "16 × 16 pixels"
    assert not np.array_equal(trimmed.result, whole.result)


def test_too_few_and_too_many_are_refused(of_kinds):
    with pytest.raises(ValueError, match=f"At most {MAX_COUNT} are drawn"):
        drawn(of_kinds, f"0-{MAX_COUNT}")
    with pytest.raises(ValueError, match=f"1 to {MAX_COUNT} seeds"):
        drawn(of_kinds, ", ".join(map(str, range(MAX_COUNT + 1))))
    with pytest.raises(ValueError, match=f"1 to {MAX_COUNT} seeds"):
        drawn(of_kinds, "5-4")
    with pytest.raises(ValueError, match="“-1” is no seed"):
        drawn(of_kinds, "-1")
