import numpy as np
import pytest
import torch
from PIL import Image

from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.runtime import finish
from gan_models.translation import training


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Tiny networks, and one picture for validation."""
    for name, value in (("HELD_OUT", 1), ("NGF", 2), ("NDF", 2)):
        monkeypatch.setattr(training, name, value)
    monkeypatch.setattr(training, "compact_resnet", lambda: training.ResnetGenerator(ngf=2, n_blocks=1))


def write(folder, count, size):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(count):
        coarse = rng.integers(0, 255, (4, 8, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def photos(tmp_path):
    return write(tmp_path / "photos", 4, (96, 80))


@pytest.fixture
def pairs(tmp_path):
    """Photos beside labels: a window in each."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    for index in range(4):
        picture = np.zeros((64, 128, 3), np.uint8)
        picture[:, :64] = 40 * index
        picture[:, 64:] = (10, 60, 250)
        picture[20:40, 84:104] = (5, 120, 250)
        Image.fromarray(picture).save(folder / f"{index}.png")
    return folder


def test_labels_are_the_right_half_and_lie_on_the_photo(pairs):
    source = training.Pairs(pairs, training.TASKS["facades"], 64, 0)
    labels, photos = source.batch(3)
    assert labels.shape == photos.shape == (3, 3, 64, 64)
    assert labels.unique().tolist() == pytest.approx(
        sorted({value / 127.5 - 1 for value in (0, 13, 61, 117, 251, 255)})
    )
    assert (photos.std((1, 2, 3)) < 0.02).all()


@pytest.mark.parametrize(("task", "channels"), [("edges", 3), ("grey", 3), ("masked", 4)])
def test_photos_are_their_own_targets(photos, task, channels):
    given, wanted = training.Pairs(photos, training.TASKS[task], 64, 0).batch(2)
    assert given.shape == (2, channels, 64, 64)
    assert wanted.shape == (2, 3, 64, 64)
    assert -1 <= given.min() <= given.max() <= 1
    if task == "edges":
        assert set(given.unique().tolist()) <= {-1.0, 1.0}
    if task == "grey":
        lightness = (wanted * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1)
        assert (given - lightness[:, None]).abs().max() < 0.02
    if task == "masked":
        outside = given[:, 3] < 0
        assert outside.any()
        assert (~outside).any()
        for channel in range(3):
            assert torch.equal(given[:, channel][outside], wanted[:, channel][outside])


@pytest.mark.parametrize("options", [{}, {"patch": 1}, {"patch": 0}, {"generator": "encoder-decoder", "patch": 16}])
def test_a_run_leaves_weights_that_load_strictly(photos, tmp_path, options):
    out = tmp_path / "out"
    steps = list(training.train(photos, out, "masked", steps=2, side=64, **options))
    assert (steps[-1].index, steps[-1].total) == (2, 2)
    assert 0 < steps[-1].result < 60
    state = load_state_dict_file(out / "translate-masked-compact.safetensors", "safetensors")
    network = training.network("masked", options.get("generator", "unet"), 64)
    network.load_state_dict(state, strict=True)
    assert network(torch.rand(1, 4, 64, 96)).shape == (1, 3, 64, 96)


def test_one_seed_gives_one_result_and_a_run_goes_on(photos, tmp_path):
    states = []
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        finish(training.train(photos, tmp_path / out, "grey", steps=2, side=64, seed=seed))
        states.append(load_state_dict_file(tmp_path / out / "translate-grey-compact.safetensors", "safetensors"))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])
    resumed = training.train(photos, tmp_path / "a", "grey", steps=3, side=64, resume=True)
    assert next(step.index for step in resumed) == 3


def test_learning_brings_the_target_nearer(photos, tmp_path):
    steps = list(training.train(photos, tmp_path / "out", "grey", steps=60, side=64, patch=0, lr=3e-3))
    losses = [step.losses["l1"] for step in steps if step.losses]
    assert losses[-1] < losses[0]


def test_impossible_trainings_are_refused_in_words(photos, tmp_path, monkeypatch):
    def refused(task="grey", **options):
        with pytest.raises(ValueError, match=r"must be|takes more") as problem:
            finish(training.train(photos, tmp_path / "out", task, steps=1, side=64, **options))
        return str(problem.value)

    assert "one of facades, edges, grey, masked, not “day”" in refused("day")
    assert "one of unet, encoder-decoder, not “resnet”" in refused(generator="resnet")
    assert "must be 1, 16" in refused(patch=7)
    for side in (32, 100):
        with pytest.raises(ValueError, match="power of two"):
            finish(training.train(photos, tmp_path / "out", "grey", steps=1, side=side))
    monkeypatch.setattr(training, "HELD_OUT", 4)
    assert "more than 4 pictures" in refused()


# --- CycleGAN


@pytest.fixture
def two_sets(tmp_path):
    for name, count in (("trainA", 3), ("trainB", 4)):
        write(tmp_path / "sets" / name, count, (64, 64))
    return tmp_path / "sets"


def test_a_cycle_leaves_both_generators(two_sets, tmp_path):
    steps = list(training.train_cycle(two_sets, tmp_path / "out", steps=20, side=32))
    assert set(next(step.losses for step in steps if step.losses)) == {
        "adversarial",
        "cycle",
        "identity",
        "discriminators",
    }
    assert 0 < steps[-1].result < 60
    states = [
        load_state_dict_file(tmp_path / "out" / f"{name}.safetensors", "safetensors") for name in ("a-to-b", "b-to-a")
    ]
    for state in states:
        training.compact_resnet().load_state_dict(state, strict=True)
    assert not all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_two_sets_never_mix(two_sets, monkeypatch):
    monkeypatch.setattr(
        training,
        "_squares",
        lambda folder, side: [np.full((side, side, 3), 255 * (folder.name == "trainB"), np.uint8)] * 3,
    )
    a, b = training.TwoSets(two_sets, 32, 0).batch(5)
    assert a.shape == b.shape == (5, 3, 32, 32)
    assert (a == -1).all()
    assert (b == 1).all()


def test_validation_goes_there_and_back(two_sets):
    source = training.TwoSets(two_sets, 32, 0)
    assert source.validate(lambda x: -x, lambda x: -x) == float("inf")
    assert source.validate(lambda x: -x, lambda x: x) < 30


@pytest.mark.parametrize("side", [28, 130])
def test_sides_that_would_not_come_back_are_refused(two_sets, tmp_path, side):
    with pytest.raises(ValueError, match="multiple of four"):
        finish(training.train_cycle(two_sets, tmp_path / "out", steps=1, side=side))


def test_too_few_of_a_kind_are_refused(two_sets, monkeypatch, tmp_path):
    monkeypatch.setattr(training, "HELD_OUT", 3)
    with pytest.raises(ValueError, match="more than 3 pictures in each"):
        finish(training.train_cycle(two_sets, tmp_path / "out", steps=1, side=32))
