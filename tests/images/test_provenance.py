import io
import json
import stat
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gan_models import __version__
from gan_models.checkpoints import registry
from gan_models.images import decode, read_provenance, save_result
from gan_models.images.provenance import KEY, write_png

MODEL = "sr-psnr-compact"
SOURCE_TYPE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
CODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GOOD = {"task": "a", "settings": {}, "seed": 1, "weights": None, "sha256": None, "version": "1"}


def random_image(channels=3):
    return np.random.default_rng(0).integers(0, 255, (9, 11, channels), dtype=np.uint8)


def with_text(text, key=KEY):
    chunks, content = PngInfo(), io.BytesIO()
    chunks.add_text(key, text)
    Image.new("RGB", (2, 2)).save(content, "PNG", pnginfo=chunks)
    return content.getvalue()


@pytest.mark.parametrize("channels", [3, 4])
def test_round_trip(tmp_path, channels):
    settings = {
        "factor": 4,
        "strength": 0.5,
        "note": "Grüße, 世界 🎨 \u2028",
        "odd": "\ud800",
        "tiles": [1, None, True],
    }
    path = save_result(
        random_image(channels), task="super-resolution", model=MODEL, seed=7, directory=tmp_path, **settings
    )
    np.testing.assert_array_equal(decode(path), random_image(channels))
    assert read_provenance(path) == read_provenance(Path(path).read_bytes())
    assert read_provenance(path) == {
        "task": "super-resolution",
        "settings": settings,
        "seed": 7,
        "weights": MODEL,
        "sha256": registry.get(MODEL).sha256,
        "version": __version__,
    }
    assert len(registry.get(MODEL).sha256) == 64


def test_a_large_picture_round_trips(tmp_path):
    image = np.zeros((4000, 2001, 3), np.uint8)
    image[::100, ::50] = 255
    write_png(tmp_path / "a.png", image, task="a")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), image)
    assert read_provenance(tmp_path / "a.png")["task"] == "a"


def test_results_may_be_larger_than_uploads(tmp_path, monkeypatch):
    monkeypatch.setattr("gan_models.images.provenance.MAX_HEAD", 5000)
    monkeypatch.setenv("GAN_ATELIER_MAX_UPLOAD_MB", "0.001")
    noise = np.random.default_rng(0).integers(0, 255, (99, 99, 3), dtype=np.uint8)
    write_png(tmp_path / "a.png", noise, task="a", seed=3)
    assert (tmp_path / "a.png").stat().st_size > 20_000
    assert read_provenance(tmp_path / "a.png")["seed"] == 3
    assert read_provenance((tmp_path / "a.png").read_bytes())["seed"] == 3


@pytest.mark.filterwarnings("error")
def test_results_may_have_more_pixels_than_pillow_likes(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    assert read_provenance(with_text(json.dumps(GOOD))) == GOOD


@pytest.mark.parametrize(
    ("generated", "code"), [(True, "trainedAlgorithmicMedia"), (False, "compositeWithTrainedAlgorithmicMedia")]
)
def test_xmp_tells_the_digital_source_type(tmp_path, generated, code):
    write_png(tmp_path / "a.png", random_image(), task="a", generated=generated)
    with Image.open(tmp_path / "a.png") as picture:
        packet = ElementTree.fromstring(picture.info["XML:com.adobe.xmp"])
    assert packet.tag == "{adobe:ns:meta/}x" + "mpmeta"
    assert [node.get(SOURCE_TYPE) for node in packet.iter() if SOURCE_TYPE in node.attrib] == [CODES + code]


def test_folders_are_private_and_cannot_be_guessed(tmp_path):
    paths = [Path(save_result(random_image(), task="same", directory=tmp_path)) for _ in range(2)]
    assert paths[0].parent != paths[1].parent
    for path in paths:
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert path.parent.parent == tmp_path


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("../../x", "x.png"),
        ("/etc/passwd", "etc-passwd.png"),
        ("a b\n\0c", "a-b-c.png"),
        ("..", "result.png"),
        ("C:\\x", "C-x.png"),
        ("Bäume_2.1", "Bäume_2.1.png"),
        (None, "the-task.png"),
        ("", "the-task.png"),
    ],
)
def test_names_are_made_harmless(tmp_path, name, file):
    path = Path(save_result(random_image(), task="the task", name=name, directory=tmp_path))
    assert path.name == file
    assert path.parent.parent == tmp_path


@pytest.mark.parametrize("letter", "a木")
def test_names_of_any_length_can_be_written(tmp_path, letter):
    path = Path(save_result(random_image(), task="a", name=letter * 255, directory=tmp_path))
    assert path.stem == letter * len(path.stem)
    assert len(path.stem) >= 50


def test_a_well_formed_record_is_read():
    assert read_provenance(with_text(json.dumps(GOOD))) == GOOD
    assert read_provenance(with_text(json.dumps({**GOOD, "foreign": 1}))) == GOOD
    bare = {"task": "a", "settings": {}, "version": "1"}
    assert read_provenance(with_text(json.dumps(bare))) == GOOD | {"seed": None}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "parameters: a cat",
        "[]",
        "null",
        "{}",
        *(json.dumps(GOOD | change) for change in ({"task": 1}, {"settings": []}, {"weights": 3}, {"version": None})),
        json.dumps(GOOD | {"seed": "x"}),
        json.dumps(GOOD | {"sha256": {}}),
        json.dumps(GOOD)[:-1],
        json.dumps(GOOD | {"settings": {"x": "y" * 200_000}}),
        "[" * 90_000,
        "1" * 90_000,
        "x" * 3_000_000,
    ],
    ids=lambda text: text[:30],
)
def test_malformed_and_huge_records_are_none(text):
    assert read_provenance(with_text(text)) is None


def test_foreign_and_no_pictures_are_none(tmp_path):
    jpeg = io.BytesIO()
    Image.new("RGB", (2, 2)).save(jpeg, "JPEG", comment=json.dumps(GOOD))
    foreign = with_text(json.dumps(GOOD), key="parameters")
    good = with_text(json.dumps(GOOD))
    for source in (None, b"", b"text", good[:30], jpeg.getvalue(), foreign, tmp_path, tmp_path / "x", "x" * 5000):
        assert read_provenance(source) is None


def test_an_unknown_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no model “none-such”"):
        write_png(tmp_path / "a.png", random_image(), task="a", model="none-such")
    assert not (tmp_path / "a.png").exists()
