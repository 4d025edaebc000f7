"""Learned styles as other people's code calls them."""

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from gan_models.checkpoints import registry
from gan_models.images import decode, read_provenance
from gan_models.images.video import Video, open_video, read_video_provenance

STYLES = [model.name for model in registry.models("fast-style") if model.embedded]


@pytest.fixture(scope="module")
def client(app):
    return Client(app.url, verbose=False)


@pytest.fixture
def coffee(app):
    return app.root / "examples" / "style-transfer" / "coffee.jpg"


def test_parameters_are_those_of_the_contract(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    parameters = endpoints["/fast_stylize"]["parameters"]
    assert [parameter["parameter_name"] for parameter in parameters][:2] == ["image", "model"]
    assert parameters[1]["parameter_default"] == registry.default("fast-style").name
    assert {"/fast_stylize_pictures", "/fast_stylize_film"} <= set(endpoints)


def test_there_are_four_or_more():
    assert len(STYLES) >= 4


@pytest.mark.parametrize("model", STYLES)
def test_each_style_redraws_a_picture(client, coffee, model):
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
        ({"strength": 2}, "maximum value"),
        ({"model": "features-compact"}, "for features, not for fast-style"),
        ({"model": "fast-style-mosaic"}, "offline|not on this machine"),
    ],
)
def test_bad_requests_get_one_sentence(client, coffee, options, sentence):
    with pytest.raises(AppError, match=sentence) as problem:
        client.predict(image=handle_file(coffee), **options, api_name="/fast_stylize")
    assert "Traceback" not in str(problem.value)
