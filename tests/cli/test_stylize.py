import numpy as np
import pytest
from PIL import Image

from gan_models.checkpoints import registry
from gan_models.cli import main
from gan_models.images import decode, read_provenance
from gan_models.images.provenance import fingerprint
from tests.tiny_models import embed


def run(*arguments):
    return main([str(argument) for argument in (*arguments, "--device", "cpu")])


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "a.png"
    Image.effect_noise((48, 32), 40).convert("RGB").save(path)
    return path


def test_a_picture_is_drawn_in_the_style_of_others_and_says_how(tmp_path, photo):
    style = tmp_path / "style.png"
    Image.fromarray(np.full((40, 40, 3), (200, 30, 30), np.uint8)).save(style)
    options = ["--style", style, "--second-style", photo, "--steps", 4, "--side", 64, "--colours", "luminance"]
    assert run("stylize", photo, "-o", tmp_path / "b.png", *options) == 0
    assert decode(tmp_path / "b.png").shape == (43, 64, 3)
    record = read_provenance(tmp_path / "b.png")
    assert (record["task"], record["weights"]) == ("style-transfer", "features-compact")
    assert record["settings"]["colours"] == "luminance"
    assert record["settings"]["second_style"] == fingerprint(decode(photo))
    assert record["settings"]["style_layers"].startswith("relu1_1, relu2_1")


def test_a_folder_is_drawn_and_what_is_impossible_is_said_in_words(tmp_path, photo, capsys):
    (tmp_path / "in").mkdir()
    photo = photo.rename(tmp_path / "in" / "a.png")
    options = ["--style", photo, "--side", 64]
    assert run("stylize", tmp_path / "in", "-o", tmp_path / "out", *options, "--steps", 2) == 0
    assert decode(tmp_path / "out" / "a.png").shape == (43, 64, 3)
    assert run("stylize", photo, "-o", tmp_path / "b.png", *options, "--steps", 0) == 1
    assert "Steps must be at least 1, not 0" in capsys.readouterr().err
    assert run("stylize", photo, "-o", tmp_path / "b.png", *options, "--model", "sr-psnr-compact") == 1
    assert "for super-resolution, not for features" in capsys.readouterr().err


def test_a_folder_is_drawn_in_a_learned_style(tmp_path, photo, monkeypatch):
    network = "gan_models.style_transfer.network:TransformerNet"
    embed(tmp_path, "style-tiny", network, "fast-style", channels=[4, 4, 4], blocks=1)
    monkeypatch.setattr(registry, "REGISTRY", tmp_path / "registry.toml")
    (tmp_path / "in").mkdir()
    photo.rename(tmp_path / "in" / "a.png")
    assert run("stylize", tmp_path / "in", "-o", tmp_path / "out", "--model", "style-tiny", "--strength", 0.5) == 0
    record = read_provenance(tmp_path / "out" / "a.png")
    assert (record["weights"], record["settings"]) == ("style-tiny", {"strength": 0.5})


def test_options_of_the_other_way_are_refused(tmp_path, photo, capsys):
    assert run("stylize", photo, "-o", tmp_path / "b.png", "--model", "features-compact") == 1
    assert "for features, not for fast-style" in capsys.readouterr().err
    assert run("stylize", photo, "-o", tmp_path / "b.png", "--steps", 5) == 1
    assert "style is missing" in capsys.readouterr().err
    assert run("stylize", photo, "-o", tmp_path / "b.png", "--style", photo, "--strength", 0.5) == 1
    assert "doesn't go with these options" in capsys.readouterr().err
