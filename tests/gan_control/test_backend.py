"""The backend of face control, on a small network with random weights."""

import numpy as np
import pytest
import torch

from gan_models.checkpoints import registry
from gan_models.gan_control import COMPACT, PUBLISHED, ControlFace, ControlSheet
from gan_models.gan_control.backend import FaceController
from gan_models.gan_control.measures import CONTROLS
from gan_models.gan_control.model import ControlledGenerator
from gan_models.jobs import finish
from tests.gan_control import published
from tests.gan_control.test_trainer import GROUPS, SIZES, STACKS

PARTS = {"age": slice(4, 6), "pose": slice(6, 8), "illumination": slice(10, 12)}


def backend(network):
    return FaceController(network.eval().requires_grad_(False), registry.get("faces-control-compact"), "cpu")


@pytest.fixture(scope="module")
def faces():
    torch.manual_seed(0)
    return backend(ControlledGenerator(GROUPS, CONTROLS, **SIZES, **STACKS))


@pytest.fixture
def w(faces):
    return faces.styles(faces.latents([3]))[0]


def test_a_control_changes_its_part_of_w_alone(faces, w):
    changed = faces.controlled(w, {"age": 60, "pose": -1})
    expected = w.copy()
    for name, value in (("age", (60 - 33) / 20), ("pose", -1)):
        expected[:, PARTS[name]] = faces.network.controls[name](torch.tensor([[float(value)]])).numpy()
    np.testing.assert_allclose(changed, expected, atol=1e-6)


def test_numbers_of_a_control_that_are_not_asked_for_stay_as_they_are(faces, w):
    found = faces.measured(faces.draw(w))
    changed = faces.controlled(w, {"light": 1.5})
    value = torch.tensor([[found["brightness"], 1.5, found["light_up"]]])
    np.testing.assert_allclose(
        changed[:, PARTS["illumination"]], faces.network.controls["illumination"](value).repeat(len(w), 1), atol=1e-5
    )


def test_nothing_asked_changes_nothing(faces, w):
    np.testing.assert_array_equal(faces.controlled(w, {}), w)


def test_measures_are_in_the_units_of_the_controls(faces, w):
    found = faces.measured(faces.draw(w))
    assert found.keys() == COMPACT.keys()
    assert all(np.isfinite(value) for value in found.values())


@pytest.mark.parametrize(
    ("controls", "problem"),
    [
        ({"beard": 1}, "no control “beard”; they have age, pose"),
        ({"age": 200}, "age must be a number from 5 to 80"),
        ({"light_up": 3}, "light up must be a number from -2 to 2"),
        ({"pose": float("nan")}, "pose must be a number"),
    ],
)
def test_what_cannot_be_asked_is_refused(faces, w, controls, problem):
    with pytest.raises(ValueError, match=problem):
        faces.controlled(w, controls)


@pytest.mark.parametrize("controls", [{"light_up": "high"}, {"pose": None}, {"pose": float("nan")}, "old", [1]])
def test_controls_are_numbers_by_name(controls):
    with pytest.raises(ValueError, match="Controls must be"):
        ControlFace.ask(controls=controls)


def test_a_controlled_face_is_shown_beside_the_one_before_and_measured(faces):
    (step,) = faces.run(ControlFace(seed="3", controls={"age": 60}))
    w = faces.styles(faces.latents([3]), 0.7)[0]
    np.testing.assert_array_equal(step.before, faces.draw(w))
    np.testing.assert_array_equal(step.result, faces.draw(faces.controlled(w, {"age": 60})))
    assert step.notes["seed"] == 3
    assert step.notes["measured"].keys() == COMPACT.keys()
    assert f"age {step.notes['measured']['age']:g} (asked: 60)" in step.message


def test_published_weights_take_years_degrees_and_colours():
    network = ControlledGenerator(
        {"orientation": 4, "age": 4, "hair": 4}, {"age": 1, "orientation": 3, "hair": 3}, **SIZES, **STACKS
    )
    faces = backend(network)
    assert faces.asked is PUBLISHED
    w = faces.styles(faces.latents([0]))[0]
    assert faces.measured(faces.draw(w)) == {}
    changed = faces.controlled(w, {"yaw": 30, "hair_red": 255})
    turned = network.controls["orientation"](torch.tensor([[30.0, 0.0, 0.0]])).numpy()
    red = network.controls["hair"](torch.tensor([[1.0, 0.0, 0.0]])).numpy()
    np.testing.assert_allclose(changed[0], np.concatenate([turned[0], w[0, 4:8], red[0]]), atol=1e-6)


def test_a_sheet_varies_one_control_in_rows(faces):
    *_, last = faces.run(ControlSheet(seeds="1, 2", control="hair", columns=3))
    sheet = last.result
    assert sheet.shape == (32, 48, 3)
    assert last.notes == {"seeds": [1, 2], "values": [-2, 0, 2]}
    second = faces.styles(faces.latents([2]), 0.7)[0]
    np.testing.assert_array_equal(sheet[16:, 32:], faces.draw(faces.controlled(second, {"hair": 2})))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"seeds": "1", "control": "beard"}, "no control “beard”"),
        ({"seeds": "1-7", "control": "age"}, "1 to 6 faces"),
        ({"seeds": "1", "control": "age", "columns": 1}, "Values must be at least 2"),
        ({"seeds": "1", "control": "age", "columns": 12}, "Values must be at most 11"),
    ],
)
def test_sheets_are_bounded(faces, options, problem):
    with pytest.raises(ValueError, match=problem):
        finish(faces.run(ControlSheet.ask(**options)))


def test_the_archives_size_is_that_of_its_configuration():
    assert ControlledGenerator(**published.CONFIG).probe().shape == (1, 3, 32, 32)
