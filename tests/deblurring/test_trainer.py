from itertools import combinations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gan_models import checkpoints
from gan_models.checkpoints import registry
from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.deblurring import trainer
from gan_models.jobs import finish
from gan_models.nn.losses import PerceptualLoss
from gan_models.training import degraded, paired
from gan_models.training.degraded import DegradedPairs
from gan_models.training.paired import Wasserstein
from tests.tiny_models import embed

SMALL = {"batch_size": 1, "patch": 32}
NAME = "deblur-compact.safetensors"


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """Keep one picture for validation, and put a tiny network in place of the registered features."""
    monkeypatch.setattr(degraded, "HELD_OUT", 1)
    network = "gan_models.nn.features.network:VGG"
    embed(tmp_path, "features-compact", network, channels=[4, 4, 6], depths=[2, 2, 3], pool="average")
    monkeypatch.setattr(registry, "REGISTRY", tmp_path / "registry.toml")


@pytest.fixture
def data(tmp_path):
    """A folder of three pictures: waves of different lengths."""
    folder = tmp_path / "data"
    folder.mkdir()
    for index, (height, width) in enumerate([(64, 70), (62, 62), (80, 66)]):
        y, x = np.mgrid[:height, :width]
        waves = np.stack([np.sin(x / 2 + index), np.cos(y / 3), np.sin((x + y) / 4)], axis=2)
        Image.fromarray((128 + 100 * waves).astype(np.uint8)).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def given(monkeypatch):
    """What `train` hands to `train_paired`, which is not run: its arguments by place and by name."""
    arguments = {}

    def noted(*places, **names):
        arguments.update(zip(("name", "out", "pairs", "network", "content"), places, strict=True), **names)
        return iter(())

    monkeypatch.setattr(trainer, "train_paired", noted)
    return arguments


def weights(out):
    return load_state_dict_file(out / NAME, "safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# --- Runs


@pytest.mark.parametrize("objective", trainer.OBJECTIVES)
def test_a_run_leaves_weights_that_load_strictly(data, tmp_path, objective):
    steps = list(trainer.train(data, tmp_path / "out", steps=4, objective=objective, **SMALL))
    assert (steps[-1].index, steps[-1].total) == (4, 4)
    assert 5 < steps[-1].result < 60
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"checkpoint.pt", NAME}
    network = trainer.compact_network()
    network.load_state_dict(weights(tmp_path / "out"), strict=True)
    assert network(torch.rand(1, 3, 8, 8)).isfinite().all()


@pytest.mark.parametrize(
    ("objective", "terms"),
    [
        ("deblurgan", {"pixels", "content", "adversarial", "discriminator"}),
        ("content", {"pixels", "content"}),
        ("squared", {"squared"}),
        ("pixels", {"pixels"}),
    ],
)
def test_each_objective_counts_its_terms(data, tmp_path, monkeypatch, objective, terms):
    monkeypatch.setattr(paired, "REPORT_EVERY", 1)
    steps = trainer.train(data, tmp_path / "out", steps=2, objective=objective, **SMALL)
    assert [set(step.losses) for step in steps if step.losses] == [terms] * 2


def test_objectives_differ(data, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "RATE", 1e-2)
    for objective in trainer.OBJECTIVES:
        finish(trainer.train(data, tmp_path / objective, steps=2, objective=objective, **SMALL))
    found = [weights(tmp_path / objective) for objective in trainer.OBJECTIVES]
    assert not any(same(a, b) for a, b in combinations(found, 2))


def test_a_run_may_start_from_anothers_averaged_weights(data, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "RATE", 1e-2)
    finish(trainer.train(data, tmp_path / "first", steps=3, objective="pixels", **SMALL))
    monkeypatch.setattr(trainer, "FINE_RATE", 0.0)
    finish(trainer.train(data, tmp_path / "second", steps=1, start=tmp_path / "first", **SMALL))
    assert same(weights(tmp_path / "first"), weights(tmp_path / "second"))
    with pytest.raises(FileNotFoundError):
        finish(trainer.train(data, tmp_path / "third", steps=1, start=tmp_path / "nothing", **SMALL))


