"""The training lab as other people's code calls it."""

import io
import time
import zipfile

import av
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from demos.training_lab.endpoints import ON_PICTURES, ON_POINTS
from gan_models.classic.families import FAMILIES, OF_POINTS
from gan_models.images import decode, read_provenance
from gan_models.images.video import read_video_provenance

UNKNOWN = "trained-" + "0" * 32
SHORT = {"steps": 30, "side": 16, "batch_size": 8}


@pytest.fixture(scope="module")
def client(app):
    return Client(app.url, verbose=False)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Twenty pictures of two kinds."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "set.zip"
    with zipfile.ZipFile(path, "w") as target:
        for number in range(20):
            stream = io.BytesIO()
            picture = rng.integers(0, 80, (24, 24, 3), np.uint8)
            picture[6:18, 6:18, number % 2] = 230
            Image.fromarray(picture).save(stream, "PNG")
            target.writestr(f"{('red', 'green')[number % 2]}/{number}.png", stream.getvalue())
    return handle_file(path)


@pytest.fixture(scope="module")
def trained(client, archive):
    return client.predict(dataset=[archive], family="cgan", **SHORT, seed=1, api_name="/train_gan")


def test_names_are_those_of_the_backend():
    assert set(ON_PICTURES) == set(FAMILIES)
    assert set(ON_POINTS) == set(OF_POINTS)


def test_parameters_are_those_of_the_contract(client):
    parameters = client.view_api(return_format="dict")["named_endpoints"]["/train_gan"]["parameters"]
    assert [parameter["parameter_name"] for parameter in parameters][:4] == ["dataset", "family", "steps", "seed"]


def test_a_training_returns_pictures_curves_a_film_and_a_model(trained):
    sheets, curves, film, model, name, status, settings = trained
    assert decode(sheets[0]["image"]).shape == (96, 96, 3)
    record = read_provenance(sheets[0]["image"])
    assert record == settings
    assert (record["task"], record["seed"], record["settings"]["family"]) == ("pictures", 1, "cgan")
    assert decode(curves).ndim == 3
    assert read_video_provenance(film)["settings"]["steps"] == 30
    with av.open(film) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 2
    assert model.endswith(".safetensors")
    assert name.startswith("trained-")
    assert "20 pictures of 16 pixels" in status


def test_one_draws_with_what_was_trained(client, trained):
    name = trained[4]
    drawn, status, settings = client.predict(model=name, seed="3", count=4, kind="red", api_name="/generate_pictures")
    assert len(drawn) == 4
    assert decode(drawn[0]["image"]).shape == (16, 16, 3)
    assert "your own model" in status
    assert name not in str(settings)
    assert settings["sha256"] == read_provenance(drawn[0]["image"])["sha256"]


def test_kinds_in_turn_are_named_and_drawn_again_by_their_settings(client):
    drawn, *_ = client.predict(model="cifar-cgan", seed="7", count=12, api_name="/generate_pictures")
    captions = [drawn[place]["caption"] for place in (0, 1, 11)]
    assert captions == ["Seed 7, airplane", "Seed 8, automobile", "Seed 18, automobile"]
    record = read_provenance(drawn[1]["image"])
    options = {"seed": str(record["seed"]), "kind": record["settings"]["kind"], "count": 1}
    (again,), *_ = client.predict(model="cifar-cgan", **options, api_name="/generate_pictures")
    np.testing.assert_array_equal(decode(again["image"]), decode(drawn[1]["image"]))


def test_a_training_goes_on_and_a_model_comes_back(client, archive, trained):
    name, options = trained[4], {"dataset": [archive], "family": "cgan", **SHORT, "seed": 1}
    again = client.predict(**options | {"steps": 40}, resume=name, api_name="/train_gan")
    assert again[4] == name
    assert again[0][0]["caption"] == "Step 40"
    brought = client.predict(file=handle_file(again[3]), api_name="/load_generator")
    assert brought != name
    pictures = [
        decode(client.predict(model=model, seed="5", count=1, api_name="/generate_pictures")[0][0]["image"])
        for model in (name, brought)
    ]
    np.testing.assert_array_equal(*pictures)


def test_a_cancelled_training_goes_on(client):
    job = client.submit(dataset=None, family="dcgan", **SHORT | {"steps": 5000}, api_name="/train_gan")
    name = None
    for _ in range(300):
        outputs = job.outputs()
        if len(outputs) > 3 and "generator" in str(outputs[-1]):
            name = outputs[-1][4]
            break
        time.sleep(0.1)
    job.cancel()
    assert name, "no losses within half a minute"
    *_, status, settings = client.predict(
        dataset=None, family="dcgan", **SHORT | {"steps": 5}, resume=name, api_name="/train_gan"
    )
    assert settings["settings"]["steps"] == 5
    assert "600 pictures" in status


