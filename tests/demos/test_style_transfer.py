"""The style transfer tab as other people's code calls it."""

import av
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from demos.kit.runs import delivered
from gan_models.checkpoints import registry
from gan_models.images import decode, read_provenance
from gan_models.images.provenance import fingerprint
from gan_models.images.video import Video, open_video, read_video_provenance
from gan_models.style_transfer import Stylize
from gan_models.task import restored

STYLES = [model.name for model in registry.models("fast-style") if model.embedded]


@pytest.fixture(scope="module")
def client(app):
    return Client(app.url, verbose=False)


@pytest.fixture
def pictures(app):
    folder = app.root / "examples"
    return {
        "content": handle_file(folder / "style-transfer" / "cat.jpg"),
        "style": handle_file(folder / "styles" / "mosaic.jpg"),
    }


def test_a_picture_is_drawn_in_a_style(client, pictures):
    result = client.predict(**pictures, steps=30, side=96, seed=3, api_name="/stylize")
    path, curves, snapshots, video, settings = result
    drawn = decode(path)
    assert drawn.shape == (64, 96, 3)
    record = read_provenance(path)
    assert (record["task"], record["weights"], record["seed"]) == ("style-transfer", "features-compact", 3)
    assert record["settings"]["content_weight"] == 2.5e-8
    assert record["settings"]["style"] == fingerprint(decode(pictures["style"]["path"]))
    assert settings == record
    assert decode(curves).ndim == 3
    assert [snapshot["caption"] for snapshot in snapshots] == [f"Step {step}" for step in range(6, 31, 6)]
    assert read_provenance(snapshots[1]["image"]) == record | {"settings": record["settings"] | {"step": 12}}
    path = video["video"] if isinstance(video, dict) else video
    assert read_video_provenance(path)["settings"]["steps"] == 30
    with av.open(path) as container:
        assert sum(1 for _ in container.decode(video=0)) == 16
        assert container.streams.video[0].average_rate == 6


def test_the_page_sees_the_picture_become_what_it_is(app):
    paths = {"content": "style-transfer/cat.jpg", "style": "styles/mosaic.jpg"}
    values = {name: app.root / "examples" / path for name, path in paths.items()}
    *shown, last = delivered(Stylize, values | {"steps": 20, "side": 96})
    assert "96 × 64 pixels in" in last["status"]
    assert "by Compact features" in last["status"]
    assert decode(last["compared"][0]).shape == decode(values["content"]).shape
    np.testing.assert_allclose(decode(last["compared"][1]), decode(last["image"]), atol=60)  # WebP
    previews = [one for one in shown if one.get("compared")]
    assert previews
    assert decode(previews[0]["losses"]).ndim == 3
    assert "style " in previews[0]["status"]
    assert restored(Stylize, last["record"]).items() >= {"steps": 20, "side": 96, "seed": 0}.items()


def test_a_second_style_and_other_settings(client, pictures, app):
    second = handle_file(app.root / "examples" / "styles" / "strokes.jpg")
    options = {"steps": 10, "side": 64, "optimizer": "adam", "colours": "luminance", "style_layers": "relu1_1"}
    path, *_ = client.predict(**pictures, **options, second_style=second, red=20, api_name="/stylize")
    assert read_provenance(path)["settings"].items() >= (options | {"red": 20}).items()


