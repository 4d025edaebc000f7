import numpy as np
import pytest
from PIL import Image

from gan_models.cli import main
from gan_models.images import decode, read_provenance
from gan_models.images.video import Video, open_video, read_video_provenance


def run(*arguments):
    return main([str(argument) for argument in (*arguments, "--device", "cpu")])


def write(path, size=(48, 32)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise(size, 40).convert("RGB").save(path)
    return path


def write_film(path, count=3):
    with open_video(path, fps=10, task="x") as film:
        for index in range(count):
            film.write(np.full((32, 48, 3), 80 + 20 * index, np.uint8))
    return path


@pytest.mark.parametrize(
    ("command", "model", "settings"),
    [
        ("dehaze", "dark-channel", {"strength": 0.5}),
        ("deblur", "wiener", {"strength": 0.5, "reduction": 1, "length": 5.0, "angle": 20.0}),
    ],
)
def test_a_picture_is_restored_and_says_how(tmp_path, command, model, settings):
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    target = tmp_path / "b.png"
    assert run(command, write(tmp_path / "a.png"), "-o", target, "--model", model, *options) == 0
    assert decode(target).shape == (32, 48, 3)
    record = read_provenance(target)
    assert (record["weights"], record["settings"]) == (model, settings)


def test_a_folder_is_restored_and_what_fails_is_named(tmp_path, capsys):
    for name in ("a.png", "deep/b.jpg"):
        write(tmp_path / "in" / name)
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")
    assert run("dehaze", tmp_path / "in", "-o", tmp_path / "out", "--model", "dark-channel") == 1
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.png")) == ["a.png", "b.png"]
    assert "bad.png" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "model"), [("dehaze", "dark-channel"), ("deblur", "richardson-lucy")])
def test_a_film_becomes_a_film(tmp_path, command, model):
    target = tmp_path / "new" / "b.mp4"
    assert run(command, write_film(tmp_path / "a.mp4"), "-o", target, "--model", model) == 0
    film = Video(target)
    assert (film.fps, film.count) == (10, 3)
    assert [picture.shape for picture in film] == [(32, 48, 3)] * 3
    assert read_video_provenance(target)["weights"] == model


def test_a_film_is_not_overwritten_nor_what_is_none_taken_for_one(tmp_path, capsys):
    film = write_film(tmp_path / "a.mp4")
    assert run("dehaze", film, "-o", film, "--model", "dark-channel") == 1
    assert "overwrite" in capsys.readouterr().err
    assert len(list(Video(film))) == 3
    (tmp_path / "bad.mp4").write_bytes(b"nothing")
    assert run("dehaze", tmp_path / "bad.mp4", "-o", tmp_path / "b.mp4", "--model", "dark-channel") == 1
    assert "not a film" in capsys.readouterr().err
    assert not (tmp_path / "b.mp4").exists()


def test_weights_of_another_task_are_refused(tmp_path, capsys):
    assert run("deblur", write(tmp_path / "a.png"), "-o", tmp_path / "b.png", "--model", "dark-channel") == 1
    assert "for dehazing, not for deblurring" in capsys.readouterr().err


def test_labels_are_translated_to_a_picture_that_is_marked_as_generated(tmp_path):
    target = tmp_path / "b.png"
    assert run("translate", write(tmp_path / "a.png"), "-o", target, "--side", 64, "--seed", 3) == 0
    assert decode(target).shape == (32, 48, 3)
    record = read_provenance(target)
    assert (record["weights"], record["seed"]) == ("translate-facades-compact", 3)
    assert record["settings"] == {"from_photo": False, "side": 64, "mask": None}
    assert b"/trainedAlgorithmicMedia" in target.read_bytes()
