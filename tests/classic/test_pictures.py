import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from gan_models.classic import pictures

RNG = np.random.default_rng(0)


def png(size=(20, 24), mode="RGB"):
    stream = io.BytesIO()
    noise = RNG.integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(stream, "PNG")
    return stream.getvalue()


def archive(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return path


@pytest.fixture
def several(tmp_path):
    return archive(tmp_path / "set.zip", {f"{'ab'[n % 2]}/{n}.png": png((20 + n, 30)) for n in range(10)})


def test_an_archive_becomes_a_set_of_squares_with_kinds(several):
    found = pictures.from_files([several], 16)
    assert found.pixels.shape == (10, 3, 16, 16)
    assert found.kinds == ("a", "b")
    assert found.labels.tolist() == [n % 2 for n in range(10)]


def test_files_and_archives_of_all_modes_go_together(several, tmp_path):
    paths = [several]
    for mode in ("L", "RGBA", "1", "P"):
        paths.append(tmp_path / f"{mode}.png")
        paths[-1].write_bytes(png(mode=mode))
    assert len(pictures.from_files(paths, 16)) == 14


def test_a_time_of_day_in_a_name_is_no_drive(several):
    with zipfile.ZipFile(several, "a") as target:
        target.writestr("Screenshot 12:30.png", png())
    assert len(pictures.from_files([several], 16)) == 11


def test_what_is_no_picture_in_an_archive_is_left_alone(several):
    with zipfile.ZipFile(several, "a") as target:
        target.writestr("notes.txt", "hello")
        target.writestr("__MACOSX/._1.png", "junk")
        target.writestr(".hidden/1.png", "junk")
    assert len(pictures.from_files([several], 16)) == 10


def zip_with(name, content=b"x"):
    return lambda path: archive(path, {f"{n}.png": png() for n in range(8)} | {name: content})


def bomb(path):
    """A picture of a hundred million bytes that packs into a hundred thousand."""
    return archive(path, {"a.png": bytes(100_000_000)})


def liar(path):
    """An archive whose directory says that its one large file is small."""
    bomb(path)
    content = bytearray(path.read_bytes())
    size = (100_000_000).to_bytes(4, "little")
    place = content.rindex(size)
    content[place : place + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    return path


def many(path):
    with zipfile.ZipFile(path, "w") as target:
        for number in range(50_000):
            target.writestr(f"{number}.png", b"")
    return path


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: archive(path, {}), "no pictures in this archive"),
        (lambda path: archive(path, {"a.txt": b"x"}), "no pictures in this archive"),
        (zip_with("../../evil.png"), "names files outside itself"),
        (zip_with("/etc/evil.png"), "names files outside itself"),
        (zip_with("..\\evil.png"), "names files outside itself"),
        (zip_with("C:\\evil.png"), "names files outside itself"),
        (lambda path: archive(path, {".": b"x"}), "no pictures|damaged"),
        (bomb, "larger than"),
        (liar, "damaged|larger than"),
        (many, "has 50000 files"),
        (zip_with("broken.png", b"no picture"), "broken.png: This file is not a picture"),
        (lambda path: archive(path, {"1.png": png()}), "8 pictures at least, not 1"),
        (lambda path: path.write_bytes(b"PK\x05\x06" + bytes(18) + b"x") and path, "no pictures|not a picture"),
    ],
)
def test_bad_archives_get_one_sentence_and_leave_nothing(make, sentence, tmp_path):
    (tmp_path / "in").mkdir()
    path = make(tmp_path / "in" / "set.zip")
    with pytest.raises(ValueError, match=sentence):
        pictures.from_files([path], 16)
    assert {file.name for file in tmp_path.rglob("*")} == {"in", "set.zip"}


def test_a_damaged_archive_is_named_so(several):
    content = bytearray(several.read_bytes())
    content[60:200] = bytes(140)
    several.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        pictures.from_files([several], 16)


