"""The translation tab as other people's code calls it."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from demos.image_translation import SUITS
from gan_models.images import decode, flatten, read_provenance
from gan_models.images.provenance import fingerprint
from gan_models.images.video import Video, open_video, read_video_provenance

PORTRAIT = "examples/face-inversion/astronaut.jpg"


@pytest.fixture(scope="module")
def client(app):
    return Client(app.url, verbose=False)


@pytest.fixture
def film(tmp_path):
    with open_video(tmp_path / "a.mp4", fps=12, task="x") as video:
        for grey in (90, 110):
            video.write(np.full((48, 64, 3), grey, np.uint8))
    return handle_file(tmp_path / "a.mp4")


def test_parameters_are_those_of_the_contract(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    parameters = endpoints["/translate"]["parameters"]
    assert [parameter["parameter_name"] for parameter in parameters][:2] == ["image", "model"]
    assert parameters[1]["parameter_default"] == "translate-facades-compact"
    assert {"/translate_pictures", "/translate_film"} <= set(endpoints)


@pytest.mark.parametrize(("file", "model"), SUITS.items())
def test_each_model_translates_what_it_is_for(client, app, file, model):
    source = app.root / "examples" / "translation" / file
    path, settings = client.predict(image=handle_file(source), model=model, seed=3, api_name="/translate")
    before, after = flatten(decode(source)), decode(path)
    assert after.shape == before.shape
    assert np.abs(after.astype(int) - before).mean() > 0.5
    record = read_provenance(path)
    assert (record["task"], record["weights"], record["seed"]) == ("translation", model, 3)
    assert settings == record
    drawn = b"/trainedAlgorithmicMedia" in Path(path).read_bytes()
    assert drawn == (file in ("facade.png", "drawing.png", "pencil.png"))
    again, *_ = client.predict(image=handle_file(source), model=model, seed=3, api_name="/translate")
    assert (decode(again) == after).all()


def test_a_photo_is_drawn_first_and_a_mask_says_where_the_hole_is(client, app, tmp_path):
    photo = app.root / PORTRAIT
    options = {"model": "translate-edges-compact", "from_photo": True, "side": 64}
    path, *_ = client.predict(image=handle_file(photo), **options, api_name="/translate")
    assert decode(path).shape == (300, 300, 3)
    assert read_provenance(path)["settings"]["from_photo"] is True
    mask = np.zeros((300, 300), np.uint8)
    mask[80:140, 80:180] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    options = {"model": "translate-masked-compact", "mask": handle_file(tmp_path / "mask.png")}
    path, *_ = client.predict(image=handle_file(photo), **options, api_name="/translate")
    assert read_provenance(path)["settings"]["mask"] == fingerprint(mask > 0)
    changed = (decode(path) != decode(photo)).any(2)
    assert changed[mask > 0].mean() > 0.5
    assert not changed[mask == 0].any()


def test_several_pictures_and_a_film(client, app, film, tmp_path):
    files = [handle_file(app.root / path) for path in (PORTRAIT, "examples/translation/grey.jpg")]
    options = {"model": "translate-grey-compact"}
    pictures, archive, *_ = client.predict(images=files, **options, api_name="/translate_pictures")
    assert [decode(entry["image"]).shape for entry in pictures] == [(300, 300, 3), (300, 450, 3)]
    with zipfile.ZipFile(archive) as file:
        assert len(file.namelist()) == 2
    result, *_ = client.predict(film=film, **options, api_name="/translate_film")
    path = result["video"] if isinstance(result, dict) else result
    assert [picture.shape for picture in Video(path)] == [(48, 64, 3)] * 2
    assert read_video_provenance(path)["weights"] == "translate-grey-compact"


@pytest.mark.parametrize(("model", "kind"), [("edges", b"/trained"), ("grey", b"/compositeWithTrained")])
def test_videos_say_too_whether_a_model_drew_all_of_them(client, film, model, kind):
    result, *_ = client.predict(film=film, model=f"translate-{model}-compact", api_name="/translate_film")
    path = result["video"] if isinstance(result, dict) else result
    assert kind + b"AlgorithmicMedia" in Path(path).read_bytes()


@pytest.mark.parametrize(
    ("file", "options", "sentence"),
    [
        ("grey.jpg", {"model": "translate-masked-compact"}, "no hole"),
        ("grey.jpg", {"model": "translate-grey-compact", "mask": "grey.jpg"}, "takes no mask"),
        ("hole.png", {"model": "translate-masked-compact", "mask": "grey.jpg"}, "360×240 pixels, not 450×300"),
        ("grey.jpg", {"side": 32}, "Pixels must be 64 to 1024, or 0"),
        ("grey.jpg", {"model": "deblur-compact"}, "for deblurring, not for translation"),
        ("grey.jpg", {"model": "horse-to-zebra"}, "offline"),
    ],
)
def test_bad_requests_get_one_sentence(client, app, file, options, sentence):
    folder = app.root / "examples" / "translation"
    if "mask" in options:
        options = options | {"mask": handle_file(folder / options["mask"])}
    with pytest.raises(AppError, match=sentence) as problem:
        client.predict(image=handle_file(folder / file), **options, api_name="/translate")
    assert "Traceback" not in str(problem.value)
