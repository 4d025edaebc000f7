"""Editing and inversion as other people's code calls them."""

import av
import cv2
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from skimage import data

from demos.kit.runs import delivered
from gan_models.images import decode, read_provenance
from gan_models.images.provenance import fingerprint
from gan_models.images.video import read_video_provenance
from gan_models.inversion import InvertFace

PORTRAIT = data.astronaut()[:300, 80:380]
QUICK = {"steps": 40}


@pytest.fixture(scope="module")
def client(app):
    return Client(app.url, verbose=False)


@pytest.fixture
def portrait(tmp_path):
    return save(tmp_path / "portrait.png", PORTRAIT)


def save(path, picture):
    Image.fromarray(picture).save(path)
    return handle_file(path)


def mask_of(tmp_path, size=(300, 300), box=(100, 140, 100, 190)):
    mask = np.zeros(size, np.uint8)
    top, bottom, left, right = box
    mask[top:bottom, left:right] = 255
    return save(tmp_path / "mask.png", mask)


# --- Editing


def test_a_face_is_edited(client):
    path, record = client.predict(seed="3", edits={"smile": 2.5, "age": 0}, hold=["gender"], api_name="/edit_face")
    assert record == read_provenance(path)
    assert record["settings"]["edits"] == {"smile": 2.5}
    assert record["settings"]["hold"] == ["gender"]
    assert (record["seed"], record["weights"]) == (3, "faces-compact")
    plain, *_ = client.predict(seed="3", api_name="/edit_face")
    drawn, *_ = client.predict(seed="3", count=1, api_name="/generate_faces")
    np.testing.assert_array_equal(decode(plain), decode(drawn[0]["image"]))
    assert np.abs(decode(path).astype(int) - decode(plain)).mean() > 3


def test_faces_are_added_up(client):
    path, shown, *_ = client.predict(plus="1-3", minus="4", also="5, 6", api_name="/combine_faces")
    assert [item["caption"] for item in shown] == ["Plus", "Minus", "Also plus", "Together"]
    np.testing.assert_array_equal(decode(path), decode(shown[3]["image"]))
    assert read_provenance(path)["settings"]["also"] == [5, 6]
    cancelled, averages, *_ = client.predict(plus="1", minus="2", also="2", api_name="/combine_faces")
    np.testing.assert_allclose(decode(cancelled).astype(int), decode(averages[0]["image"]), atol=1)


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [
        ("/edit_face", {"edits": {"wings": 1}}, "“wings”; those that do are age, gender, smile"),
        ("/edit_face", {"edits": {"age": 9}}, "strength of age must be from -5 to 5"),
        ("/edit_face", {"edits": {"age": "old"}}, "Strengths must be numbers by name"),
        ("/edit_face", {"edits": [1, 2]}, "Strengths must be numbers by name"),
        ("/edit_face", {"edits": {"age": 1}, "hold": ["wings"]}, "“wings”"),
        ("/edit_face", {"hold": "age"}, "Hold must be a list of names"),
        ("/edit_face", {"seed": "x"}, "“x” is no seed"),
        ("/edit_face", {"model": "sr-psnr-compact"}, "not for faces"),
        ("/combine_faces", {"plus": "1-40"}, "16"),
        ("/combine_faces", {"truncation": 3}, "Truncation must be at most 1.5"),
    ],
)
def test_bad_wishes_get_one_sentence(client, endpoint, arguments, sentence):
    with pytest.raises(AppError, match=sentence) as problem:
        client.predict(**arguments, api_name=endpoint)
    assert "Traceback" not in str(problem.value)


# --- Alignment


def test_a_face_is_cut_out(client, portrait):
    path, *_ = client.predict(image=portrait, api_name="/align_face")
    face = decode(path)
    assert face.shape[0] == face.shape[1] > 90
    assert read_provenance(path)["settings"]["action"] == "align"
    middle, *_ = client.predict(image=portrait, framing="middle", api_name="/align_face")
    np.testing.assert_array_equal(decode(middle), PORTRAIT)


def test_a_picture_with_three_faces(client, tmp_path):
    three = np.concatenate([PORTRAIT, cv2.convertScaleAbs(PORTRAIT, alpha=0.6), PORTRAIT], 1)
    three = save(tmp_path / "three.png", three)
    found = [client.predict(image=three, face=number, api_name="/align_face")[0] for number in (1, 2, 3)]
    darkest = min(decode(path).mean() for path in found)
    assert darkest < 0.75 * max(decode(path).mean() for path in found)
    with pytest.raises(AppError, match="no face 4 here: 3 faces found"):
        client.predict(image=three, face=4, api_name="/align_face")


@pytest.mark.parametrize("endpoint", ["/align_face", "/invert_face", "/colorize_face", "/measure_face"])
def test_a_picture_with_no_face(client, tmp_path, endpoint):
    image = save(tmp_path / "coffee.png", data.coffee())
    with pytest.raises(AppError, match="No face was found in this picture; to go on with its middle square"):
        client.predict(image=image, api_name=endpoint)
    with pytest.raises(AppError, match="Choose a picture first"):
        client.predict(image=None, api_name=endpoint)


