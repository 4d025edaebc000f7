"""Style transfer as other people's code calls it."""

import av
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from gan_models.images import decode, read_provenance
from gan_models.images.video import read_video_provenance


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
    path, curves, snapshots, film, pair, status, settings = result
    drawn = decode(path)
    assert drawn.shape == (64, 96, 3)
    record = read_provenance(path)
    assert (record["task"], record["weights"], record["seed"]) == ("style-transfer", "features-compact", 3)
    assert record["settings"]["content_weight"] == 2.5e-8
    assert settings == record
    assert decode(curves).ndim == 3
    assert len(snapshots) >= 3
    assert read_video_provenance(film)["settings"]["steps"] == 30
    with av.open(film) as container:
        assert sum(1 for _ in container.decode(video=0)) > 5
    assert "96 × 64 pixels" in status
    assert len(pair) == 2


def test_a_second_style_and_other_settings(client, pictures, app):
    second = handle_file(app.root / "examples" / "styles" / "strokes.jpg")
    options = {"steps": 10, "side": 64, "optimizer": "lbfgs", "colours": "luminance", "style_layers": "relu1_1"}
    path, *_ = client.predict(**pictures, **options, second_style=second, red=20, api_name="/stylize")
    assert read_provenance(path)["settings"]["colours"] == "luminance"


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
        ({"steps": 0}, "minimum value"),
        ({"side": 4000}, "maximum value"),
        ({"model": "inception-fid"}, "not on this machine"),
        ({"model": "faces-compact"}, "are for faces, not for features"),
        ({"content_weight": -1}, "minimum value"),
        ({"start": "x"}, "not in the list"),
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
