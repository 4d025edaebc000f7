import re
from dataclasses import fields

import numpy as np
import pytest
import torch
from PIL import Image

from gan_models.checkpoints import registry
from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.jobs import finish
from gan_models.super_resolution import trainer
from gan_models.super_resolution.network import CompactSRResNet, Discriminator
from gan_models.super_resolution.trainer import PSNR, SRGAN, Patches, Poor
from tests.tiny_models import embed
from tests.trainings import cancel, checkpoint, same, training

CARDS = registry.REGISTRY.parent
SMALL = {"batch_size": 2, "patch": 8}


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """Keep one picture for validation, and put a tiny network in place of the registered features."""
    monkeypatch.setattr(PSNR, "held_out", 1)
    embed(
        tmp_path,
        "features-compact",
        "gan_models.nn.features.network:VGG",
        channels=[4, 4, 6],
        depths=[2, 2, 3],
        pool="average",
    )
    monkeypatch.setattr(registry, "REGISTRY", tmp_path / "registry.toml")


@pytest.fixture
def data(tmp_path):
    """A folder of three pictures of different sizes: colours that change slowly, with some waves on top."""
    folder = tmp_path / "data"
    folder.mkdir()
    for index, (height, width) in enumerate([(50, 61), (48, 48), (70, 44)]):
        y, x = np.mgrid[:height, :width]
        waves = 20 * np.sin(x / 2 + index) * np.cos(y / 3)
        picture = np.stack([40 + 2 * x + waves, 200 - 2 * y + waves, 90 + x + y - waves], axis=2)
        Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def start(data, tmp_path):
    """The folder that a training for fidelity left."""
    finish(training(PSNR, tmp_path / "start", data=data, steps=2, **SMALL))
    return tmp_path / "start"


@pytest.fixture(params=["psnr", "gan"])
def train(request, data, start):
    """Either trainer, bound to its data, and the name of the weights it leaves."""
    kind, more = {"psnr": (PSNR, {}), "gan": (SRGAN, {"start": start})}[request.param]
    return lambda out, **options: training(
        kind, out, data=data, **more, **SMALL | options
    ), kind.name + ".safetensors"


def weights(path):
    return load_state_dict_file(path, "safetensors")


@pytest.fixture
def batches(monkeypatch):
    """The list to which every batch that a trainer takes is added."""
    taken, batch = [], Patches.batch

    def counted(self, *arguments):
        taken.append(batch(self, *arguments))
        return taken[-1]

    monkeypatch.setattr(Patches, "batch", counted)
    return taken


# --- Runs


def test_a_run_leaves_weights_that_load_strictly(train, tmp_path):
    run, name = train
    steps = list(run(tmp_path / "out", steps=3))
    assert [step.index for step in steps] == sorted(step.index for step in steps)
    assert (steps[-1].index, steps[-1].total) == (3, 3)
    assert 5 < steps[-1].result < 60
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"checkpoint.pt", name}
    state = weights(tmp_path / "out" / name)
    assert all(value.dtype == torch.float16 for value in state.values())
    network = CompactSRResNet()
    network.load_state_dict(state, strict=True)
    assert network(torch.rand(1, 3, 8, 8)).isfinite().all()


def test_losses_are_told_every_twenty_steps(train, tmp_path):
    run, _ = train
    steps = [step for step in run(tmp_path / "out", steps=40, batch_size=1, patch=4) if step.losses]
    assert [step.index for step in steps] == [20, 40]
    assert all(np.isfinite(list(step.losses.values())).all() for step in steps)


def test_one_seed_gives_one_result(train, tmp_path):
    run, name = train
    for out, seed in (("a", 5), ("b", 5), ("c", 6)):
        finish(run(tmp_path / out, steps=2, seed=seed))
    a, b, c = (weights(tmp_path / out / name) for out in "abc")
    assert same(a, b)
    assert not same(a, c)


def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(train, tmp_path, batches, monkeypatch):
    monkeypatch.setattr(PSNR, "report_every", 1)
    run, name = train
    finish(run(tmp_path / "whole", steps=5))
    cancel(run(tmp_path / "parts", steps=5), after=3)
    batches.clear()
    steps = list(run(tmp_path / "parts", steps=5, resume=True))
    assert len(batches) == 2
    assert [step.index for step in steps] == [4, 5, 5]
    assert same(*(checkpoint(tmp_path / out)["generator"] for out in ("whole", "parts")))
    assert same(*(weights(tmp_path / out / name) for out in ("whole", "parts")))


def test_a_run_that_is_not_resumed_begins_anew(train, tmp_path, batches):
    run, _ = train
    finish(run(tmp_path / "out", steps=2))
    batches.clear()
    finish(run(tmp_path / "out", steps=2))
    assert len(batches) == 2


def test_a_finished_run_can_be_resumed(train, tmp_path):
    run, name = train
    result = finish(run(tmp_path / "out", steps=2))
    (tmp_path / "out" / name).unlink()
    assert finish(run(tmp_path / "out", steps=2, resume=True)) == pytest.approx(result)
    assert (tmp_path / "out" / name).exists()


def test_resuming_needs_a_checkpoint(train, tmp_path):
    run, _ = train
    with pytest.raises(FileNotFoundError):
        finish(run(tmp_path / "nothing", steps=2, resume=True))


