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
from gan_models.deblurring.trainer import Deblurring
from gan_models.jobs import finish
from gan_models.nn.losses import PerceptualLoss
from gan_models.training.degraded import DegradedPairs
from gan_models.training.paired import Wasserstein
from tests.tiny_models import embed
from tests.trainings import built, cancel, checkpoint, same, training

SMALL = {"batch_size": 1, "patch": 32}
NAME = "deblur-compact.safetensors"


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """Keep one picture for validation, and put a tiny network in place of the registered features."""
    monkeypatch.setattr(Deblurring, "held_out", 1)
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


OBJECTIVES = ("pixels", "squared", "content", "deblurgan")


def train(data, out, **options):
    return training(Deblurring, out, data=data, **SMALL | options)


def weights(out):
    return load_state_dict_file(out / NAME, "safetensors")


# --- Runs


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_run_leaves_weights_that_load_strictly(data, tmp_path, objective):
    steps = list(train(data, tmp_path / "out", steps=4, objective=objective))
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
    monkeypatch.setattr(Deblurring, "report_every", 1)
    steps = train(data, tmp_path / "out", steps=2, objective=objective)
    assert [set(step.losses) for step in steps if step.losses] == [terms] * 2


def test_objectives_differ(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Deblurring, "rate", 1e-2)
    for objective in OBJECTIVES:
        finish(train(data, tmp_path / objective, steps=2, objective=objective))
    found = [weights(tmp_path / objective) for objective in OBJECTIVES]
    assert not any(same(a, b) for a, b in combinations(found, 2))


def test_a_run_may_start_from_anothers_averaged_weights(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Deblurring, "rate", 1e-2)
    finish(train(data, tmp_path / "first", steps=3, objective="pixels"))
    monkeypatch.setattr(Deblurring, "fine_rate", 0.0)
    finish(train(data, tmp_path / "second", steps=1, objective="deblurgan", start=tmp_path / "first"))
    assert same(weights(tmp_path / "first"), weights(tmp_path / "second"))
    with pytest.raises(FileNotFoundError):
        finish(train(data, tmp_path / "third", steps=1, start=tmp_path / "nothing"))


def test_one_seed_gives_one_result(data, tmp_path):
    for out, seed in (("a", 5), ("b", 5), ("c", 6)):
        finish(train(data, tmp_path / out, steps=2, seed=seed))
    a, b, c = (weights(tmp_path / out) for out in "abc")
    assert same(a, b)
    assert not same(a, c)


@pytest.mark.parametrize("objective", ["deblurgan", "squared"])
def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(data, tmp_path, monkeypatch, objective):
    monkeypatch.setattr(Deblurring, "report_every", 1)
    options = {"objective": objective, "steps": 4}
    finish(train(data, tmp_path / "whole", **options))
    cancel(train(data, tmp_path / "parts", **options), after=2)
    finish(train(data, tmp_path / "parts", resume=True, **options))
    whole, parts = (checkpoint(tmp_path / name) for name in ("whole", "parts"))
    assert same(whole["generator"], parts["generator"])
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_resuming_needs_a_checkpoint(data, tmp_path):
    with pytest.raises(FileNotFoundError):
        finish(train(data, tmp_path / "nothing", steps=1, resume=True))


def test_an_unknown_objective_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="pixels, squared, content, deblurgan, not “sharp”"):
        finish(train(data, tmp_path / "out", steps=1, objective="sharp"))
    assert not (tmp_path / "out").exists()


def test_pictures_have_to_be_as_large_as_a_patch_with_its_margin(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Deblurring, "longest", 31)
    with pytest.raises(ValueError, match="at least 63 pixels"):
        finish(train(data, tmp_path / "out", steps=1, batch_size=1, patch=33))


def test_training_brings_the_result_nearer(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Deblurring, "longest", 7)
    blurry = DegradedPairs(
        data, 32, lambda image, rng: trainer.random_blur(image, rng, Deblurring.longest), held_out=1
    )
    before = blurry.validate(nn.Identity())
    steps = train(data, tmp_path / "out", steps=60, batch_size=4, patch=32)
    assert finish(steps) > before + 0.1


# --- Objectives


def test_content_and_pixels_are_weighed(data):
    content = built(Deblurring, data=data, objective="content", **SMALL).content
    made, original = torch.rand(4, 3, 16, 16), torch.rand(4, 3, 16, 16)
    terms = content(made, original)
    perceptual = PerceptualLoss(checkpoints.load("features-compact", "cpu"), trainer.CONTENT_LAYERS)
    assert set(terms) == {"pixels", "content"}
    pixels = (made - original).abs().mean().item()
    assert terms["pixels"].item() == pytest.approx(trainer.PIXEL_WEIGHT * pixels)
    features = perceptual(made[: trainer.SEEN], original[: trainer.SEEN]).item()
    assert terms["content"].item() == pytest.approx(trainer.CONTENT_WEIGHT * features)


def test_the_squared_objective_is_the_squared_error_alone(data):
    content = built(Deblurring, data=data, objective="squared", **SMALL).content
    made, original = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    ((name, value),) = content(made, original).items()
    assert name == "squared"
    assert value.item() == pytest.approx((made - original).square().mean().item())


def test_only_deblurgan_has_a_critic(data):
    for objective, adversary in (("deblurgan", Wasserstein), ("content", type(None)), ("squared", type(None))):
        assert type(built(Deblurring, data=data, objective=objective, **SMALL).adversary) is adversary


def test_pairs_are_blurred_and_sharp_views_of_one_patch(data):
    source = built(Deblurring, data=data, **SMALL).source
    source.intact = 0
    blurry, sharp = source.batch(12, np.random.default_rng(0))
    assert blurry.shape == sharp.shape == (12, 3, 32, 32)

    def detail(pictures):
        return pictures.diff(dim=3).abs().mean((1, 2, 3)) + pictures.diff(dim=2).abs().mean((1, 2, 3))

    assert detail(blurry).mean() < 0.8 * detail(sharp).mean()
    nearness = (blurry - sharp).square().mean()
    assert nearness < (blurry.roll(1, 0) - sharp).square().mean()
    assert nearness > 1e-4