def test_no_more_than_the_most_are_taken(several, monkeypatch):
    monkeypatch.setattr(pictures, "MOST", 9)
    with pytest.raises(ValueError, match="9 at most"):
        pictures.from_files([several], 16)


def test_batches_are_mirrored_and_turned_in_hue_but_stay_white(several):
    pixels = torch.full((8, 3, 16, 16), 255, dtype=torch.uint8)
    pixels[:, 0, :, :8] = 40
    source = pictures.Pictures(pixels, torch.zeros(8, dtype=torch.long), ("",))
    torch.manual_seed(0)
    batch, labels = source.batch(64)
    assert labels.shape == (64,)
    left_is_white = (batch[:, :, :, :8] > 0.99).flatten(1).all(1)
    right_is_white = (batch[:, :, :, 8:] > 0.99).flatten(1).all(1)
    assert (left_is_white ^ right_is_white).all()
    assert 15 < left_is_white.sum() < 49
    coloured = torch.where(left_is_white[:, None], batch[:, :, 0, 12], batch[:, :, 0, 2])
    assert coloured.std(0).min() > 0.01
    source.hue = 0
    plain = source.batch(8)[0]
    assert {round(value, 3) for value in plain.unique().tolist()} == {-0.686, 1.0}


@pytest.mark.parametrize("hue", [-0.1, 3.2, float("nan")])
def test_colours_can_be_turned_all_round_and_no_further(several, hue):
    with pytest.raises(ValueError, match="Colours can be turned by"):
        pictures.from_files([several], 16, hue=hue)


def test_parts_share_no_picture_and_are_always_alike(several):
    source = pictures.from_files([several], 16)
    learned, held_out = source.split(0.3)
    assert (len(learned), len(held_out)) == (7, 3)
    both = torch.cat([learned.pixels, held_out.pixels]).flatten(1).float().sum(1).sort().values
    assert torch.equal(both, source.pixels.flatten(1).float().sum(1).sort().values)
    assert torch.equal(source.split(0.3)[1].pixels, held_out.pixels)


def test_even_borders_are_cut_off_if_that_is_wanted(tmp_path):
    pixels = np.full((40, 60, 3), 255, np.uint8)
    pixels[5:13, 40:48] = (200, 30, 60)
    paths = [tmp_path / f"{number}.png" for number in range(pictures.FEWEST)]
    for path in paths:
        Image.fromarray(pixels).save(path)
    for found in (pictures.from_files(paths, 16, trim=True), pictures.from_folder(tmp_path, 16, trim=True)):
        assert (found.pixels[:, 1] < 100).float().mean() > 0.6
    for found in (pictures.from_files(paths, 16), pictures.from_folder(tmp_path, 16)):
        assert (found.pixels[:, 1] < 100).float().mean() < 0.1


def test_a_damaged_file_in_a_folder_is_named(several, tmp_path):
    (tmp_path / "torn.png").write_bytes(png()[:40])
    with pytest.raises(ValueError, match=r"torn\.png: "):
        pictures.from_folder(tmp_path, 16)


def test_mosaics_are_cut_into_tiles(tmp_path):
    mosaic = np.zeros((64, 96, 3), np.uint8)
    mosaic[32:, 64:] = 200
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()
    for kind in ("cat", "dog"):
        Image.fromarray(mosaic).save(tmp_path / kind / "0.png")
    found = pictures.from_folder(tmp_path, 32, tile=32)
    assert len(found) == 12
    assert found.pixels.float().mean((1, 2, 3)).tolist() == [0, 0, 0, 0, 0, 200] * 2
    assert found.labels.tolist() == [0] * 6 + [1] * 6


def test_sprites_are_of_three_kinds_on_white():
    found = pictures.sprites(32, count=30)
    assert found.kinds == ("legs", "round", "tall")
    assert found.labels.bincount().tolist() == [10, 10, 10]
    assert (found.pixels[:, :, 0] == 255).all()
    assert (found.pixels.flatten(1).float().std(1) > 10).all()
    assert torch.equal(found.pixels, pictures.sprites(32, count=30).pixels)