def test_a_run_goes_on_from_what_another_came_to(client, pictures):
    options = {"side": 96, "optimizer": "lbfgs", "api_name": "/stylize"}
    path, *_ = client.predict(**pictures, **options, steps=60)
    again, *_ = client.predict(**pictures, **options, steps=10, begun=handle_file(path))
    anew, *_ = client.predict(**pictures, **options, steps=10)
    came, went_on, other = (decode(one).astype(int) for one in (path, again, anew))
    assert np.abs(went_on - came).mean() < np.abs(other - came).mean() / 2
    assert read_provenance(again)["settings"]["begun"]
    assert read_provenance(anew)["settings"]["begun"] is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"content_layer": "relu7_1"}, "Layers are named relu1_1"),
        ({"style_layers": " , "}, "at least one is of the style"),
        ({"steps": 0}, "Steps must be at least 1, not 0"),
        ({"side": 4000}, "Pixels must be at most 1536, not 4000"),
        ({"model": "inception-fid"}, "not on this machine"),
        ({"model": "faces-compact"}, "are for faces, not for features"),
        ({"content_weight": -1}, "Content weight must be at least 0, not -1"),
        ({"start": "x"}, "Begin with must be one of content, noise, style, not “x”"),
        ({"style": None}, "Choose a picture and a style first"),
        ({"content": None}, "Choose a picture and a style first"),
    ],
)
def test_bad_wishes_get_one_sentence(client, pictures, arguments, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(**pictures | {"steps": 10, "side": 64} | arguments, api_name="/stylize")


def test_a_bad_style_gets_one_sentence(client, pictures, tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(AppError, match="not a picture"):
        client.predict(**pictures | {"style": handle_file(tmp_path / "a.png")}, api_name="/stylize")


def test_transparency_and_grey_pictures_are_taken(client, pictures, tmp_path):
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "grey.png")
    given = pictures | {"style": handle_file(tmp_path / "grey.png")}
    path, *_ = client.predict(**given, steps=10, side=64, api_name="/stylize")
    assert decode(path).shape[2] == 3


# --- Learned styles


@pytest.fixture
def coffee(app):
    return app.root / "examples" / "style-transfer" / "coffee.jpg"


def test_parameters_of_learned_styles_are_those_of_the_contract(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    parameters = endpoints["/fast_stylize"]["parameters"]
    assert [parameter["parameter_name"] for parameter in parameters][:2] == ["image", "model"]
    assert parameters[1]["parameter_default"] == registry.default("fast-style").name
    assert {"/fast_stylize_pictures", "/fast_stylize_film"} <= set(endpoints)


def test_there_are_four_learned_styles_or_more():
    assert len(STYLES) >= 4


@pytest.mark.parametrize("model", STYLES)
def test_each_learned_style_redraws_a_picture(client, coffee, model):
    path, *_ = client.predict(image=handle_file(coffee), model=model, api_name="/fast_stylize")
    before, after = decode(coffee), decode(path)
    assert after.shape == before.shape
    assert np.abs(after.astype(int) - before).mean() > 10
    record = read_provenance(path)
    assert (record["task"], record["weights"], record["settings"]) == ("fast-style", model, {"strength": 1.0})
    half, *_ = client.predict(image=handle_file(coffee), model=model, strength=0.5, api_name="/fast_stylize")
    assert np.abs(decode(half) - (before.astype(float) + after) / 2).max() <= 1


def test_several_and_a_film_are_redrawn(client, coffee, tmp_path):
    pictures, *_ = client.predict(images=[handle_file(coffee)], api_name="/fast_stylize_pictures")
    assert decode(pictures[0]["image"]).shape == decode(coffee).shape
    with open_video(tmp_path / "a.mp4", fps=12, task="x") as video:
        for grey in (90, 110):
            video.write(np.full((48, 64, 3), grey, np.uint8))
    result, *_ = client.predict(film=handle_file(tmp_path / "a.mp4"), api_name="/fast_stylize_film")
    path = result["video"] if isinstance(result, dict) else result
    assert [picture.shape for picture in Video(path)] == [(48, 64, 3)] * 2
    assert read_video_provenance(path)["weights"] == STYLES[0]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"strength": 2}, "Strength must be at most 1, not 2"),
        ({"model": "features-compact"}, "for features, not for fast-style"),
        ({"model": "fast-style-mosaic"}, "offline|not on this machine"),
    ],
)
def test_bad_wishes_for_learned_styles_get_one_sentence(client, coffee, options, sentence):
    with pytest.raises(AppError, match=sentence) as problem:
        client.predict(image=handle_file(coffee), **options, api_name="/fast_stylize")
    assert "Traceback" not in str(problem.value)
