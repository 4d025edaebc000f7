import av
import numpy as np
import pytest
from PIL import Image

from gan_models.images.video import open_video, read_video_provenance


def read(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return (
            frames,
            stream.codec_context.name,
            stream.codec_context.pix_fmt,
            float(stream.average_rate),
            {**container.metadata},
        )


def test_pictures_come_back_in_order_as_browsers_play_them(tmp_path):
    greys = [20, 90, 160, 230]
    with open_video(tmp_path / "a.mp4", fps=12.5, task="faces", generated=True, count=4) as video:
        for grey in greys:
            video.write(np.full((64, 48, 3), grey, np.uint8))
    frames, codec, pixels, rate, metadata = read(tmp_path / "a.mp4")
    assert (codec, pixels, rate) == ("h264", "yuv420p", 12.5)
    assert [frame.shape for frame in frames] == [(64, 48, 3)] * 4
    np.testing.assert_allclose([frame.mean() for frame in frames], greys, atol=3)
    assert metadata["DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
    record = read_video_provenance(tmp_path / "a.mp4")
    assert record["task"] == "faces"
    assert record["settings"] == {"count": 4, "fps": 12.5}


def test_odd_sides_are_doubled_at_the_border(tmp_path):
    with open_video(tmp_path / "a.mp4", fps=24, task="x") as video:
        video.write(np.full((33, 21, 3), 200, np.uint8))
    (frame,), *_, metadata = read(tmp_path / "a.mp4")
    assert frame.shape == (34, 22, 3)
    assert abs(frame.mean() - 200) < 3
    assert metadata["DigitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")


@pytest.mark.parametrize("side", [64, 1024])
def test_colours_are_said_and_kept_whatever_the_size(tmp_path, side):
    with open_video(tmp_path / "a.mp4", fps=24, task="x") as video:
        video.write(np.full((side, side, 3), (200, 60, 40), np.uint8))
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 1)
        luma, *_ = (np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[4, 4] for plane in frame.planes)
    assert abs(luma - (16 + 219 / 255 * (0.2126 * 200 + 0.7152 * 60 + 0.0722 * 40))) < 2


@pytest.mark.parametrize("fps", [0, -1, 61, float("nan")])
def test_impossible_speeds_are_refused(tmp_path, fps):
    with pytest.raises(ValueError, match="pictures a second"), open_video(tmp_path / "a.mp4", fps=fps, task="x"):
        pass
    assert not (tmp_path / "a.mp4").exists()


def test_no_record_where_there_is_none(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    assert read_video_provenance(tmp_path / "text.mp4") is None
    assert read_video_provenance(tmp_path / "missing.mp4") is None
    with av.open(str(tmp_path / "foreign.mp4"), "w", format="mp4") as container:
        container.metadata["comment"] = '{"task": 1}'
        stream = container.add_stream("libx264", rate=1)
        stream.width = stream.height = 16
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    assert read_video_provenance(tmp_path / "foreign.mp4") is None


def test_gifs_loop_at_their_speed_and_carry_what_made_them(tmp_path):
    greys = [20, 90, 160]
    with open_video(tmp_path / "a.gif", fps=10, task="x", seed=3) as film:
        for grey in greys:
            film.write(np.full((15, 21, 3), grey, np.uint8))
    with Image.open(tmp_path / "a.gif") as picture:
        assert (picture.format, picture.n_frames, picture.info["loop"], picture.info["duration"]) == (
            "GIF",
            3,
            0,
            100,
        )
        found = []
        for index in range(3):
            picture.seek(index)
            found.append(np.asarray(picture.convert("RGB")).mean())
    np.testing.assert_allclose(found, greys, atol=2)
    assert b"compositeWithTrainedAlgorithmicMedia" in (tmp_path / "a.gif").read_bytes()
    record = read_video_provenance(tmp_path / "a.gif")
    assert (record["task"], record["seed"]) == ("x", 3)


def test_gifs_of_others_carry_nothing(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.gif")
    assert read_video_provenance(tmp_path / "a.gif") is None
    (tmp_path / "b.gif").write_bytes(b"GIF89a")
    assert read_video_provenance(tmp_path / "b.gif") is None
