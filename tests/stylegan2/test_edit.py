import numpy as np
import pytest
import torch

from gan_models import backend
from gan_models.checkpoints import hub, registry
from gan_models.device import ModelCache
from gan_models.stylegan2 import CombineFaces, EditFace, attributes_of
from gan_models.stylegan2.backend import FaceGenerator
from gan_models.stylegan2.edit import Boundaries, FaceEditor, conditioned, unit_normals
from tests.tiny_models import embed

RNG = np.random.default_rng(0)
WIDTH, LAYERS = 8, 6


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """An editor of a tiny generator with directions for age and smile."""
    sizes = {"z_dim": 5, "c_dim": 0, "w_dim": WIDTH, "img_resolution": 16, "img_channels": 3}
    kind = "gan_models.stylegan2.network:Generator"
    embed(tmp_path, "tiny", kind, task="faces", num_mapping_layers=2, channel_base=128, channel_max=8, **sizes)
    monkeypatch.setattr(registry, "REGISTRY", tmp_path / "registry.toml")
    monkeypatch.setattr(backend, "models", ModelCache(lambda: 10**9))
    boundaries = {name: unit(RNG.normal(size=WIDTH)) for name in ("age", "smile", "hat")}
    return FaceEditor(FaceGenerator.cached("tiny", "cpu"), boundaries)


def unit(vector):
    return vector / np.linalg.norm(vector)


# --- Directions


def test_one_attribute_is_held_as_in_the_paper():
    n1, n2 = unit(RNG.normal(size=12)), unit(RNG.normal(size=12))
    expected = unit(n1 - (n1 @ n2) * n2)
    np.testing.assert_allclose(conditioned(n1, [n2]), expected)


def test_several_attributes_are_held_together():
    normal, held = RNG.normal(size=12), [RNG.normal(size=12) for _ in range(3)]
    found = conditioned(normal, held)
    np.testing.assert_allclose([found @ other for other in held], 0, atol=1e-12)
    basis, _ = np.linalg.qr(np.stack(held, 1))
    np.testing.assert_allclose(found, unit(normal - basis @ (basis.T @ normal)))


def test_the_same_attribute_twice_among_those_held_counts_once():
    normal, other = RNG.normal(size=12), RNG.normal(size=12)
    np.testing.assert_allclose(conditioned(normal, [other, other]), conditioned(normal, [other]))


def test_nothing_may_be_left():
    with pytest.raises(ValueError, match="Nothing is left of smile"):
        conditioned(np.ones(5), [2 * np.ones(5)], "smile")


# --- Edits


def test_a_strength_is_in_units_of_the_faces_own_deviation(editor):
    w = np.zeros((LAYERS, WIDTH), np.float32)
    change = editor.edited(w, {"age": 1.5})[0]
    normal = editor.boundaries["age"]
    z = np.random.RandomState(0).randn(2000, 5)
    deviation = (editor.faces.styles(z)[:, 0] @ normal).std(ddof=1)
    np.testing.assert_allclose(change, 1.5 * deviation * normal, rtol=1e-4)
    np.testing.assert_allclose(editor.edited(w, {"age": 1.5}), np.broadcast_to(change, w.shape))


def test_edits_add_up_and_none_changes_nothing(editor):
    w = RNG.normal(size=(LAYERS, WIDTH)).astype(np.float32)
    np.testing.assert_array_equal(editor.edited(w, {}), w)
    both = editor.edited(w, {"age": 1, "smile": -2})
    apart = editor.edited(editor.edited(w, {"age": 1}), {"smile": -2})
    np.testing.assert_allclose(both, apart, atol=1e-6)


def test_what_is_held_stays_on_its_side(editor):
    w = RNG.normal(size=(LAYERS, WIDTH)).astype(np.float32)
    edited = editor.edited(w, {"age": 2}, ["smile", "hat"])
    for name in ("smile", "hat"):
        np.testing.assert_allclose(edited @ editor.boundaries[name], w @ editor.boundaries[name], atol=1e-5)
    assert ((edited - w) @ editor.boundaries["age"] > 0).all()


def test_an_attribute_that_is_edited_is_not_held_against_itself(editor):
    w = np.zeros((LAYERS, WIDTH), np.float32)
    np.testing.assert_array_equal(editor.edited(w, {"age": 1}, ["age"]), editor.edited(w, {"age": 1}))


@pytest.mark.parametrize(
    ("strength", "sentence"),
    [
        *[(strength, "strength of age must be from -5 to 5") for strength in (5.1, -6)],
        *[(strength, "Strengths must be") for strength in (float("nan"), "much", None, [2])],
    ],
)
def test_strengths_out_of_range(strength, sentence):
    with pytest.raises(ValueError, match=sentence):
        EditFace.ask(edits={"age": strength})


