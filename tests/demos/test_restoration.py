"""The endpoints of the dehazing and deblurring tabs as other people's code calls them."""

import zipfile

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from gan_models.images import decode, read_provenance
from gan_models.images.video import Video, open_video, read_video_provenance
from gan_models.metrics.measure import measure


@pytest.fixture(scope="module")
def client(app):
    return Client(app.url, verbose=False)


@pytest.fixture
def hazy(app):
    return handle_file(app.root / "examples/dehazing/rocket.jpg")


@pytest.fixture
def film(tmp_path):
    """A film of three grey pictures."""
    with open_video(tmp_path / "a.mp4", fps=12, task="x") as video:
        for grey in (90, 110, 130):
            video.write(np.full((48, 64, 3), grey, np.uint8))
    return handle_file(tmp_path / "a.mp4")


def test_parameters_are_those_of_the_contract(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    for name, model in (("dehaze", "dehaze-candy-compact"), ("deblur", "deblur-compact")):
        parameters = endpoints[f"/{name}"]["parameters"]
        assert [parameter["parameter_name"] for parameter in parameters][:3] == ["image", "model", "strength"]
        assert parameters[1]["parameter_default"] == model
        assert {f"/{name}_pictures", f"/{name}_film"} <= set(endpoints)


@pytest.mark.parametrize("model", ["dehaze-candy-compact", "dehaze-cycle-compact", "dark-channel"])
def test_haze_is_removed_at_full_size(client, hazy, app, model):
    result, *_ = client.predict(image=hazy, model=model, api_name="/dehaze")
    before, after = decode(app.root / "examples/dehazing/rocket.jpg"), decode(result)
    assert after.shape == before.shape
    assert after.std() > before.std() + 3  # contrast
    record = read_provenance(result)
    assert (record["task"], record["weights"]) == ("dehazing", model)
    assert record["settings"] == {"strength": 1}
    assert (record["sha256"] is None) == (model == "dark-channel")


def test_strength_zero_gives_the_picture_back(client, hazy, app):
    result, *_ = client.predict(image=hazy, strength=0, api_name="/dehaze")
    assert (decode(result) == decode(app.root / "examples/dehazing/rocket.jpg")).all()


@pytest.mark.parametrize("model", ["deblur-compact", "wiener", "richardson-lucy"])
def test_a_shaken_picture_is_sharpened(client, app, model):
    source = app.root / "examples/deblurring/coffee.jpg"
    result, *_ = client.predict(image=handle_file(source), model=model, length=11, angle=23, api_name="/deblur")
    before, after = decode(source), decode(result)
    assert after.shape == before.shape
    gradients = [np.abs(np.diff(picture.astype(int), axis=1)).mean() for picture in (before, after)]
    assert gradients[1] > 1.05 * gradients[0]
    assert read_provenance(result)["settings"] == {"strength": 1, "reduction": 0, "length": 11, "angle": 23}


@pytest.mark.parametrize(("name", "model"), [("dehaze", "dark-channel"), ("deblur", "wiener")])
def test_a_reference_says_how_near_the_picture_comes(client, app, name, model):
    files = [app.root / "examples" / folder / "cat.jpg" for folder in ("deblurring", "style-transfer")]
    image, reference = map(handle_file, files)
    result, record = client.predict(image=image, model=model, reference=reference, api_name=f"/{name}")
    near = measure(decode(result), decode(files[1]), ("psnr", "ssim"))
    assert record["settings"]["measured"] == near
    assert "reference" not in record["settings"]
    _, same = client.predict(image=image, model=model, strength=0, reference=image, api_name=f"/{name}")
    assert same["settings"]["measured"] == {"psnr": "Infinity", "ssim": 1}


def test_a_reference_of_another_size_or_none_gets_one_sentence(client, hazy, app, tmp_path):
    with pytest.raises(AppError, match=r"The reference has 451×300 pixels, .* 640×427"):
        client.predict(
            image=hazy, reference=handle_file(app.root / "examples/style-transfer/cat.jpg"), api_name="/dehaze"
        )
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(AppError, match="not a picture"):
        client.predict(image=hazy, reference=handle_file(tmp_path / "bad.png"), api_name="/deblur")


def test_several_pictures_come_back_as_a_gallery_and_a_zip(client, tmp_path):
    files = []
    for number, size in enumerate(((40, 30), (32, 48))):
        Image.effect_noise(size, 40).convert("RGB").save(tmp_path / f"{number}.png")
        files.append(handle_file(tmp_path / f"{number}.png"))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    files.insert(1, handle_file(tmp_path / "bad.png"))
    pictures, archive, record = client.predict(images=files, api_name="/dehaze_pictures")
    assert [decode(entry["image"]).shape for entry in pictures] == [(30, 40, 3), (48, 32, 3)]
    assert read_provenance(pictures[0]["image"])["task"] == "dehazing"
    (left_out,) = record["settings"]["left_out"]
    assert left_out.startswith("bad.png: ")
    with zipfile.ZipFile(archive) as file:
        assert len(file.namelist()) == 2
        assert file.testzip() is None


@pytest.mark.parametrize("name", ["dehaze", "deblur"])
def test_a_film_comes_back_picture_by_picture(client, film, name):
    result, *_ = client.predict(film=film, api_name=f"/{name}_film")
    path = result["video"] if isinstance(result, dict) else result
    pictures = list(Video(path))
    assert [picture.shape for picture in pictures] == [(48, 64, 3)] * 3
    assert Video(path).fps == 12
    assert read_video_provenance(path)["weights"] == f"{'dehaze-candy' if name == 'dehaze' else 'deblur'}-compact"


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("dehaze", {"strength": 2}, "2"),
        ("dehaze", {"model": "deblur-compact"}, "for deblurring, not for dehazing"),
        ("deblur", {"length": 0.5}, "0.5"),
        ("deblur", {"model": "nafnet"}, "offline"),
    ],
)
def test_bad_requests_get_one_sentence(client, hazy, name, options, sentence):
    with pytest.raises(AppError, match=sentence) as problem:
        client.predict(image=hazy, **options, api_name=f"/{name}")
    assert "Traceback" not in str(problem.value)


def test_what_is_no_film_and_no_picture_at_all_get_one_sentence(client, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n")
    with pytest.raises(AppError, match="not a film"):
        client.predict(film=handle_file(tmp_path / "a.mp4"), api_name="/dehaze_film")
    with pytest.raises(AppError, match="pictures first"):
        client.predict(images=[], api_name="/deblur_pictures")
