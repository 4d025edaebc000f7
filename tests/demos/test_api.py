"""The API as other people's code calls it."""

import time
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from gan_models.images import decode, read_provenance
from gan_models.images.video import read_video_provenance
from gan_models.metrics.measure import measure


@pytest.fixture(scope="module")
def client(app):
    return Client(app.url, verbose=False)


def write_picture(path, colour, size=(40, 30)):
    Image.new("RGB", size, colour).save(path)
    return handle_file(path)


def test_endpoints_are_named_typed_and_documented(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    faces = {"/generate_faces", "/mix_styles", "/interpolate_faces", "/edit_face", "/combine_faces"}
    faces |= {f"/{action}_face" for action in ("align", "invert", "colorize", "inpaint", "measure")}
    tasks = ("train", "load", "sample", "harmonize", "edit", "paint", "animate", "upscale")
    restored = {
        f"/{task}{kind}"
        for task in ("dehaze", "deblur", "upscale", "fast_stylize", "translate")
        for kind in ("", "_pictures", "_film")
    }
    assert set(endpoints) == {
        "/models",
        "/stylize",
        *faces,
        *restored,
        *("/control_face", "/control_sheet"),
        *("/train_gan", "/load_generator", "/train_toy", "/two_lines", "/reconstruct_picture"),
        *(f"/{action}_pictures" for action in ("generate", "interpolate", "combine")),
        *(f"/singan_{task}" for task in tasks),
        *("/measure", "/measure_sets", "/sifid"),
        *(f"/opinion_{action}" for action in ("start", "rate", "prefer", "table")),
    }
    parameters = {parameter["parameter_name"]: parameter for parameter in endpoints["/upscale"]["parameters"]}
    assert list(parameters) == ["image", "model", "factor", "reference"]
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


def test_a_reference_says_how_near_the_result_comes(client, app, tmp_path):
    original = Image.open(app.root / "examples/super-resolution/cat.png").crop((0, 0, 160, 120))
    original.save(tmp_path / "original.png")
    original.resize((40, 30), Image.Resampling.BOX).save(tmp_path / "small.png")
    files = {"image": handle_file(tmp_path / "small.png"), "reference": handle_file(tmp_path / "original.png")}
    result, record = client.predict(**files, api_name="/upscale")
    near = measure(decode(result), decode(tmp_path / "original.png"), ("psnr", "ssim"))
    assert record["settings"] == {"factor": 4, "measured": near}
    with pytest.raises(AppError, match="The reference has 160×120 pixels"):
        client.predict(**files, factor=2, api_name="/upscale")


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


def test_ten_callers_at_once_are_all_answered_rightly(app, tmp_path):
    rng = np.random.default_rng(0)
    colours = rng.integers(30, 226, (10, 3))
    images = [
        write_picture(tmp_path / f"{i}.png", tuple(map(int, colour)), (100 + i, 80))
        for i, colour in enumerate(colours)
    ]
    Client(app.url, verbose=False).predict(image=images[0], api_name="/upscale")
    before = resident_mb(app.pid)

    def call(index):
        caller = Client(app.url, verbose=False, httpx_kwargs={"timeout": 120})  # a busy machine takes its time
        return decode(caller.predict(image=images[index], api_name="/upscale")[0])

    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(call, range(10)))
    for i, (colour, result) in enumerate(zip(colours, results, strict=True)):
        assert result.shape == (320, 400 + 4 * i, 3)
        assert np.abs(result.mean(axis=(0, 1)) - colour).max() < 8
    assert resident_mb(app.pid) - before < 400


# --- Faces


def pictures(gallery):
    return [decode(item["image"]) for item in gallery]


