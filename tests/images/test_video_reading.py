import struct

import av
import numpy as np
import pytest
from PIL import Image

from gan_models.images import video
from gan_models.images.video import Video, open_video

ONE = 65536  # in the fixed point of a display matrix
RED, BLUE, BLACK = (250, 0, 0), (0, 0, 250), (0, 0, 0)


def write(path, pictures, fps=10.0):
    with open_video(path, fps=fps, task="x") as film:
        for picture in pictures:
            film.write(picture)
    return path


def greys(count, height=32, width=48):
    return [np.full((height, width, 3), 20 + 200 * index // count, np.uint8) for index in range(count)]


def quarters():
    """Red above black, with blue to the left, and no two corners of the right half alike."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24] = RED
    picture[:, :16] = BLUE
    return picture


def transport_stream(path, size, grey, count=6):
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("mpeg2video", rate=10)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        for _ in range(count):
            picture = np.full((*size, 3), grey, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


def turned(path, matrix):
    """Write another display matrix into an MP4: its tkhd box holds one from byte 40 on (ISO 14496-12, 8.3.2)."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    assert struct.unpack_from(">9i", content, start) == (ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", content, start, *matrix)
    path.write_bytes(content)


def refused(path, match="not a film"):
    with pytest.raises(ValueError, match=match):
        Video(path)


# --- Reading


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_pictures_come_in_order(tmp_path, name):
    pictures = greys(5)
    film = Video(write(tmp_path / name, pictures, fps=12.5))
    assert film.fps == pytest.approx(12.5)
    assert film.count == pytest.approx(5, abs=1)
    for _ in range(2):  # more than once
        found = list(film)
        assert [picture.shape for picture in found] == [(32, 48, 3)] * 5
        assert all(picture.dtype == np.uint8 and picture.flags.c_contiguous for picture in found)
        np.testing.assert_allclose([p.mean() for p in found], [p.mean() for p in pictures], atol=4)


def test_the_count_is_what_the_file_says(tmp_path):
    assert Video(write(tmp_path / "a.mp4", greys(7))).count == 7
    transport_stream(tmp_path / "a.ts", (32, 48), 100)
    assert Video(tmp_path / "a.ts").count == pytest.approx(6, abs=1)


@pytest.mark.parametrize(("written", "taken"), [(0.25, 1), (24, 24), (120, 60)])
def test_impossible_speeds_are_brought_into_range(tmp_path, written, taken):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=int(written) or 1)
        stream.width = stream.height = 16
        for index in range(4):
            frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            frame.pts = index * (1 if written >= 1 else 4)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert Video(tmp_path / "a.mp4").fps == pytest.approx(taken)


@pytest.mark.parametrize(
    ("matrix", "turns"),
    [
        ((0, ONE, 0, -ONE, 0, 0, 48 * ONE, 0, 1 << 30), -1),  # a phone held upright
        ((0, -ONE, 0, ONE, 0, 0, 0, 64 * ONE, 1 << 30), 1),
        ((-ONE, 0, 0, 0, -ONE, 0, 64 * ONE, 48 * ONE, 1 << 30), 2),
        ((0,) * 9, 0),  # no rotation at all
    ],
)
def test_turned_films_come_out_upright(tmp_path, matrix, turns):
    turned(write(tmp_path / "a.mp4", [quarters()] * 3), matrix)
    expected = np.rot90(quarters(), turns)  # counterclockwise
    found = list(Video(tmp_path / "a.mp4"))
    assert len(found) == 3
    for picture in found:
        assert picture.shape == expected.shape
        assert picture.flags.c_contiguous
        inner = np.s_[4:-4:6, 4:-4:6]
        assert np.abs(picture[inner].astype(int) - expected[inner]).mean() < 6


def test_a_phones_film_has_its_left_side_above(tmp_path):
    turned(write(tmp_path / "a.mp4", [quarters()]), (0, ONE, 0, -ONE, 0, 0, 48 * ONE, 0, 1 << 30))
    (picture,) = Video(tmp_path / "a.mp4")
    corners = {BLUE: picture[3, 24], RED: picture[-3, -3], BLACK: picture[-3, 3]}
    for colour, found in corners.items():
        np.testing.assert_allclose(found, colour, atol=12)


