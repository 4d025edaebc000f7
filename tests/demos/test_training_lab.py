"""The training lab as other people's code calls it."""

import io
import re
import time
import zipfile

import av
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from demos import training_lab
from demos.kit.runs import delivered
from demos.training_lab import training
from gan_models.classic import GeneratePictures, TrainGan, TrainToy
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
    """Return the path of a ZIP file of twenty pictures of two kinds."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "set.zip"
    with zipfile.ZipFile(path, "w") as target:
        for number in range(20):
            stream = io.BytesIO()
            picture = rng.integers(0, 80, (24, 24, 3), np.uint8)
            picture[6:18, 6:18, number % 2] = 230
            Image.fromarray(picture).save(stream, "PNG")
            target.writestr(f"{('red', 'green')[number % 2]}/{number}.png", stream.getvalue())
    return path


@pytest.fixture(scope="module")
def learning(archive):
    """Return what is asked of a training on the archive."""
    return {"dataset": [handle_file(archive)], "family": "cgan", **SHORT, **CHOSEN, "seed": 1}


@pytest.fixture(scope="module")
def trained(client, learning):
    return client.predict(**learning, api_name="/train_gan")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Let what the page shows be written into the test's folder."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    return tmp_path / "files"


def test_parameters_are_those_of_the_contract(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    parameters = {one["parameter_name"]: one for one in endpoints["/train_gan"]["parameters"]}
    assert list(parameters) == [
        *("dataset", "family", "steps", "seed", "side", "batch_size", "resume", "hue", "trim", "z_dim", "norm"),
        *("lr", "lr_d"),
    ]
    assert parameters["dataset"]["parameter_default"] is None
    assert parameters["side"]["type"] == {"type": "integer", "enum": [16, 32, 64, 128]}
    names = ["points", "family", "steps", "seed", "lr", "lr_d", "ahead", "saturating", "freeze_after"]
    parameters = endpoints["/train_toy"]["parameters"]
    assert [parameter["parameter_name"] for parameter in parameters] == names
    assert parameters[6]["type"] == {"type": "integer", "enum": [0, 1, 5, 10]}


def test_only_results_are_outputs(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    counts = {
        **{"train_gan": 6, "train_toy": 5, "two_lines": 3, "load_generator": 1, "generate_pictures": 2},
        **{"interpolate_pictures": 2, "combine_pictures": 2, "reconstruct_picture": 2},
    }
    assert {name: len(endpoints[f"/{name}"]["returns"]) for name in counts} == counts


def test_a_training_returns_pictures_curves_a_film_and_a_model(trained):
    sheets, curves, film, model, name, settings = trained
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
    assert name not in str(settings)


def test_one_draws_with_what_was_trained(client, trained):
    name = trained[4]
    drawn, settings = client.predict(model=name, seed="3", count=4, kind="red", api_name="/generate_pictures")
    assert len(drawn) == 4
    assert decode(drawn[0]["image"]).shape == (16, 16, 3)
    assert "own" in drawn[0]["image"]
    assert name not in drawn[0]["image"]
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


def test_a_training_goes_on_and_a_model_comes_back(client, learning, trained):
    name = trained[4]
    again = client.predict(**learning | {"steps": 40}, resume=name, api_name="/train_gan")
    assert again[4] == name
    assert [sheet["caption"].partition(":")[0] for sheet in again[0]] == ["Step 40", "Step 30", "Step 25"]
    assert again[5]["settings"]["steps"] == 40
    brought = client.predict(file=handle_file(again[3]), api_name="/load_generator")
    assert brought != name
    pictures = [
        decode(client.predict(model=model, seed="5", count=1, api_name="/generate_pictures")[0][0]["image"])
        for model in (name, brought)
    ]
    np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize("steps", [30, 20])
def test_a_training_that_has_had_its_steps_is_left_as_it_is(client, learning, trained, steps):
    with pytest.raises(AppError, match=r"has had \d+ steps; ask for more"):
        client.predict(**learning | {"steps": steps}, resume=trained[4], api_name="/train_gan")


def steps_of(sheets):
    """Return the steps that sheets are of, as their captions tell."""
    return [int(re.match(r"Step (\d+)", sheet["caption"])[1]) for sheet in sheets]


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
    drawn, _ = client.predict(model=name, seed="3", count=1, api_name="/generate_pictures")
    assert decode(drawn[0]["image"]).shape == (16, 16, 3)
    latest = [shown[0] for shown in job.outputs() if isinstance(shown[0], list) and shown[0]][-1]
    steps = steps_of(latest)[0] + 100
    again, *_, settings = client.predict(**options, steps=steps, resume=name, api_name="/train_gan")
    assert steps_of(again) == list(range(steps, 0, -25))[:12], "a sheet is missing or there twice"
    assert settings["settings"]["steps"] == steps


def steps_told(shown):
    """Return the steps that the page tells."""
    return [int(found[1]) for one in shown if (found := re.search(r"Step (\d+) of", one["status"]))]


def test_the_page_shows_a_training_that_goes_on_where_it_was_cancelled(files, archive):
    options = {"dataset": [archive], "family": "cgan", **SHORT, **CHOSEN}
    running, before = training.trained(TrainGan, options | {"steps": 20_000}), []
    for shown in running:
        before.append(shown)
        if shown.get("file"):
            break
    running.close()
    name, reached = shown["model"], steps_told(before)[-1]
    assert {one["model"] for one in before} == {name}, "who cancels early could not go on"
    assert load(shown["file"])[0].z_dim == 12
    assert shown["sheets"]
    steps = 25 * (reached // 25 + 6)
    after = list(training.trained(TrainGan, options | {"steps": steps, "resume": name}))
    assert steps_told(after)[0] > reached
    assert all(one["sheets"] for one in after if "sheets" in one), "what was shown before has gone"
    assert "18 pictures of 16 pixels learned, 2 held out, in" in after[-1]["status"]
    assert after[-1]["model"] == name
    *_, drawn = delivered(GeneratePictures, {"model": name, "count": 1})
    assert re.search("1 picture of 16 pixels in .* by your own model", drawn["status"])


def test_a_training_begun_anew_shows_nothing_of_the_one_before(files):
    first, *_, last = training.trained(TrainGan, {"steps": 5, "side": 16, "batch_size": 4})
    empty = dict.fromkeys(("sheets", "curves", "video", "file", "record"))
    assert empty.items() <= first.items()
    assert "540 pictures of 16 pixels learned, 60 held out" in last["status"]


def test_a_film_that_cannot_be_written_takes_no_model_along(files, monkeypatch):
    def full(writer):
        raise OSError("no space left")

    monkeypatch.setattr(VideoWriter, "finish", full)
    with pytest.raises(OSError, match="no space left"):
        list(training.trained(TrainGan, {"steps": 5, "side": 16, "batch_size": 4}))
    (file,) = files.rglob("*.safetensors")
    assert load(file)[0].z_dim == 128


def test_points_are_covered_and_counted(client):
    path, curves, film, counted, settings = client.predict(
        points="ring", family="gan", steps=100, seed=2, api_name="/train_toy"
    )
    assert decode(path).shape == (384, 384, 3)
    assert counted["of"] == 8
    assert 0 <= counted["modes"] <= 8
    assert settings["settings"]["points"] == "ring"
    assert settings == read_provenance(path)
    assert read_video_provenance(film)["seed"] == 2
    assert decode(curves).ndim == 3


def test_the_page_shows_points_as_they_are_learned(files):
    *steps, last = delivered(TrainToy, {"steps": 200}, every=training_lab.POINTS_SECONDS)
    previews = [step for step in steps if step.get("shown")]
    assert previews
    assert all(decode(step["curves"]).ndim == 3 for step in previews)
    assert steps_told(steps)[-1] <= 200
    assert f"{last['counted']['modes']} of 8 modes" in last["status"]


def test_two_lines(client):
    found, plot, settings = client.predict(theta=0.5, api_name="/two_lines")
    assert found["Jensen–Shannon"] == pytest.approx(np.log(2), abs=1e-4)
    assert found["earth mover"] == pytest.approx(0.5)
    assert found["gradient by the critic"] > 0.5 > found["gradient by the discriminator"]
    assert decode(plot).ndim == 3
    assert settings["settings"] == {"theta": 0.5}


def test_embedded_models_draw_film_and_add_up(client):
    drawn, *_ = client.predict(api_name="/generate_pictures")
    assert len(drawn) == 16
    again, *_ = client.predict(seed="2", count=1, api_name="/generate_pictures")
    np.testing.assert_array_equal(decode(drawn[1]["image"]), decode(again[0]["image"]))
    film, _ = client.predict(seeds="1, 2", frames=3, api_name="/interpolate_pictures")
    assert read_video_provenance(film)["settings"]["seeds"] == [1, 2]
    with av.open(film) as container:
        assert sum(1 for _ in container.decode(video=0)) == 6
        assert container.streams.video[0].average_rate == 12
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
        ("/train_gan", {"dataset": None, "side": 20}, "Pixels must be one of 16, 32, 64, 128, not 20"),
        ("/train_gan", {"dataset": None, "family": "vae"}, "Family must be one of dcgan, .*, not “vae”"),
        ("/train_gan", {"dataset": None, "steps": 0}, "Steps must be at least 5, not 0"),
        ("/train_gan", {"dataset": None, "resume": UNKNOWN}, "not here any more"),
        ("/train_gan", {"dataset": None, "resume": "../.."}, "not here any more"),
        ("/train_gan", {"dataset": None, "family": "progressive", "norm": "batch"}, "bears no normalisation"),
        ("/train_toy", {"family": "dcgan"}, "Family must be one of gan, .*, not “dcgan”"),
        ("/train_toy", {"lr": 0.5}, "Generator's rate must be at most 0.1, not 0.5"),
        ("/two_lines", {"theta": 3}, "Distance must be at most 1, not 3"),
        ("/generate_pictures", {"seed": "x"}, "seed"),
        ("/generate_pictures", {"kind": "cow"}, "knows none"),
        ("/generate_pictures", {"model": "faces-compact"}, "for faces, not for pictures"),
        ("/generate_pictures", {"model": UNKNOWN}, "not here any more"),
        ("/generate_pictures", {"model": "weights/pokemon-dcgan.safetensors"}, "There is no model"),
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