def test_points_are_covered_and_counted(client):
    path, curves, film, counted, status, settings = client.predict(
        points="ring", family="gan", steps=100, seed=2, api_name="/train_toy"
    )
    assert decode(path).shape == (384, 384, 3)
    assert counted["of"] == 8
    assert 0 <= counted["modes"] <= 8
    assert f"{counted['modes']} of 8 modes" in status
    assert settings["settings"]["points"] == "ring"
    assert read_video_provenance(film)["seed"] == 2
    assert decode(curves).ndim == 3


def test_two_lines(client):
    found, plot = client.predict(theta=0.5, api_name="/two_lines")
    assert found["Jensen–Shannon"] == pytest.approx(np.log(2), abs=1e-4)
    assert found["earth mover"] == pytest.approx(0.5)
    assert found["gradient by the critic"] > 0.5 > found["gradient by the discriminator"]
    assert decode(plot).ndim == 3


def test_embedded_models_draw_film_and_add_up(client):
    drawn, *_ = client.predict(api_name="/generate_pictures")
    assert len(drawn) == 16
    again, *_ = client.predict(seed="2", count=1, api_name="/generate_pictures")
    np.testing.assert_array_equal(decode(drawn[1]["image"]), decode(again[0]["image"]))
    film, status, _ = client.predict(seeds="1, 2", frames=3, api_name="/interpolate_pictures")
    assert read_video_provenance(film)["settings"]["seeds"] == [1, 2]
    assert "6 pictures" in status
    means, *_ = client.predict(seeds="1", minus="2", plus="2", api_name="/combine_pictures")
    assert [one["caption"] for one in means] == ["First", "Minus", "Plus", "Sum"]
    first, total = (decode(means[place]["image"]).astype(int) for place in (0, 3))
    assert np.abs(first - total).max() <= 1


def test_a_picture_goes_there_and_back(client, app):
    example = handle_file(next((app.root / "examples" / "pictures").iterdir()))
    path, *_ = client.predict(image=example, api_name="/reconstruct_picture")
    assert decode(path).shape == (64, 64, 3)
    with pytest.raises(AppError, match="no encoder"):
        client.predict(image=example, model="pokemon-dcgan", api_name="/reconstruct_picture")


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [
        ("/train_gan", {"dataset": None, "side": 20}, "not in the list|side must be one of"),
        ("/train_gan", {"dataset": None, "family": "vae"}, "not in the list"),
        ("/train_gan", {"dataset": None, "steps": 0}, "minimum value"),
        ("/train_gan", {"dataset": None, "resume": UNKNOWN}, "not here any more"),
        ("/train_gan", {"dataset": None, "resume": "../.."}, "not here any more"),
        ("/train_toy", {"family": "dcgan"}, "not in the list"),
        ("/train_toy", {"lr": 0.5}, "maximum value"),
        ("/two_lines", {"theta": 3}, "maximum value|-1 to 1"),
        ("/generate_pictures", {"seed": "x"}, "seed"),
        ("/generate_pictures", {"kind": "cow"}, "knows none|not in the list"),
        ("/generate_pictures", {"model": "faces-compact"}, "for faces, not for pictures"),
        ("/generate_pictures", {"model": UNKNOWN}, "not here any more"),
        ("/interpolate_pictures", {"seeds": "1"}, "two seeds at least"),
        ("/combine_pictures", {"minus": "x"}, "no seed"),
        ("/reconstruct_picture", {"image": None}, "Choose a picture first"),
    ],
)
def test_bad_wishes_get_one_sentence(client, endpoint, arguments, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(**arguments, api_name=endpoint)


@pytest.mark.parametrize(("name", "content"), [("../evil.png", b"x"), ("a.txt", b"x"), ("a.png", b"no picture")])
def test_bad_archives_get_one_sentence(client, tmp_path, name, content):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        target.writestr(name, content)
    with pytest.raises(AppError, match=r"outside itself|no pictures|not a picture"):
        client.predict(dataset=[handle_file(tmp_path / "a.zip")], **SHORT, api_name="/train_gan")


def test_a_file_that_is_no_generator_gets_one_sentence(client, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"no")
    with pytest.raises(AppError, match="not a generator"):
        client.predict(file=handle_file(tmp_path / "a.safetensors"), api_name="/load_generator")
