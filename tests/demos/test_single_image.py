"""The endpoints of the single-image tab as other people's code calls them."""

import time

import av
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from gan_models.images import decode, read_provenance
from gan_models.images.video import read_video_provenance

SIZE = (85, 128, 3)
UNKNOWN = "trained-" + "0" * 32


@pytest.fixture(scope="module")
def client(app):
    return Client(app.url, verbose=False)


@pytest.fixture(scope="module")
def trained(client, tmp_path_factory):
    """A model that was trained on a small picture, and hardly, so that it takes a second."""
    path = tmp_path_factory.mktemp("picture") / "small.png"
    Image.effect_noise((12, 12), 60).convert("RGB").save(path)
    return client.predict(image=handle_file(path), iterations=20, api_name="/singan_train")


def write(path, picture):
    Image.fromarray(picture).save(path)
    return handle_file(path)


def training_picture(app, size=SIZE):
    with Image.open(app.root / "examples/single-image/balloons.png") as picture:
        return np.asarray(picture.convert("RGB").resize(size[1::-1]))


def test_defaults_are_those_of_the_contract(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    names = {
        "train": ["image", "preset", "seed"],
        "sample": ["model", "count", "start_scale", "width_factor", "height_factor", "seed"],
        "harmonize": ["model", "composite", "mask", "start_scale"],
        "edit": ["model", "edited", "mask", "start_scale"],
        "paint": ["model", "painting", "start_scale"],
        "animate": ["model", "start_scale", "alpha", "beta", "frames", "fps", "seed"],
        "upscale": ["image", "factor", "preset"],
    }
    for task, expected in names.items():
        parameters = endpoints[f"/singan_{task}"]["parameters"]
        assert [parameter["parameter_name"] for parameter in parameters][: len(expected)] == expected
        defaults = {parameter["parameter_name"]: parameter["parameter_default"] for parameter in parameters}
        assert defaults.get("model", "singan-balloons") == "singan-balloons"


def test_samples_come_at_once_and_carry_what_made_them(client):
    gallery, *_ = client.predict(count=2, seed=5, width_factor=1.5, api_name="/singan_sample")
    assert [item["caption"] for item in gallery] == ["Seed 5", "Seed 6"]
    assert [decode(item["image"]).shape for item in gallery] == [(85, 192, 3)] * 2
    record = read_provenance(gallery[1]["image"])
    assert (record["task"], record["seed"], record["weights"]) == ("single-image", 6, "singan-balloons")
    assert record["settings"]["width_factor"] == 1.5
    again, *_ = client.predict(count=1, seed=6, width_factor=1.5, api_name="/singan_sample")
    np.testing.assert_array_equal(decode(again[0]["image"]), decode(gallery[1]["image"]))


@pytest.mark.parametrize(("task", "name"), [("harmonize", "composite"), ("edit", "edited")])
def test_only_what_is_masked_changes(app, client, tmp_path, task, name):
    picture = training_picture(app).copy()
    picture[20:40, 30:60] = (250, 0, 250)
    mask = np.zeros(SIZE, np.uint8)
    mask[20:40, 30:60] = 255
    files = {name: write(tmp_path / "a.png", picture), "mask": write(tmp_path / "m.png", mask)}
    result, *_ = client.predict(**files, api_name=f"/singan_{task}")
    found = decode(result)
    assert found.shape == SIZE
    np.testing.assert_array_equal(found[60:, 90:], picture[60:, 90:])
    assert np.abs(found[25:35, 35:55].astype(int) - picture[25:35, 35:55]).mean() > 8
    assert read_provenance(result)["settings"]["action"] == task


def test_a_composite_keeps_its_own_size(app, client, tmp_path):
    picture = training_picture(app, (170, 256, 3))
    files = {"composite": write(tmp_path / "a.png", picture), "mask": write(tmp_path / "m.png", picture)}
    result, *_ = client.predict(**files, api_name="/singan_harmonize")
    assert decode(result).shape == (170, 256, 3)


def test_paintings_become_pictures(app, client):
    painting = handle_file(app.root / "examples/single-image-paintings/balloons.png")
    plain, *_ = client.predict(painting=painting, api_name="/singan_paint")
    quantized, *_ = client.predict(painting=painting, quantize=True, api_name="/singan_paint")
    assert decode(plain).shape == decode(quantized).shape == SIZE
    assert not np.array_equal(decode(plain), decode(quantized))


def test_what_is_left_out_is_chosen(client):
    gallery, *_ = client.predict(count=1, start_scale=None, seed=None, api_name="/singan_sample")
    again, *_ = client.predict(count=1, start_scale=0, seed=0, api_name="/singan_sample")
    np.testing.assert_array_equal(decode(gallery[0]["image"]), decode(again[0]["image"]))


def test_films_move_without_jumps_and_loop(client):
    film, gif, *_ = client.predict(frames=24, api_name="/singan_animate")
    if isinstance(film, dict):
        film = film["video"]
    with av.open(film) as container:
        frames = np.array([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)], float)
    assert len(frames) == 24
    changes = np.abs(np.diff([*frames, frames[0]], axis=0)).mean((1, 2, 3))
    assert 0.2 < np.median(changes) < 8
    assert changes.max() <= 3 * np.median(changes)
    assert changes[-1] <= 2 * np.median(changes)
    assert read_video_provenance(film)["settings"] == read_video_provenance(gif)["settings"]
    assert read_video_provenance(gif)["weights"] == "singan-balloons"