def test_faces_carry_what_made_them(client):
    gallery, latents, settings = client.predict(seed="5, 9", truncation=0.5, api_name="/generate_faces")
    assert [item["caption"] for item in gallery] == ["Seed 5", "Seed 9"]
    assert [picture.shape for picture in pictures(gallery)] == [(64, 64, 3)] * 2
    record = read_provenance(gallery[1]["image"])
    assert (record["task"], record["seed"], record["weights"]) == ("faces", 9, "faces-compact")
    assert record["settings"] == {"truncation": 0.5, "noise": "const", "count": 8, "latents": None}
    assert settings["settings"]["seeds"] == [5, 9]
    assert np.load(latents).shape == (2, 10, 128)


def test_a_seed_gives_the_same_face_alone_and_among_others_and_from_its_latent(client):
    among, latents, *_ = client.predict(seed="7", count=4, api_name="/generate_faces")
    alone, *_ = client.predict(seed=8, count=1, api_name="/generate_faces")
    again, *_ = client.predict(latents=handle_file(latents), api_name="/generate_faces")
    np.testing.assert_array_equal(pictures(alone)[0], pictures(among)[1])
    np.testing.assert_array_equal(pictures(again), pictures(among))


def test_faces_are_mixed(client):
    mixture, shown, *_ = client.predict(content_seed=1, style_seed=2, crossover=0, api_name="/mix_styles")
    content, style, last = pictures(shown)
    np.testing.assert_array_equal(decode(mixture), last)
    np.testing.assert_array_equal(last, style)
    assert not np.array_equal(content, style)
    records = [read_provenance(item["image"]) for item in shown]
    assert [record["seed"] for record in records] == [1, 2, None]
    assert (records[2]["settings"]["action"], records[2]["settings"]["crossover"]) == ("mix", 0)
    partly, *_ = client.predict(content_seed=1, style_seed=2, crossover=2, last_layer=5, api_name="/mix_styles")
    assert read_provenance(partly)["settings"]["last_layer"] == 5
    assert not np.array_equal(decode(partly), last)


def test_faces_are_filmed(client):
    film, *_ = client.predict(seeds="1, 2", frames=6, loop=False, api_name="/interpolate_faces")
    record = read_video_provenance(film)
    assert record["settings"]["seeds"] == [1, 2]
    assert record["weights"] == "faces-compact"
    with av.open(film) as container:
        assert sum(1 for _ in container.decode(video=0)) == 7


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [
        ("/generate_faces", {"seed": "seven"}, "“seven” is no seed"),
        ("/generate_faces", {"count": 0}, "Count must be at least 1, not 0"),
        ("/generate_faces", {"count": 17}, "Count must be at most 16, not 17"),
        ("/generate_faces", {"truncation": -1}, "Truncation must be at least 0, not -1"),
        ("/generate_faces", {"truncation": 2}, "Truncation must be at most 1.5, not 2"),
        ("/generate_faces", {"model": "sr-psnr-compact"}, "are for super-resolution, not for faces"),
        ("/mix_styles", {"crossover": 12}, "layers 0 to 9; the crossover"),
        ("/mix_styles", {"content_seed": -1}, "must be at least 0, not -1"),
        ("/interpolate_faces", {"seeds": "4"}, "at least two seeds"),
        ("/interpolate_faces", {"frames": 0}, "Frames must be at least 1, not 0"),
        ("/interpolate_faces", {"space": "x"}, "Space must be one of w, z, not “x”"),
    ],
)
def test_bad_wishes_for_faces_get_one_sentence(client, endpoint, arguments, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(**arguments, api_name=endpoint)


def test_latents_of_a_wrong_size_get_one_sentence(client, tmp_path):
    np.save(tmp_path / "w.npy", np.zeros((1, 18, 512), np.float32))
    with pytest.raises(AppError, match="10×128 finite numbers, not 1×18×512"):
        client.predict(latents=handle_file(tmp_path / "w.npy"), api_name="/generate_faces")
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(AppError, match="not a readable"):
        client.predict(latents=handle_file(tmp_path / "text.npy"), api_name="/generate_faces")
