"""A visitor's pictures: files, and ZIP archives of them, read in memory."""

import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PureWindowsPath

import numpy as np

from gan_models import settings
from gan_models.images.alpha import flatten
from gan_models.images.decode import decode
from gan_models.jobs import check_wanted

SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif"),
    *(".tif", ".tiff", ".avif", ".heic", ".heif"),
}
ENTRIES = 20_000  # in an archive, whatever they are
UNREADABLE = (  # what zipfile raises on damaged and odd archives
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, MemoryError, LookupError),
    *(zlib.error, lzma.LZMAError, UnicodeDecodeError),
)


def read_pictures(paths: Sequence[str | Path], most: int | None = None) -> Iterator[tuple[np.ndarray, str]]:
    """Yield each picture of some files and ZIP archives, H×W×3 uint8 on white, and its folder in the archive.

    Nothing is written to disk, and one picture is held at a time. Folders of pictures that are hidden, and files in
    archives that by their names are no pictures, are left out; a file's folder is "".

    Args:
        paths: Pictures and archives.
        most: Pictures that are accepted; None for any number.

    Raises:
        ValueError: There are more pictures, an archive is damaged, empty, too large, or names files outside itself,
            or a picture can't be read; the message is for visitors.
    """
    count = 0
    for path in paths:
        if zipfile.is_zipfile(path):
            contents = _unpacked(Path(path))
        else:
            contents = iter([(Path(path).name, "", path)])
        for name, folder, source in contents:
            check_wanted()
            count += 1
            if most is not None and count > most:
                raise ValueError(f"There are too many pictures: {most} at most are taken.")
            try:
                picture = flatten(decode(source))
            except ValueError as problem:
                raise ValueError(f"{name}: {problem}") from None
            yield picture, folder


def _unpacked(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield name, folder and content of each picture in an archive.

    Raises:
        ValueError: See `read_pictures`.
    """
    limit = round(settings.max_upload_mb() * 1e6)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > ENTRIES:
                raise ValueError(f"This archive has {len(entries)} files; {ENTRIES} are the most.")
            found = False
            for entry in entries:
                place = PureWindowsPath(entry.filename)  # which takes both kinds of slashes, and knows drives
                if place.anchor or ".." in place.parts:
                    raise ValueError("This archive names files outside itself; it isn't unpacked.")
                hidden = any(part.startswith((".", "__MACOSX")) for part in place.parts)
                if hidden or place.suffix.lower() not in SUFFIXES:
                    continue
                found = True
                if entry.file_size > limit:
                    raise ValueError(f"{place.name} is larger than {settings.max_upload_mb():g} MB.")
                with archive.open(entry) as stream:
                    content = stream.read(limit + 1)  # whatever size the archive says
                if len(content) > limit:
                    raise ValueError(f"{place.name} is larger than {settings.max_upload_mb():g} MB.")
                yield place.name, place.parent.name, content
            if not found:
                raise ValueError("There are no pictures in this archive.")
    except UNREADABLE:
        raise ValueError("This archive is damaged, or packed in a way that can't be read.") from None