def test_an_edited_face_is_shown_beside_the_one_before(editor):
    (step,) = editor.run(EditFace(seed="3", edits={"age": 2, "smile": 0}, hold=["hat"]))
    w = editor.faces.styles(editor.faces.latents([3]), 0.7)[0]
    np.testing.assert_array_equal(step.before, editor.faces.draw(w))
    np.testing.assert_array_equal(step.result, editor.faces.draw(editor.edited(w, {"age": 2}, ["hat"])))
    assert step.notes == {"seed": 3, "edits": {"age": 2}}


def test_a_sum_is_shown_with_its_averages(editor):
    *steps, last = editor.run(CombineFaces(plus="1, 2", minus="3", also="4"))
    assert [step.drawn.caption for step in steps] == ["Plus", "Minus", "Also plus", "Together"]
    np.testing.assert_array_equal(last.result["image"], steps[-1].drawn.image)
    assert last.notes == {"plus": [1, 2], "minus": [3], "also": [4]}


def test_attributes_that_the_weights_do_not_know(editor):
    with pytest.raises(ValueError, match="changes “wings”; those that do are age, smile, hat"):
        editor.edited(np.zeros((LAYERS, WIDTH), np.float32), {"wings": 1})
    with pytest.raises(ValueError, match="“wings”"):
        editor.direction("age", ["wings"])
    editor.boundaries = {}
    with pytest.raises(ValueError, match="none is known"):
        editor.direction("age")


def test_faces_are_added_up(editor):
    plus, minus, also, together = editor.combined([1, 2], [3], [4, 5], 0.7)
    styles = editor.faces.styles(editor.faces.latents([1, 2, 3, 4, 5]), 0.7)
    np.testing.assert_allclose(plus, styles[:2].mean(0), atol=1e-6)
    np.testing.assert_allclose(minus, styles[2], atol=1e-6)
    np.testing.assert_allclose(together, plus - minus + also, atol=1e-6)


# --- Weights


def published(tmp_path, array):
    """Register a published boundary of the tiny generator, as a file that was fetched."""
    np.save(tmp_path / "boundary.npy", array)
    entry = """
[old-smile]
title = "Smile"
task = "face-boundaries"
config = { attribute = "smile" }
hub = { repo = "a/b", file = "boundary.npy", revision = "main", repo_type = "space" }
format = "npy"
licence = "MIT"
size_mb = 0.1
of = "tiny"
"""
    with (tmp_path / "registry.toml").open("a") as file:
        file.write(entry)
    return tmp_path / "boundary.npy"


def test_published_boundaries_load(editor, tmp_path, monkeypatch):
    normal = unit(RNG.normal(size=(1, WIDTH)))
    file = published(tmp_path, 3 * normal)
    monkeypatch.setattr(hub, "fetch", lambda model, progress=None: file)
    monkeypatch.setattr(hub, "ready", lambda model: True)
    again = FaceEditor.load("tiny", "cpu")
    assert list(again.boundaries) == ["smile"]
    np.testing.assert_allclose(again.boundaries["smile"], normal[0])


def test_what_can_be_edited_is_known_without_loading_anything():
    assert attributes_of("faces-compact") == ["age", "gender", "smile", "long_hair", "dark_hair", "pose"]
    assert set(attributes_of("ffhq-1024")) == {"smile", "young", "eyeglasses", "bald", "hat", "mustache"}
    assert attributes_of("ffhq-256") == []


def test_boundaries_of_another_width_are_refused(editor, tmp_path, monkeypatch):
    file = published(tmp_path, np.ones((1, 512)))
    monkeypatch.setattr(hub, "fetch", lambda model, progress=None: file)
    with pytest.raises(ValueError, match="none of latents of 8 numbers"):
        unit_normals(registry.get("old-smile"), WIDTH)


def test_boundaries_that_are_not_here_are_left_out_offline(editor, tmp_path, monkeypatch):
    published(tmp_path, np.ones((1, WIDTH)))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert FaceEditor.load("tiny", "cpu").boundaries == {}


def test_normals_are_buffers_by_name():
    normals = Boundaries(["age", "smile"], 4)
    assert {name: tuple(value.shape) for name, value in normals.state_dict().items()} == {
        "age": (1, 4),
        "smile": (1, 4),
    }
    assert normals.probe().shape == (2, 4)


# --- The embedded ones


@pytest.mark.parametrize(("attribute", "share"), [("age", 0.9), ("gender", 0.9), ("smile", 0.9), ("dark_hair", 0.9)])
def test_embedded_directions_move_their_attribute_the_right_way(attribute, share):
    from gan_models import checkpoints
    from gan_models.attributes import NAMES
    from gan_models.images.tensors import to_tensor

    editor, network = FaceEditor.cached(), checkpoints.load("face-attributes-compact", "cpu")
    latents = editor.faces.styles(editor.faces.latents(range(500, 520)), 0.7)

    def score(ws):
        with torch.inference_mode():
            return network(torch.cat([to_tensor(editor.faces.draw(w)) for w in ws]))[:, NAMES.index(attribute)]

    before, after = score(latents), score([editor.edited(w, {attribute: 2}) for w in latents])
    assert (after > before).float().mean() >= share
