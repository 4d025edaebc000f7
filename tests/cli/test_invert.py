import numpy as np
import pytest
from PIL import Image
from skimage import data

from gan_models.cli import main
from gan_models.images import decode, read_provenance

PORTRAIT = data.astronaut()[:300, 80:380]


@pytest.fixture
def portrait(tmp_path):
    Image.fromarray(PORTRAIT).save(tmp_path / "portrait.png")
    return tmp_path / "portrait.png"


def invert(*arguments):
    return main(["invert", *map(str, arguments), "--steps", "10"])


def test_a_photo_gives_a_picture_and_its_latents_to_go_on_from(portrait, tmp_path):
    out = tmp_path / "out.png"
    assert invert(portrait, "-o", out, "--seed", 4) == 0
    assert decode(out).shape == (64, 64, 3)
    record = read_provenance(out)
    assert (record["task"], record["seed"], record["settings"]["action"]) == ("face-inversion", 4, "invert")
    assert invert(portrait, "-o", tmp_path / "on.png", "--latents", tmp_path / "out.safetensors") == 0
    assert (tmp_path / "on.safetensors").exists()


def test_a_folder_is_coloured_and_what_has_no_face_is_named(portrait, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    portrait.rename(folder / "a.png")
    Image.fromarray(data.coffee()).save(folder / "b.png")
    assert invert(folder, "-o", tmp_path / "out", "--task", "colorize") == 1
    problem = capsys.readouterr().err
    assert "b.png: No face was found" in problem
    assert "a.png" not in problem
    assert read_provenance(tmp_path / "out" / "a.png")["settings"]["action"] == "colorize"


def test_a_hole_is_mended(portrait, tmp_path):
    mask = np.zeros((300, 300), np.uint8)
    mask[100:130, 100:180] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    options = ("--task", "inpaint", "--mask", tmp_path / "mask.png", "--framing", "middle")
    assert invert(portrait, "-o", tmp_path / "out.png", *options) == 0
    np.testing.assert_array_equal(decode(tmp_path / "out.png")[mask == 0], PORTRAIT[mask == 0])


def test_a_mask_for_a_folder_is_refused(portrait, tmp_path, capsys):
    assert invert(portrait.parent, "-o", tmp_path / "out", "--mask", portrait) == 1
    assert "not of a folder" in capsys.readouterr().err


def test_inpainting_needs_a_mask(portrait, tmp_path, capsys):
    assert invert(portrait, "-o", tmp_path / "out.png", "--task", "inpaint") == 1
    assert "Mark what should be painted anew" in capsys.readouterr().err