def test_a_trained_model_is_used_by_its_name_and_never_told(client, trained):
    name, samples, curves, file, *_ = trained
    assert name.startswith("trained-")
    assert len(samples) == 6
    assert decode(curves).shape[2] == 3
    gallery, *_ = client.predict(model=name, count=1, api_name="/singan_sample")
    record = read_provenance(gallery[0]["image"])
    assert record["weights"] is None
    assert len(record["sha256"]) == 64
    with open(gallery[0]["image"], "rb") as content:
        assert name.encode() not in content.read()
    assert decode(gallery[0]["image"]).shape == (12, 12, 3)
    assert file.endswith(".safetensors")


def test_a_model_is_brought_back(client, trained):
    name = client.predict(file=handle_file(trained[3]), api_name="/singan_load")
    assert name.startswith("trained-")
    assert name != trained[0]
    first, *_ = client.predict(model=trained[0], count=1, api_name="/singan_sample")
    second, *_ = client.predict(model=name, count=1, api_name="/singan_sample")
    np.testing.assert_array_equal(decode(first[0]["image"]), decode(second[0]["image"]))


def test_a_cancelled_training_goes_on(client, tmp_path):
    picture = handle_file(write(tmp_path / "a.png", np.full((11, 11, 3), 60, np.uint8))["path"])
    asked = {"image": picture, "iterations": 200, "api_name": "/singan_train"}
    job = client.submit(seed=3, **asked)
    while not job.outputs():
        time.sleep(0.1)
    time.sleep(2)
    name = job.outputs()[-1][0]
    job.cancel()
    with pytest.raises(AppError, match="has other data or options"):
        _until_free(client, lambda: client.predict(seed=4, resume=name, **asked))
    again, *_ = client.predict(seed=3, resume=name, **asked)
    assert again == name


def _until_free(client, call):
    """Call again while what was cancelled has not been written yet."""
    for _ in range(50):
        try:
            return call()
        except AppError as problem:
            if "other data" in str(problem):
                raise
        time.sleep(0.2)
    pytest.fail("the state never came")


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [
        ("sample", {"count": 17}, "Count must be at most 16"),
        ("sample", {"start_scale": 6}, "0 to 5, not 6"),
        ("sample", {"width_factor": 9}, "Width must be at most 4"),
        ("sample", {"model": UNKNOWN}, "not here any more"),
        ("sample", {"model": "trained-../../etc"}, "not here any more"),
        ("sample", {"model": "faces-compact"}, "not for single-image"),
        ("sample", {"model": "nonsense"}, "no model “nonsense”"),
        ("animate", {"alpha": 2}, "Alpha must be at most 1"),
        ("animate", {"fps": 0}, "Pictures a second must be at least 1"),
        ("paint", {"painting": None}, "Paint something first"),
        ("sample", {"start_scale": 1.5}, "a whole number"),
        ("harmonize", {"composite": None, "mask": None}, "Place something"),
        ("train", {"image": None}, "picture first"),
        ("train", {"image": None, "preset": "x"}, "picture first"),
    ],
)
def test_bad_wishes_get_one_sentence(client, endpoint, arguments, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(**arguments, api_name=f"/singan_{endpoint}")


@pytest.mark.parametrize(
    ("size", "asked", "sentence"),
    [
        ((8, 30), {}, "11×11 pixels or more"),
        ((12, 120), {}, "8 times as long"),
        ((12, 12), {"iterations": 0}, "Iterations must be at least 1"),
    ],
)
def test_trainings_of_no_use_get_one_sentence(client, tmp_path, size, asked, sentence):
    picture = write(tmp_path / "a.png", np.zeros((*size, 3), np.uint8))
    with pytest.raises(AppError, match=sentence):
        client.predict(image=picture, **asked, api_name="/singan_train")


def test_a_model_without_a_training_does_not_go_on(client, trained, tmp_path):
    name = client.predict(file=handle_file(trained[3]), api_name="/singan_load")
    picture = write(tmp_path / "a.png", np.zeros((12, 12, 3), np.uint8))
    with pytest.raises(AppError, match="no cancelled training"):
        client.predict(image=picture, resume=name, api_name="/singan_train")


@pytest.fixture(params=["L", "RGBA", "I;16"])
def unusual(request, tmp_path):
    noise = np.random.default_rng(0).integers(0, 65536, (11, 11), np.uint16)
    Image.fromarray(noise if request.param == "I;16" else (noise >> 8).astype(np.uint8)).save(tmp_path / "a.png")
    if request.param == "RGBA":
        Image.open(tmp_path / "a.png").convert("RGBA").save(tmp_path / "a.png")
    return handle_file(tmp_path / "a.png")


def test_any_kind_of_picture_can_be_learned_from(client, unusual):
    name, samples, *_ = client.predict(image=unusual, iterations=3, api_name="/singan_train")
    assert name.startswith("trained-")
    assert decode(samples[0]["image"]).shape == (11, 11, 3)


def test_files_that_are_no_models_get_one_sentence(client, tmp_path):
    (tmp_path / "a.safetensors").write_text("no model")
    with pytest.raises(AppError, match="not a SinGAN model"):
        client.predict(file=handle_file(tmp_path / "a.safetensors"), api_name="/singan_load")