def test_one_seed_gives_one_result(data, tmp_path):
    for out, seed in (("a", 5), ("b", 5), ("c", 6)):
        finish(trainer.train(data, tmp_path / out, steps=2, seed=seed, **SMALL))
    a, b, c = (weights(tmp_path / out) for out in "abc")
    assert same(a, b)
    assert not same(a, c)


@pytest.mark.parametrize("objective", ["deblurgan", "squared"])
def test_a_resumed_run_goes_on_where_it_stopped(data, tmp_path, objective):
    options = {"objective": objective, **SMALL}
    finish(trainer.train(data, tmp_path / "out", steps=2, **options))
    first = weights(tmp_path / "out")
    steps = list(trainer.train(data, tmp_path / "out", steps=4, resume=True, **options))
    assert steps[0].index == 4
    assert not same(weights(tmp_path / "out"), first)


def test_resuming_needs_a_checkpoint(data, tmp_path):
    with pytest.raises(FileNotFoundError):
        finish(trainer.train(data, tmp_path / "nothing", steps=1, resume=True, **SMALL))


def test_an_unknown_objective_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="deblurgan, content, squared, pixels, not “sharp”"):
        finish(trainer.train(data, tmp_path / "out", steps=1, objective="sharp", **SMALL))
    assert not (tmp_path / "out").exists()


def test_pictures_have_to_be_as_large_as_a_patch_with_its_margin(data, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "LONGEST", 31)
    with pytest.raises(ValueError, match="at least 63 pixels"):
        finish(trainer.train(data, tmp_path / "out", steps=1, batch_size=1, patch=33))


def test_training_brings_the_result_nearer(data, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "RATE", 1e-3)
    blurry = DegradedPairs(data, 32, 0, lambda image, rng: trainer.random_blur(image, rng, trainer.LONGEST))
    before = blurry.validate(nn.Identity())
    steps = trainer.train(data, tmp_path / "out", steps=80, objective="pixels", batch_size=4, patch=32)
    assert finish(steps) > before + 0.1


# --- Objectives


def test_content_and_pixels_are_weighed(data, tmp_path, given):
    finish(trainer.train(data, tmp_path / "out"))
    made, original = torch.rand(4, 3, 16, 16), torch.rand(4, 3, 16, 16)
    terms = given["content"](made, original)
    perceptual = PerceptualLoss(checkpoints.load("features-compact", "cpu"), trainer.CONTENT_LAYERS)
    assert set(terms) == {"pixels", "content"}
    pixels = (made - original).abs().mean().item()
    assert terms["pixels"].item() == pytest.approx(trainer.PIXEL_WEIGHT * pixels)
    features = perceptual(made[: trainer.SEEN], original[: trainer.SEEN]).item()
    assert terms["content"].item() == pytest.approx(trainer.CONTENT_WEIGHT * features)


def test_the_squared_objective_is_the_squared_error_alone(data, tmp_path, given):
    finish(trainer.train(data, tmp_path / "out", objective="squared"))
    made, original = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    ((name, value),) = given["content"](made, original).items()
    assert name == "squared"
    assert value.item() == pytest.approx((made - original).square().mean().item())


def test_only_deblurgan_has_a_critic(data, tmp_path, given):
    for objective, adversary in (("deblurgan", Wasserstein), ("content", type(None)), ("squared", type(None))):
        finish(trainer.train(data, tmp_path / "out", objective=objective, steps=100))
        assert type(given["adversary"]) is adversary


def test_pairs_are_blurred_and_sharp_views_of_one_patch(data, tmp_path, given, monkeypatch):
    monkeypatch.setattr(degraded, "INTACT", 0)
    finish(trainer.train(data, tmp_path / "out", patch=32))
    blurry, sharp = given["pairs"](0).batch(12)
    assert blurry.shape == sharp.shape == (12, 3, 32, 32)

    def detail(pictures):
        return pictures.diff(dim=3).abs().mean((1, 2, 3)) + pictures.diff(dim=2).abs().mean((1, 2, 3))

    assert detail(blurry).mean() < 0.8 * detail(sharp).mean()
    nearness = (blurry - sharp).square().mean()
    assert nearness < (blurry.roll(1, 0) - sharp).square().mean()
    assert nearness > 1e-4
