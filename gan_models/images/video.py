"""Videos that browsers play: H.264 in MP4, with the same account of how they were made as pictures carry."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np

from gan_models.images.provenance import MAX_RECORD, check_record, make_record, source_type

QUALITY = "16"  # x264's constant rate factor: visually lossless for small pictures
MAX_FPS = 60
BT709, VIDEO_RANGE = 1, 1  # said in the file, as browsers otherwise guess the colour matrix by the size


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


@contextmanager
def open_video(
    path: str | os.PathLike, *, fps: float, generated: bool = False, **record: Any
) -> Iterator[VideoWriter]:
    """Write an MP4 to `path`: give pictures to the writer inside the `with` block.

    Args:
        path: The file, which a block that fails leaves behind unfinished.
        fps: Pictures a second.
        generated: Whether a model drew all of the pictures, rather than altered some.
        record: task, model, seed and settings, as `write_png` takes them.

    Raises:
        ValueError: `fps` is not between 1 and 60.
    """
    if not 1 <= fps <= MAX_FPS:
        raise ValueError(f"A video has 1 to {MAX_FPS} pictures a second, not {fps:g}.")
    options = {"movflags": "+faststart+use_metadata_tags"}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        container.metadata["comment"] = json.dumps(make_record(**record, fps=fps))
        container.metadata["DigitalSourceType"] = source_type(generated)
        writer = VideoWriter(container, fps)
        yield writer
        writer.finish()


def read_video_provenance(path: str | os.PathLike) -> dict[str, Any] | None:
    """Return the record that `open_video` left in an MP4, or None where there is none that is well-formed."""
    try:
        with av.open(str(path)) as container:
            return check_record(json.loads(container.metadata["comment"][:MAX_RECORD]))
    except (av.FFmpegError, OSError, KeyError, ValueError, RecursionError):
        return None