def test_training_lowers_the_error(data, tmp_path):
    steps = training(PSNR, tmp_path / "out", data=data, steps=60, batch_size=2, patch=8, lr=0.01)
    losses = [step.losses["absolute error"] for step in steps if step.losses]
    assert len(losses) == 3
    assert losses[-1] < 0.7 * losses[0]


def test_adversarial_training_sets_out_from_the_faithful_weights(data, start, tmp_path):
    out = tmp_path / "out"
    finish(training(SRGAN, out, data=data, start=start, steps=1, lr=0.0, **SMALL))
    before, after = weights(start / "sr-psnr-compact.safetensors"), weights(out / "sr-gan-compact.safetensors")
    assert same(before, after)


def test_the_seed_decides_where_the_discriminator_begins(data, start, tmp_path, monkeypatch):
    made = []

    def recorded():
        network = Discriminator()
        made.append({name: value.clone() for name, value in network.state_dict().items()})
        return network

    monkeypatch.setattr(trainer, "Discriminator", recorded)
    for seed in (1, 1, 2):
        finish(training(SRGAN, tmp_path / "out", data=data, start=start, steps=1, seed=seed, **SMALL))
    assert same(made[0], made[1])
    assert not same(made[0], made[2])


@pytest.mark.parametrize("kind", [PSNR, SRGAN])
def test_the_command_in_the_card_trains_as_the_card_says(kind):
    card = (CARDS / f"{kind.name}.md").read_text(encoding="utf-8")
    command = re.search(r"^ +python -m gan_models train .*$", card, re.MULTILINE)[0]
    assert "--steps" not in command
    steps, batch_size, patch = re.search(r"([\d,]+)\s+steps of (\d+) patches of (\d+)×", card).groups()
    defaults = {field.name: field.default for field in fields(kind)}
    assert defaults["steps"] == int(steps.replace(",", ""))
    assert (defaults["batch_size"], defaults["patch"]) == (int(batch_size), int(patch))


# --- Patches


def test_patches_are_pairs_of_a_small_and_a_large_view(data):
    patches = Patches(data, 8, 1)
    small, large = patches.batch(6, np.random.default_rng(0))
    assert small.shape == (6, 3, 8, 8)
    assert large.shape == (6, 3, 32, 32)
    averaged = large.unflatten(2, (8, 4)).unflatten(4, (8, 4)).mean((3, 5))
    assert (averaged - small).abs().mean() < 0.02
    assert (averaged - small.flip(3)).abs().mean() > 0.03


def test_patches_come_turned_and_mirrored(data):
    patches = Patches(data, 8, 1)
    small, _ = patches.batch(64, np.random.default_rng(0))
    horizontal, vertical = small.diff(dim=3).mean((1, 2, 3)), small.diff(dim=2).mean((1, 2, 3))
    assert {(h > 0, abs(h) > abs(v)) for h, v in zip(horizontal.tolist(), vertical.tolist(), strict=True)} == {
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    }


def test_the_held_out_picture_is_not_trained_on(data):
    held_out = [Patches(data, 8, 1).held_out[0][1] for _ in range(2)]
    assert np.array_equal(*held_out)
    trained_on = [large.shape for _, large in Patches(data, 8, 1).pairs]
    assert len(trained_on) == 2
    assert held_out[0].shape not in trained_on


def test_too_few_pictures_are_refused_in_words(data, tmp_path, monkeypatch):
    monkeypatch.setattr(PSNR, "held_out", 3)
    with pytest.raises(ValueError, match="more than 3 pictures"):
        finish(training(PSNR, tmp_path / "out", data=data, steps=1, **SMALL))


def test_too_small_pictures_are_refused_in_words(data, tmp_path):
    with pytest.raises(ValueError, match="52"):
        finish(training(PSNR, tmp_path / "out", data=data, steps=1, batch_size=1, patch=13))


# --- Schedule


def test_the_learning_rate_warms_up_and_falls_to_nothing():
    rates = [2 * trainer.share_of_rate(index, 100, warmup=10) for index in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[50] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0)


# --- Poor photos


def test_poor_photos_are_learned_from_the_embedded_weights(data, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "REGISTRY", CARDS / "registry.toml")
    embedded = weights(CARDS / "sr-psnr-compact.safetensors")
    finish(training(Poor, tmp_path / "none", data=data, steps=1, lr=0.0, **SMALL))
    assert same(weights(tmp_path / "none" / "sr-real-compact.safetensors"), embedded)
    finish(training(Poor, tmp_path / "some", data=data, steps=2, **SMALL))
    assert not same(weights(tmp_path / "some" / "sr-real-compact.safetensors"), embedded)


def test_small_patches_are_poor_and_show_what_the_large_ones_do(data):
    source = trainer.PoorPatches(data, 8, held_out=1)
    small, large = source.batch(24, np.random.default_rng(0))
    assert (small.shape, large.shape) == ((24, 3, 8, 8), (24, 3, 32, 32))
    good = torch.nn.functional.avg_pool2d(large, 4)
    errors = (small - good).abs().mean((1, 2, 3))
    assert errors.max() > 3 * errors.min()
    assert errors.mean() < (small.roll(1, 0) - good).abs().mean() / 2
    (bad, whole), *_ = source.held_out
    assert whole.shape[:2] == tuple(4 * side for side in bad.shape[:2])