# --- Inversion


def test_a_photo_becomes_latents_that_can_be_edited_and_gone_on_from(client, portrait):
    path, curves, film, latents, settings = client.predict(image=portrait, **QUICK, api_name="/invert_face")
    assert decode(path).shape == (64, 64, 3)
    record = read_provenance(path)
    assert (record["task"], record["weights"], record["seed"]) == ("face-inversion", "faces-compact", 0)
    assert record["settings"]["steps"] == 40
    assert settings == record
    assert decode(curves).ndim == 3
    assert read_video_provenance(film)["settings"]["action"] == "invert"
    with av.open(film) as container:
        assert sum(1 for _ in container.decode(video=0)) == 3  # after 0, 20 and 40 steps
    same, *_ = client.predict(latents=handle_file(latents), api_name="/edit_face")
    np.testing.assert_array_equal(decode(same), decode(path))
    older, *_ = client.predict(latents=handle_file(latents), edits={"age": 3}, api_name="/edit_face")
    assert np.abs(decode(older).astype(int) - decode(path)).mean() > 3
    on, *_ = client.predict(image=portrait, **QUICK, latents=handle_file(latents), api_name="/invert_face")
    assert read_provenance(on)["settings"]["latents"] == fingerprint(latents)


def test_the_status_says_how_near_the_face_comes_and_who_found_it(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    *_, last = delivered(InvertFace, {"image": PORTRAIT, **QUICK})
    assert "Distance" in last["status"]
    assert "one face found by Haar cascades" in last["status"]
    assert all(decode(path).shape == (256, 256, 3) for path in last["compared"])


def test_a_grey_photo_is_coloured(client, tmp_path):
    grey = cv2.cvtColor(PORTRAIT, cv2.COLOR_RGB2GRAY)
    path, *_ = client.predict(image=save(tmp_path / "grey.png", grey), **QUICK, api_name="/colorize_face")
    coloured = decode(path)
    square = decode(client.predict(image=handle_file(tmp_path / "grey.png"), api_name="/align_face")[0])
    assert coloured.shape == square.shape
    inside = (coloured > 0).all(2) & (coloured < 255).all(2)
    again = cv2.cvtColor(coloured, cv2.COLOR_RGB2GRAY).astype(int)
    assert np.abs(again - square[:, :, 0])[inside].max() <= 2
    assert np.ptp(coloured.astype(int), axis=2).mean() > 8


def test_a_hole_is_mended_and_the_rest_stays(client, portrait, tmp_path):
    mask = mask_of(tmp_path)
    path, *_ = client.predict(image=portrait, mask=mask, **QUICK, framing="middle", api_name="/inpaint_face")
    mended = decode(path)
    hole = np.zeros((300, 300), bool)
    hole[100:140, 100:190] = True
    np.testing.assert_array_equal(mended[~hole], PORTRAIT[~hole])
    assert (mended[hole] != PORTRAIT[hole]).any()


def test_a_face_is_recovered_from_some_pixels(client, portrait):
    path, *_ = client.predict(image=portrait, scheme="strided", share=0.25, **QUICK, api_name="/measure_face")
    assert read_provenance(path)["settings"]["scheme"] == "strided"
    assert decode(path).shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("size", "box", "sentence"),
    [
        ((100, 300), (10, 20, 10, 20), "picture's own size, 300 × 300 pixels"),
        ((300, 300), (0, 0, 0, 0), "mask is empty"),
        ((300, 300), (0, 300, 0, 300), "covers the whole face"),
    ],
)
def test_masks_that_are_none(client, portrait, tmp_path, size, box, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(image=portrait, mask=mask_of(tmp_path, size, box), **QUICK, api_name="/inpaint_face")


def test_no_mask(client, portrait):
    with pytest.raises(AppError, match="Mark what should be painted anew"):
        client.predict(image=portrait, mask=None, api_name="/inpaint_face")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"steps": 0}, "Steps must be at least 1"),
        ({"space": "z"}, "Space must be one of"),
        ({"pull": -1}, "must be at least 0"),
        ({"model": "nonsense"}, "There is no model “nonsense”"),
        ({"model": "ffhq-1024"}, "not on this machine"),
    ],
)
def test_bad_wishes_for_an_inversion_get_one_sentence(client, portrait, arguments, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(image=portrait, **arguments, api_name="/invert_face")


def test_a_file_of_other_latents_gets_one_sentence(client, portrait, tmp_path, app):
    weights = handle_file(app.root / "weights" / "faces-compact-boundaries.safetensors")
    with pytest.raises(AppError, match="holds no latents"):
        client.predict(image=portrait, latents=weights, api_name="/invert_face")
    with pytest.raises(AppError, match="holds no latents"):
        client.predict(latents=weights, api_name="/edit_face")


def test_work_that_is_cancelled_stops_within_a_second(client, portrait):
    import time

    job = client.submit(image=portrait, steps=2000, api_name="/invert_face")
    while not job.outputs():
        time.sleep(0.05)
    job.cancel()
    started = time.monotonic()
    client.predict(image=portrait, steps=20, api_name="/invert_face")  # waits in the same lane
    assert time.monotonic() - started < 30
