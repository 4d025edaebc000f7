"""Training of controlled faces, on small networks."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.gan_control import trainer
from gan_models.gan_control.measures import CONTROLS, Measures
from gan_models.gan_control.model import ControlledGenerator, Stack
from gan_models.jobs import finish
from gan_models.stylegan2.network import Generator, normalize
from tests.trainings import cancel, same, training

CPU = torch.device("cpu")
GROUPS = {"identity": 4, "age": 2, "pose": 2, "expression": 2, "illumination": 2, "hair": 2, "rest": 2}
SIZES = {"img_resolution": 16, "channel_base": 64, "channel_max": 4}
STACKS = {"mapping_layers": 2, "mapping_width": 8, "control_layers": 2, "control_width": 8}


def faces():
    torch.manual_seed(0)
    return Generator(6, 0, 16, img_channels=3, num_mapping_layers=2, **SIZES).requires_grad_(False)


def measures():
    torch.manual_seed(1)
    rater = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 6))
    identity = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 8))
    return Measures(rater, identity).requires_grad_(False)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(trainer.checkpoints, "load", lambda name, device: faces())
    monkeypatch.setattr(trainer, "load_measures", lambda device: measures())
    small = {"GROUPS": GROUPS, "SIZES": SIZES, "STACKS": STACKS, "SAMPLES": 32, "ALONE": 1}
    for name, value in small.items():
        monkeypatch.setattr(trainer, name, value)
    monkeypatch.setattr(trainer.FaceControls, "regressed", 150)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for index in range(4):
        Image.fromarray(np.full((16, 16, 3), 60 * index, np.uint8)).save(folder / f"{index}.png")
    return folder


@pytest.mark.parametrize("layers", [2, 4])
def test_a_stack_can_begin_by_letting_everything_through(layers):
    stack = Stack(5, 13, 5, layers)
    trainer.pass_through(stack)
    x = torch.randn(7, 5)
    torch.testing.assert_close(stack(x), x, rtol=0, atol=1e-4)


def test_each_part_is_that_of_four_rows():
    parts = ControlledGenerator(GROUPS, CONTROLS, **SIZES, **STACKS).mapping.parts
    latents = torch.randn(trainer.BATCH, 16)
    z, shared = trainer.sharing(latents, parts)
    for name, together in shared.items():
        values = z[:, parts[name]]
        alike = (values[:, None] == values).all(2)
        assert torch.equal(together, alike.clone().fill_diagonal_(False))
        assert (alike.sum(1) == trainer.SHARING).all()
        assert all((latents[:, parts[name]] == row).all(1).any() for row in values)
    assert torch.equal(z[:, parts["rest"]], latents[:, parts["rest"]])
    assert not torch.equal(shared["age"], shared["pose"])


def test_the_contrast_pulls_sharers_together_and_others_apart():
    zeros = {name: torch.zeros(4, size) for name, size in CONTROLS.items()} | {"identity": torch.eye(4)}
    found = zeros | {"age": torch.tensor([[0.0], [1.0], [0.2], [5.0]])}
    first, last = torch.zeros(4, 4, dtype=torch.bool), torch.zeros(4, 4, dtype=torch.bool)
    first[0, 1] = first[1, 0] = last[2, 3] = last[3, 2] = True
    losses = trainer.contrastive(found, {"age": first, "pose": last})
    # Rows 0 and 1 share the age and are 1 apart, where 0.15 would be near enough. Of the others 0 and 2 are 0.2
    # apart, and 1 and 2 are 0.8 apart, where it should be 0.9.
    assert losses["age"].item() == pytest.approx((1 - 0.15) + (0.7 + 0.1) / 5, abs=1e-3)
    # All poses are alike: right for rows 2 and 3, wrong for all others.
    assert losses["pose"].item() == pytest.approx(0.9, abs=1e-3)


def test_a_shifted_face_is_the_face():
    torch.manual_seed(0)
    face = torch.rand(1, 3, 16, 16)
    moved = trainer.shifted(face)
    assert moved.shape == face.shape
    windows = nn.functional.unfold(nn.functional.pad(face, [2] * 4, mode="reflect"), 16)
    assert any(torch.equal(window, moved.flatten()) for window in windows[0].T)


def test_a_rotation_turns_and_nothing_else():
    spread = torch.randn(16, 16)
    turned = trainer.rotation(faces(), torch.zeros(16), spread, measures())
    torch.testing.assert_close(turned.T @ turned, torch.eye(16), rtol=0, atol=1e-4)


def test_the_beginning_draws_what_the_faces_draw(monkeypatch):
    monkeypatch.setattr(trainer, "rotation", lambda *arguments: torch.eye(16))
    measured = measures()
    generator = trainer.beginning(measured, CPU)
    plain = faces()
    w = plain.mapping(torch.randn(10_000, 6))[:, 0]
    values, vectors = torch.linalg.eigh(torch.cov(w.T))
    z = torch.randn(3, 16)
    u = torch.cat([normalize(part) for part in z.split(list(GROUPS.values()), 1)], 1)
    same = w.mean(0) + u @ (vectors * values.clamp(min=1e-6).sqrt()).T
    expected = plain.synthesis(same[:, None].repeat(1, plain.num_ws, 1), "const")
    torch.testing.assert_close(generator(z, noise_mode="const"), expected, rtol=0, atol=1e-3)


def test_training_goes_on_where_it_stopped(data, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "rotation", lambda *arguments: torch.eye(16))
    monkeypatch.setattr(trainer.GANControl, "report_every", 1)
    options = {"data": data, "steps": 4}
    finish(training(trainer.GANControl, tmp_path / "whole", **options))
    cancel(training(trainer.GANControl, tmp_path / "parts", **options), after=2)
    finish(training(trainer.GANControl, tmp_path / "parts", resume=True, **options))
    whole, parts = (
        load_state_dict_file(tmp_path / name / "generator.safetensors", "safetensors") for name in ("whole", "parts")
    )
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name
    begun = trainer.beginning(measures(), CPU).state_dict()
    assert not torch.equal(whole["synthesis.b4.const"], begun["synthesis.b4.const"].half())


def test_controls_learn_and_the_generator_stays(data, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer.FaceControls, "report_every", 1)
    finish(training(trainer.GANControl, tmp_path / "first", data=data, steps=2))
    options = {"start": tmp_path / "first", "steps": 160, "samples": trainer.BATCH}
    steps = list(training(trainer.FaceControls, tmp_path / "second", **options))
    regressed = [step.losses for step in steps if "age" in step.losses]
    first, last = (np.mean([sum(losses.values()) for losses in part]) for part in (regressed[:10], regressed[-10:]))
    assert last < first
    assert any("age, measured" in step.losses for step in steps)
    before, after = (
        load_state_dict_file(tmp_path / name / "generator.safetensors", "safetensors") for name in ("first", "second")
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("controls.") for name in changed)
    cancel(training(trainer.FaceControls, tmp_path / "parts", **options), after=155)
    finish(training(trainer.FaceControls, tmp_path / "parts", resume=True, **options))
    again = load_state_dict_file(tmp_path / "parts" / "generator.safetensors", "safetensors")
    assert same(again, after)
