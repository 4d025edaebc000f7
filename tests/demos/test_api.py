"""The API as other people's code calls it."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from gan_models.images import decode, read_provenance


@pytest.fixture(scope="module")
def client(app):
    return Client(app.url, verbose=False)


def write_picture(path, colour, size=(40, 30)):
    Image.new("RGB", size, colour).save(path)
    return handle_file(path)


def test_endpoints_are_named_typed_and_documented(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert set(endpoints) == {"/upscale", "/models"}
    parameters = {parameter["parameter_name"]: parameter for parameter in endpoints["/upscale"]["parameters"]}
    assert list(parameters) == ["image", "model", "factor"]
    assert parameters["model"]["parameter_default"] == "sr-psnr-compact"
    assert parameters["factor"]["parameter_default"] == 4
    assert not parameters["image"]["parameter_has_default"]
    assert "Enlarge a picture" in endpoints["/upscale"]["description"]


def test_models_lists_what_there_is(client):
    models = client.predict(task="super-resolution", api_name="/models")
    assert {"sr-psnr-compact", "sr-gan-compact", "real-esrgan-x4plus"} <= {model["name"] for model in models}
    for model in models:
        assert set(model) == {"name", "task", "source", "licence", "size_mb", "ready"}
        assert model["task"] == "super-resolution"
        assert model["ready"] == (model["source"] == "embedded")
    assert len(client.predict(api_name="/models")) > len(models)


@pytest.mark.parametrize("factor", [2, 4])
def test_upscale_returns_the_result_first(client, tmp_path, factor):
    image = write_picture(tmp_path / "a.png", (200, 40, 60))
    result, *_ = client.predict(image=image, factor=factor, api_name="/upscale")
    picture = decode(result)
    assert picture.shape == (30 * factor, 40 * factor, 3)
    assert np.abs(picture.mean(axis=(0, 1)) - (200, 40, 60)).max() < 8
    record = read_provenance(result)
    assert record["task"] == "super-resolution"
    assert record["weights"] == "sr-psnr-compact"
    assert record["settings"] == {"factor": factor}
    assert len(record["sha256"]) == 64


def test_transparency_comes_back(client, tmp_path):
    picture = np.zeros((24, 24, 4), np.uint8)
    picture[6:18, 6:18] = (255, 0, 0, 255)
    Image.fromarray(picture).save(tmp_path / "alpha.png")
    result, *_ = client.predict(image=handle_file(tmp_path / "alpha.png"), api_name="/upscale")
    enlarged = decode(result)
    assert enlarged.shape == (96, 96, 4)
    assert enlarged[48, 48, 3] > 250
    assert enlarged[4, 4, 3] < 5


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"only text, whatever its name", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (b"", "empty"),
    ],
)
def test_bad_files_get_one_sentence_and_the_next_call_works(client, tmp_path, content, sentence):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(AppError) as problem:
        client.predict(image=handle_file(tmp_path / "bad.png"), api_name="/upscale")
    assert sentence in str(problem.value)
    assert "Traceback" not in str(problem.value)
    assert "/" not in str(problem.value)
    result, *_ = client.predict(image=write_picture(tmp_path / "good.png", "teal"), api_name="/upscale")
    assert decode(result).shape == (120, 160, 3)


def test_missing_picture_and_too_large_result_get_one_sentence(client, tmp_path):
    with pytest.raises(AppError, match="picture first"):
        client.predict(image=None, api_name="/upscale")
    large = write_picture(tmp_path / "large.png", "white", (2000, 1500))
    started = time.monotonic()
    with pytest.raises(AppError, match="at most 20 are made here") as problem:
        client.predict(image=large, api_name="/upscale")
    assert "1290×968" in str(problem.value)
    assert time.monotonic() - started < 10


def test_weights_that_are_not_here_are_refused_offline_at_once(client, tmp_path):
    image = write_picture(tmp_path / "a.png", "teal")
    with pytest.raises(AppError, match="offline"):
        client.predict(image=image, model="real-esrgan-x4plus", api_name="/upscale")
    with pytest.raises(AppError, match="nonsense"):
        client.predict(image=image, model="nonsense", api_name="/upscale")


def test_a_path_on_the_server_is_not_read(client):
    with pytest.raises(AppError) as problem:
        client.predict(image={"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}, api_name="/upscale")
    assert "Traceback" not in str(problem.value)


def resident_mb(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1000


def test_twenty_callers_at_once_are_all_answered_rightly(app, tmp_path):
    rng = np.random.default_rng(0)
    colours = rng.integers(30, 226, (20, 3))
    images = [
        write_picture(tmp_path / f"{i}.png", tuple(map(int, colour)), (100 + i, 80))
        for i, colour in enumerate(colours)
    ]
    Client(app.url, verbose=False).predict(image=images[0], api_name="/upscale")
    before = resident_mb(app.pid)

    def call(index):
        caller = Client(app.url, verbose=False)
        return decode(caller.predict(image=images[index], api_name="/upscale")[0])

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(call, range(20)))
    for i, (colour, result) in enumerate(zip(colours, results, strict=True)):
        assert result.shape == (320, 400 + 4 * i, 3)
        assert np.abs(result.mean(axis=(0, 1)) - colour).max() < 8
    assert resident_mb(app.pid) - before < 400
