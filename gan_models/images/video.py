"""Videos that browsers play: H.264 in MP4, or GIF, with the same account of how they were made as pictures carry."""

import itertools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import cv2
import numpy as np
from PIL import Image

from gan_models import settings
from gan_models.images.provenance import MAX_RECORD, check_record, make_record, read_provenance, source_type

FORMATS = "mov,mp4,matroska,webm,avi,gif,mpegts"  # others may name further files, which FFmpeg would read too
MAX_PICTURES = 3600  # of a film that is worked on
CODED_SHARE = 1.1  # how much larger pictures may be coded than shown, as codecs fill up their blocks
QUALITY = "16"  # x264's constant rate factor: visually lossless for small pictures
MAX_FPS = 60
BT709, VIDEO_RANGE = 1, 1  # said in the file, as browsers otherwise guess the colour matrix by the size


class Video:
    """A film to be read: its rate, about how many pictures it has, and the pictures one by one.

    Attributes:
        path: The file.
        fps: Pictures a second, from 1 to 60.
        count: How many pictures there are, by what the file says.

    Args:
        path: A film: MP4, MOV, WebM, MKV, AVI, MPEG-TS or GIF.

    Raises:
        ValueError: It is no film, it is too long, or its pictures are larger than pictures may be.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = str(path)
        try:
            with _opened(self.path) as container:
                stream = container.streams.video[0]
                rate = float(stream.average_rate or 25)
                seconds = (stream.duration or 0) * float(stream.time_base or 0) or (container.duration or 0) / 1e6
                self.count = stream.frames or round(seconds * rate)
                pixels = stream.width * stream.height
        except (av.FFmpegError, OSError, IndexError, ValueError, AttributeError):  # the last where no decoder is
            raise ValueError("This file is not a film that can be read.") from None
        self.fps = min(max(rate, 1.0), MAX_FPS)
        if pixels > settings.max_megapixels() * 1e6:
            raise ValueError(f"A film may have pictures of {settings.max_megapixels():g} megapixels at most.")
        if self.count > MAX_PICTURES:
            raise ValueError(f"A film may have {MAX_PICTURES} pictures at most; this one has {self.count}.")

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the pictures, H×W×3 uint8, upright and of the first one's size.

        There are at most 3,600, and none after the first that is damaged, or larger than pictures may be.
        """
        with _opened(self.path) as container, suppress(av.FFmpegError):
            most = int(settings.max_megapixels() * 1e6 * CODED_SHARE)
            container.streams.video[0].codec_context.options = {"max_pixels": str(most)}
            size: dict[str, int] = {}  # which may change in the midst of a film
            for frame in itertools.islice(container.decode(video=0), MAX_PICTURES):
                size = size or {"width": frame.width, "height": frame.height}
                picture = frame.to_ndarray(format="rgb24", **size)
                turns = round(frame.rotation / 90) if abs(frame.rotation) <= 180 else 0  # else it is no rotation
                yield np.ascontiguousarray(np.rot90(picture, turns))


@contextmanager
def _opened(path: str) -> Iterator[av.container.InputContainer]:
    """Open a file for FFmpeg, which never sees its name and may open nothing else, whatever the file asks for."""
    with (
        open(path, "rb") as file,
        av.open(file, options={"format_whitelist": FORMATS, "protocol_whitelist": ""}) as container,
    ):
        yield container


class Writer(Protocol):
    """Takes one picture after the other; see `open_video`."""

    def write(self, picture: np.ndarray) -> None:
        """Append a picture, H×W×3 uint8, of the same size as the first."""