# --- Refusals


@pytest.mark.parametrize("content", [b"", b"no film", b"GIF89a", bytes(1000), b"\x00\x00\x00\x20ftypisom"])
@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a"])
def test_what_is_no_film_is_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name)


def test_what_is_not_there_is_refused(tmp_path):
    refused(tmp_path / "missing.mp4")
    refused(tmp_path)


def test_pictures_and_sound_are_no_films(tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    refused(tmp_path / "a.png")
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    refused(tmp_path / "a.mp4")


def test_a_film_that_nothing_here_decodes_is_refused(tmp_path):
    path = write(tmp_path / "a.mp4", greys(2))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"none"))
    refused(path)


@pytest.mark.parametrize("name", ["list.m3u8", "list.txt", "list.mp4"])
@pytest.mark.parametrize("kind", ["playlist", "script"])
def test_lists_that_name_other_files_are_refused(tmp_path, kind, name, monkeypatch):
    """FFmpeg itself would read what is named, which may be any file of this machine."""
    transport_stream(tmp_path / "secret.ts", (32, 48), 100)
    lists = {
        "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.6,\n{tmp_path}/secret.ts\n#EXT-X-ENDLIST\n",
        "script": "ffconcat version 1.0\nfile secret.ts\n",
    }
    (tmp_path / name).write_text(lists[kind])
    refused(tmp_path / name)
    if kind == "script" or name == "list.m3u8":
        with av.open(str(tmp_path / name)) as container:
            assert sum(1 for _ in container.decode(video=0)) >= 5
    monkeypatch.setattr(video, "FORMATS", "hls,concat,mpegts")
    refused(tmp_path / name)


def test_too_many_pictures_are_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", greys(7))
    monkeypatch.setattr(video, "MAX_PICTURES", 7)
    assert len(list(Video(path))) == 7
    monkeypatch.setattr(video, "MAX_PICTURES", 6)
    refused(path, "6 pictures at most; this one has 7")


def test_a_film_that_holds_more_pictures_than_it_says_ends(tmp_path, monkeypatch):
    film = Video(write(tmp_path / "a.mp4", greys(7)))
    monkeypatch.setattr(video, "MAX_PICTURES", 4)
    assert len(list(film)) == 4


def test_too_large_pictures_are_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", greys(2, 100, 2000))
    monkeypatch.setenv("GAN_ATELIER_MAX_MEGAPIXELS", "0.2")
    assert len(list(Video(path))) == 2
    monkeypatch.setenv("GAN_ATELIER_MAX_MEGAPIXELS", "0.1999")
    refused(path, r"0\.1999 megapixels at most")


# --- Films that are damaged, or change


def test_a_film_whose_end_is_missing_is_read_as_far_as_it_goes(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (30, 64, 64, 3), dtype=np.uint8)
    path = write(tmp_path / "a.mp4", noise)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    assert 5 < len(list(Video(path))) < 30


def test_a_film_whose_index_is_missing_is_refused(tmp_path):
    path = write(tmp_path / "a.mp4", greys(5))
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov") + 40])
    refused(path)


def test_all_pictures_have_the_size_of_the_first(tmp_path):
    path = tmp_path / "a.ts"
    path.write_bytes(transport_stream(path, (32, 48), 50) + transport_stream(path, (96, 80), 200))
    found = list(Video(path))
    assert {picture.shape for picture in found} == {(32, 48, 3)}
    assert abs(found[0].mean() - 50) < 4
    assert abs(found[-1].mean() - 200) < 4


def test_a_film_that_grows_too_large_ends(tmp_path, monkeypatch):
    path = tmp_path / "a.ts"
    path.write_bytes(transport_stream(path, (32, 48), 50) + transport_stream(path, (480, 640), 200))
    assert any(picture.mean() > 150 for picture in Video(path))
    monkeypatch.setenv("GAN_ATELIER_MAX_MEGAPIXELS", "0.1")
    found = list(Video(path))
    assert found
    assert all(abs(picture.mean() - 50) < 4 for picture in found)
