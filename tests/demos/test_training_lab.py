"""The training lab as other people's code calls it."""

import io
import re
import time
import zipfile

import av
import numpy as np
import pytest
from demos.training_lab.endpoints import ON_PICTURES, ON_POINTS, train_gan
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from gan_models.classic.families import FAMILIES, OF_POINTS
from gan_models.classic.model import load
from gan_models.images import decode, read_provenance
from gan_models.images.video import VideoWriter, read_video_provenance

UNKNOWN = "trained-" + "0" * 32
SHORT = {"steps": 30, "side": 16, "batch_size": 8}
CHOSEN = {"trim": True, "z_dim": 12, "norm": "spectral", "lr": 1e-3, "lr_d": 1e-4}


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
    return client.predict(dataset=[archive], family="cgan", **SHORT, **CHOSEN, seed=1, api_name="/train_gan")


def test_names_are_those_of_the_backend():
    assert set(ON_PICTURES) == set(FAMILIES)
    assert set(ON_POINTS) == set(OF_POINTS)


def test_parameters_are_those_of_the_contract(client):
    parameters = client.view_api(return_format="dict")["named_endpoints"]["/train_gan"]["parameters"]
    assert [parameter["parameter_name"] for parameter in parameters][:4] == ["dataset", "family", "steps", "seed"]


def test_a_training_returns_pictures_curves_a_film_and_a_model(trained):
    sheets, curves, film, model, name, status, settings = trained
    assert [sheet["caption"].partition(":")[0] for sheet in sheets] == ["Step 30", "Step 25"]
    assert decode(sheets[0]["image"]).shape == (96, 96, 3)
    record = read_provenance(sheets[0]["image"])
    assert record == settings
    assert (record["task"], record["seed"], record["settings"]["family"]) == ("pictures", 1, "cgan")
    assert SHORT.items() | CHOSEN.items() <= record["settings"].items()
    assert load(model)[0].z_dim == 12
    assert decode(curves).ndim == 3
    assert read_video_provenance(film)["settings"]["steps"] == 30
    with av.open(film) as container:
        assert sum(1 for _ in container.decode(video=0)) == 2
    assert model.endswith(".safetensors")
    assert name.startswith("trained-")
    assert "18 pictures of 16 pixels learned, 2 held out" in status


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
    name, options = trained[4], {"dataset": [archive], "family": "cgan", **SHORT, **CHOSEN, "seed": 1}
    again = client.predict(**options | {"steps": 40}, resume=name, api_name="/train_gan")
    assert again[4] == name
    assert [sheet["caption"].partition(":")[0] for sheet in again[0]] == ["Step 40", "Step 30", "Step 25"]
    assert again[6]["settings"]["steps"] == 40
    brought = client.predict(file=handle_file(again[3]), api_name="/load_generator")
    assert brought != name
    pictures = [
        decode(client.predict(model=model, seed="5", count=1, api_name="/generate_pictures")[0][0]["image"])
        for model in (name, brought)
    ]
    np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize("steps", [30, 20])
def test_a_training_that_has_had_its_steps_is_left_as_it_is(client, archive, trained, steps):
    options = {"dataset": [archive], "family": "cgan", **SHORT, **CHOSEN, "resume": trained[4]}
    with pytest.raises(AppError, match=r"has had \d+ steps; ask for more"):
        client.predict(**options | {"steps": steps}, api_name="/train_gan")


def steps_shown(job):
    return [int(found[1]) for shown in job.outputs() if (found := re.search(r"Step (\d+) of", shown[5]))]


def test_a_cancelled_training_leaves_a_model_and_goes_on(client):
    options = {"dataset": None, "family": "dcgan", "side": 16, "batch_size": 32}
    job = client.submit(**options, steps=20_000, api_name="/train_gan")
    seen = None
    for _ in range(600):
        seen = next((shown for shown in job.outputs() if isinstance(shown[3], str)), None)
        if seen:
            break
        time.sleep(0.1)
    job.cancel()
    assert seen, "no sheet within a minute"
    model, name = seen[3:5]
    assert load(model)[0].z_dim == 128
    drawn, status, _ = client.predict(model=name, seed="3", count=1, api_name="/generate_pictures")
    assert decode(drawn[0]["image"]).shape == (16, 16, 3)
    assert "your own model" in status
    reached = steps_shown(job)[-1]
    steps = 25 * (reached // 25 + 4)
    go_on = client.submit(**options, steps=steps, resume=name, api_name="/train_gan")
    again, *_, status, settings = go_on.result()
    captions = [int(re.match(r"Step (\d+)", sheet["caption"])[1]) for sheet in again]
    assert captions == list(range(steps, 0, -25))[:12], "a sheet is missing or there twice"
    assert steps_shown(go_on)[0] > reached
    assert settings["settings"]["steps"] == steps
    assert "540 pictures of 16 pixels learned, 60 held out" in status


def test_a_film_that_cannot_be_written_takes_no_model_along(tmp_path, monkeypatch):
    def full(writer):
        raise OSError("no space left")

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(VideoWriter, "finish", full)
    with pytest.raises(OSError, match="no space left"):
        list(train_gan(None, steps=5, side=16, batch_size=4))
    (file,) = tmp_path.rglob("*.safetensors")
    assert load(file)[0].z_dim == 128


def test_too_many_files_are_refused_before_any_is_read(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(5001)]
    for path in paths:
        path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="5000 pictures at most"):
        next(train_gan(list(map(str, paths)), **SHORT))


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


def test_borders_are_cut_off_before_a_picture_goes_there(client, tmp_path):
    figure = np.full((20, 20, 3), 250, np.uint8)
    figure[4:16, 6:14] = (200, 30, 60)
    found = {}
    for border in (0, 30):
        path = tmp_path / f"{border}.png"
        Image.fromarray(np.pad(figure, ((border, border), (border, border), (0, 0)), constant_values=250)).save(path)
        for trim in (True, False):
            made, *_ = client.predict(image=handle_file(path), trim=trim, api_name="/reconstruct_picture")
            found[border, trim] = decode(made)
            assert read_provenance(made)["settings"]["trim"] == trim
    np.testing.assert_array_equal(found[0, True], found[30, True])
    assert (found[0, False] != found[30, False]).any()


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [
        ("/train_gan", {"dataset": None, "side": 20}, "not in the list|side must be one of"),
        ("/train_gan", {"dataset": None, "family": "vae"}, "not in the list"),
        ("/train_gan", {"dataset": None, "steps": 0}, "minimum value"),
        ("/train_gan", {"dataset": None, "resume": UNKNOWN}, "not here any more"),
        ("/train_gan", {"dataset": None, "resume": "../.."}, "not here any more"),
        ("/train_gan", {"dataset": None, "family": "progressive", "norm": "batch"}, "bears no normalisation"),
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
