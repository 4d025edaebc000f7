import csv

import numpy as np
import pytest
from PIL import Image

from gan_models.cli import main


def run(*arguments):
    return main(["measure", *map(str, arguments)])


def write(path, level=0, size=(40, 30), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.random.default_rng(seed).integers(0, 200, (size[1], size[0], 3), np.uint8)
    Image.fromarray(picture + np.uint8(level)).save(path)
    return path


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_picture_is_measured_and_the_table_printed(tmp_path, capsys):
    assert run(write(tmp_path / "a.png", 5), "--reference", write(tmp_path / "b.png")) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "psnr", "ssim", "mse", "ciede2000"]
    assert line.split()[3] == "25.0000"


def test_a_folder_is_measured_by_names_and_averaged(tmp_path, capsys):
    for name, level in (("a.png", 5), ("deep/b.png", 0)):
        write(tmp_path / "in" / name, level)
        write(tmp_path / "wanted" / name)
    write(tmp_path / "wanted" / "a.bmp", 50)  # the same suffix comes first
    assert run(tmp_path / "in", "--reference", tmp_path / "wanted", "-o", tmp_path / "new" / "table.csv") == 0
    first, second, mean = rows(tmp_path / "new" / "table.csv")
    assert (first["mse"], second["mse"], mean["mse"]) == ("25.0", "0.0", "12.5")
    assert (second["psnr"], mean["psnr"]) == ("inf", "inf")
    assert mean["name"] == "mean"


def test_another_suffix_will_do(tmp_path):
    write(tmp_path / "in" / "a.png", 5)
    write(tmp_path / "wanted" / "a.bmp")
    assert run(tmp_path / "in", "--reference", tmp_path / "wanted", "-o", tmp_path / "t.csv") == 0
    assert rows(tmp_path / "t.csv")[0]["mse"] == "25.0"


def test_files_that_fail_are_named_and_the_others_measured(tmp_path, capsys):
    for name in ("a.png", "alone.png", "large.png", "broken.png"):
        write(tmp_path / "in" / name, 5)
    write(tmp_path / "wanted" / "a.png")
    write(tmp_path / "wanted" / "large.png", size=(41, 30))
    (tmp_path / "wanted" / "broken.png").write_bytes(b"no picture")
    assert run(tmp_path / "in", "--reference", tmp_path / "wanted", "-o", tmp_path / "t.csv") == 1
    assert [row["mse"] for row in rows(tmp_path / "t.csv")] == ["25.0"]
    errors = capsys.readouterr().err
    for text in ("alone.png: There is no picture of this name", "large.png: The reference has 41×30", "broken.png: "):
        assert text in errors


def test_two_folders_are_compared_as_sets(tmp_path, capsys):
    for number in range(4):
        write(tmp_path / "in" / f"{number}.png", seed=number)
        write(tmp_path / "wanted" / f"{number}.jpg", seed=number + 9)
    options = ("--sets", "--features", "features-compact", "--side", 32, "-o", tmp_path / "t.csv")
    assert run(tmp_path / "in", "--reference", tmp_path / "wanted", *options) == 0
    found = {row["measure"]: row["value"] for row in rows(tmp_path / "t.csv")}
    assert (found["images"], found["references"], found["features"]) == ("4", "4", "features-compact")
    assert float(found["fid"]) > 0
    assert "fewer than 2,048" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["-o", "table.png"], "is a .csv file"),
        (["-o", "."], "is a .csv file"),
        (["--side", "32"], "--side goes with --sets"),
        (["--sets"], "two pictures at least"),
    ],
)
def test_bad_options_get_one_sentence(tmp_path, capsys, options, sentence):
    assert run(write(tmp_path / "a.png"), "--reference", write(tmp_path / "b.png"), *options) == 1
    assert sentence in capsys.readouterr().err


def test_a_picture_is_not_compared_with_a_folder(tmp_path, capsys):
    assert run(write(tmp_path / "in" / "a.png"), "--reference", tmp_path) == 1
    assert "a picture and a picture" in capsys.readouterr().err
