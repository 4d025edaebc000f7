import pytest
import torch

from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.jobs import finish
from gan_models.translation import trainer
from gan_models.translation.network import Redrawer
from gan_models.translation.trainer import CycleTranslation, Pix2Pix
from tests.trainings import built, cancel, checkpoint, same, training


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Tiny networks."""
    for name in ("ngf", "ndf"):
        monkeypatch.setattr(Pix2Pix, name, 2)
    monkeypatch.setattr(trainer, "GATED", {"channels": (4, 4), "blocks": (1, 1), "up_blocks": (1,)})
    for name, value in {"channels": (2, 4), "blocks": 1}.items():
        monkeypatch.setattr(CycleTranslation, name, value)


def pix2pix(data, out, task, **options):
    return training(Pix2Pix, out, data=data, task=task, **options)


def cycle(data, out, **options):
    return training(CycleTranslation, out, data=data, **options)


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("masked", {}),
        ("masked", {"patch": 1}),
        ("grey", {"patch": 0}),
        ("edges", {}),
        ("edges", {"generator": "encoder-decoder", "patch": 16}),
    ],
)
def test_a_run_leaves_weights_that_load_strictly(photos, tmp_path, task, options):
    out = tmp_path / "out"
    steps = list(pix2pix(photos, out, task, steps=2, side=64, **options))
    assert (steps[-1].index, steps[-1].total) == (2, 2)
    assert 0 < steps[-1].result < 60
    state = load_state_dict_file(out / f"translate-{task}-compact.safetensors", "safetensors")
    network = built(Pix2Pix, data=photos, task=task, side=64, **options).network.eval()
    network.load_state_dict(state, strict=True)
    channels = 4 if task == "masked" else 3
    assert network(torch.rand(2, channels, 64, 128)).shape == (2, 3, 64, 128)


def test_the_discriminator_of_what_is_mostly_seen_comes_in_later(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(Pix2Pix, "report_every", 1)
    for task, begins in (("grey", 3), ("masked", 3), ("edges", 0)):
        steps = pix2pix(photos, tmp_path / task, task, steps=5, side=64)
        found = ["discriminator" in step.losses for step in steps if step.losses]
        assert found == [index >= begins for index in range(5)]


def test_one_seed_gives_one_result_and_a_run_goes_on(photos, tmp_path, monkeypatch):
    states = []
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        finish(pix2pix(photos, tmp_path / out, "grey", steps=2, side=64, seed=seed))
        states.append(load_state_dict_file(tmp_path / out / "translate-grey-compact.safetensors", "safetensors"))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])
    monkeypatch.setattr(Pix2Pix, "report_every", 1)
    cancel(pix2pix(photos, tmp_path / "d", "grey", steps=2, side=64, seed=1), after=1)
    finish(pix2pix(photos, tmp_path / "d", "grey", steps=2, side=64, seed=1, resume=True))
    assert same(*(checkpoint(tmp_path / out)["generator"] for out in "ad"))


def test_learning_brings_the_target_nearer(photos, tmp_path):
    steps = list(pix2pix(photos, tmp_path / "out", "grey", steps=60, side=64, patch=0, lr=3e-3))
    losses = [step.losses["l1"] for step in steps if step.losses]
    assert losses[-1] < losses[0]


def test_the_discriminator_alone_can_teach(photos, tmp_path):
    steps = list(pix2pix(photos, tmp_path / "out", "edges", steps=20, side=64, patch=1, l1_weight=0.0))
    losses = steps[0].losses
    assert losses["l1"] == 0 < losses["adversarial"]


def test_impossible_trainings_are_refused_in_words(photos, tmp_path, monkeypatch):
    def refused(task="grey", **options):
        with pytest.raises(ValueError, match=r"must be|takes more|of its own") as problem:
            finish(pix2pix(photos, tmp_path / "out", task, steps=1, side=64, **options))
        return str(problem.value)

    assert "one of facades, edges, grey, masked, not “day”" in refused("day")
    assert "one of unet, encoder-decoder, not “resnet”" in refused(generator="resnet")
    assert "grey has a network of its own" in refused(generator="encoder-decoder")
    assert "must be 1, 16" in refused(patch=7)
    for side in (32, 100):
        with pytest.raises(ValueError, match="multiple of 64"):
            finish(pix2pix(photos, tmp_path / "out", "grey", steps=1, side=side))
    monkeypatch.setattr(Pix2Pix, "held_out", 4)
    assert "more than 4 pictures" in refused()


# --- CycleGAN


def test_a_cycle_leaves_both_generators(two_sets, tmp_path):
    steps = list(cycle(two_sets, tmp_path / "out", steps=20, side=32))
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
        Redrawer(channels=(2, 4), blocks=1, context=True).load_state_dict(state, strict=True)
    assert not all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("side", [28, 130])
def test_sides_that_would_not_come_back_are_refused(two_sets, tmp_path, side):
    with pytest.raises(ValueError, match="multiple of four"):
        finish(cycle(two_sets, tmp_path / "out", steps=1, side=side))


def test_too_few_of_a_kind_are_refused(two_sets, monkeypatch, tmp_path):
    monkeypatch.setattr(CycleTranslation, "held_out", 3)
    with pytest.raises(ValueError, match="more than 3 pictures of each"):
        finish(cycle(two_sets, tmp_path / "out", steps=1, side=32))


def test_drawings_are_learned_from_photos_alone(photos, tmp_path):
    options = {"task": "drawings", "steps": 20, "side": 32, "identity_weight": 0.0}
    steps = list(cycle(photos, tmp_path, **options))
    assert "identity" not in next(step.losses for step in steps if step.losses)
    assert {file.stem for file in tmp_path.glob("*.safetensors")} == {"a-to-b", "b-to-a"}
    with pytest.raises(ValueError, match="task must be one of folders, drawings"):
        finish(cycle(photos, tmp_path, task="paintings"))