class VideoWriter:
    """Takes one picture after the other; see `open_video`."""

    def __init__(self, container: av.container.OutputContainer, fps: float):
        self._container, self._fps, self._stream = container, fps, None

    def write(self, picture: np.ndarray) -> None:
        """Append a picture, H×W×3 uint8, of the same size as the first; odd sides are doubled at the border."""
        height, width = picture.shape[:2]
        picture = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        if self._stream is None:
            self._stream = self._container.add_stream("libx264", rate=Fraction(self._fps).limit_denominator(1000))
            self._stream.height, self._stream.width = picture.shape[:2]
            self._stream.pix_fmt = "yuv420p"
            self._stream.options = {"crf": QUALITY}
            context = self._stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = VIDEO_RANGE
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
        frame.colorspace, frame.color_range = BT709, VIDEO_RANGE
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._stream is not None:
            self._container.mux(self._stream.encode())


class GifWriter:
    """Takes one picture after the other; see `open_video`."""

    def __init__(self):
        self._frames: list[Image.Image] = []

    def write(self, picture: np.ndarray) -> None:
        """Append a picture, H×W×3 uint8, of the same size as the first, with 256 colours of its own."""
        self._frames.append(Image.fromarray(picture).quantize(256, dither=Image.Dither.FLOYDSTEINBERG))

    def finish(self, path: str | os.PathLike, fps: float, comment: str) -> None:
        """Write the file; GIF counts in hundredths of a second, and browsers take less than two for ten."""
        first, *others = self._frames
        duration = max(20, round(100 / fps) * 10)
        options = {"append_images": others, "save_all": True, "loop": 0, "duration": duration}
        first.save(path, "GIF", comment=comment.encode(), disposal=1, optimize=False, **options)


@contextmanager
def open_video(path: str | os.PathLike, *, fps: float, generated: bool = False, **record: Any) -> Iterator[Writer]:
    """Write a film to `path`: give pictures to the writer inside the `with` block.

    Args:
        path: The file: a GIF if it is called .gif, else an MP4. It is written aside and renamed when it is whole; a
            block that fails or is left early leaves what was there.
        fps: Pictures a second.
        generated: Whether a model drew all of the pictures, rather than altered some.
        record: task, model, seed and settings, as `write_png` takes them.

    Raises:
        ValueError: `fps` is not between 1 and 60.
    """
    if not 1 <= fps <= MAX_FPS:
        raise ValueError(f"A video has 1 to {MAX_FPS} pictures a second, not {fps:g}.")
    comment = json.dumps(make_record(**record, fps=fps))
    if Path(path).suffix.lower() == ".gif":
        gif = GifWriter()
        yield gif
        marked = {**json.loads(comment), "DigitalSourceType": source_type(generated)}
        with _aside(path) as unfinished:
            gif.finish(unfinished, fps, json.dumps(marked))
        return
    options = {"movflags": "+faststart+use_metadata_tags"}
    with _aside(path) as unfinished, av.open(str(unfinished), "w", format="mp4", options=options) as container:
        container.metadata["comment"] = comment
        container.metadata["DigitalSourceType"] = source_type(generated)
        writer = VideoWriter(container, fps)
        yield writer
        writer.finish()


@contextmanager
def _aside(path: str | os.PathLike) -> Iterator[Path]:
    """Yield another path, whose file takes the place of `path` if the block ends well and is gone if not."""
    unfinished = Path(path).with_suffix(f".unfinished{Path(path).suffix}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_record(path: str | os.PathLike) -> dict[str, Any] | None:
    """Return the record in a result of any kind, or None where there is none that is well-formed."""
    return read_provenance(path) or read_video_provenance(path)


def read_video_provenance(path: str | os.PathLike) -> dict[str, Any] | None:
    """Return the record that `open_video` left in a film, or None where there is none that is well-formed."""
    try:
        if Path(path).suffix.lower() == ".gif":
            with Image.open(path, formats=["GIF"]) as picture:
                return check_record(json.loads(picture.info["comment"][:MAX_RECORD]))
        with _opened(str(path)) as container:
            return check_record(json.loads(container.metadata["comment"][:MAX_RECORD]))
    except (av.FFmpegError, OSError, KeyError, ValueError, TypeError, SyntaxError, RecursionError):
        return None
