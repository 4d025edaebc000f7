"""Results that tell how they were made: a PNG with the settings in it, and the mark of synthetic media."""

import hashlib
import io
import json
import os
import re
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from gan_models import __version__
from gan_models.images.decode import MALFORMED

KEY = "gan-atelier"
MAX_RECORD = 100_000  # characters
MAX_HEAD = 1_000_000  # bytes from the start of a file in which a record is looked for
MAX_NAME = 60  # characters, of up to 4 bytes; file systems take 255 bytes
QUICK_FROM = 8e6  # pixels from which speed matters more than the last percents of size
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 Iptc4xmpExt:DigitalSourceType="{source_type}" xmp:CreatorTool="GAN Atelier {version}"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


def result_path(name: str, directory: str | os.PathLike | None = None) -> Path:
    """Return a path for a new file in a new folder that only this user can read and nobody can guess.

    Args:
        name: The file's name with its suffix; what file systems or pages might misread is replaced.
        directory: Where to make the folder; default: the system's folder for temporary files.
    """
    folder = tempfile.mkdtemp(prefix="gan-atelier-", dir=directory)
    stem, _, suffix = name.rpartition(".")
    safe = re.sub(r"[^\w.-]+", "-", stem)[:MAX_NAME].strip(".-") or "result"
    return Path(folder) / f"{safe}.{suffix}"


def save_result(
    image: np.ndarray,
    *,
    task: str,
    directory: str | os.PathLike | None = None,
    name: str | None = None,
    **record: Any,
) -> str:
    """Write `image` as a PNG into a new folder that only this user can read and nobody can guess.

    Args:
        image: H×W×3 or 4, uint8.
        task: The task's name.
        directory: Where to make the folder; default: the system's folder for temporary files.
        name: The file's name without its suffix; default: the task.
        record: What `write_png` takes besides.

    Returns:
        The file's path.
    """
    path = result_path(f"{name or task}.png", directory)
    write_png(path, image, task=task, **record)
    return str(path)


def write_png(
    path: str | os.PathLike,
    image: np.ndarray,
    *,
    task: str,
    model: str | None = None,
    sha256: str | None = None,
    seed: int | None = None,
    generated: bool = False,
    **settings: Any,
) -> None:
    """Write `image` as a PNG that carries how it was made.

    A text chunk `gan-atelier` holds task, settings, seed, weights with their SHA-256, and version, as JSON. An XMP
    packet holds the IPTC digital source type.

    Args:
        path: The file to write.
        image: H×W×3 or 4, uint8.
        task: The task's name.
        model: The weights' name in the registry.
        sha256: The hash of weights that are in no registry.
        seed: The seed, where one was used.
        generated: Whether a model drew all of the picture, rather than altered one.
        settings: All other settings; values that JSON knows.
    """
    record = make_record(task=task, model=model, sha256=sha256, seed=seed, **settings)
    chunks = PngInfo()
    chunks.add_itxt(KEY, json.dumps(record))
    chunks.add_itxt("XML:com.adobe.xmp", XMP.format(source_type=source_type(generated), version=__version__))
    quick = image.shape[0] * image.shape[1] > QUICK_FROM
    options = {"compress_level": 1, "compress_type": zlib.Z_RLE} if quick else {}
    Image.fromarray(image).save(path, "PNG", pnginfo=chunks, **options)


def make_record(
    *, task: str, model: str | None = None, sha256: str | None = None, seed: int | None = None, **settings: Any
) -> dict[str, Any]:
    """Return what a result tells of how it was made; arguments as for `write_png`."""
    return {
        "task": task,
        "settings": settings,
        "seed": seed,
        "weights": model,
        "sha256": sha256 or _sha256(model),
        "version": __version__,
    }


def fingerprint(source: str | os.PathLike | np.ndarray | None) -> str | None:
    """Return by what a record names what had a part in a result: the start of a SHA-256; None for None.

    It is that of a file, or of a picture's shape and pixels.
    """
    if source is None:
        return None
    if isinstance(source, np.ndarray):
        return hashlib.sha256(f"{source.shape}".encode() + source.tobytes()).hexdigest()[:12]
    with open(source, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def source_type(generated: bool) -> str:
    """Return the IPTC digital source type of a picture that a model drew, or altered."""
    return SOURCE_TYPES + ("trainedAlgorithmicMedia" if generated else "compositeWithTrainedAlgorithmicMedia")


def read_provenance(source: str | os.PathLike | bytes | None) -> dict[str, Any] | None:
    """Return the record that `write_png` left in a picture: task, settings, seed, weights, sha256, version.

    Returns None where there is none, or none that is well-formed; files from anywhere, of any size, may be given.
    """
    try:
        with PngImageFile(io.BytesIO(_head(source))) as picture:  # whose limits for pixels don't matter here
            return check_record(json.loads(str(picture.info[KEY])[:MAX_RECORD]))
    except MALFORMED:
        return None


def check_record(record: Any) -> dict[str, Any] | None:
    """Return `record`, read from a file of anybody's, if it is one of ours; else None."""
    text, number = str | None, int | None
    expected = {"task": str, "settings": dict, "seed": number, "weights": text, "sha256": text, "version": str}
    if not isinstance(record, dict) or not all(isinstance(record.get(key), kind) for key, kind in expected.items()):
        return None
    return {key: record.get(key) for key in expected}


def _head(source: str | os.PathLike | bytes | None) -> bytes:
    """Return the start of a file, where text chunks are: results may be far larger than uploads."""
    if isinstance(source, bytes):
        return source[:MAX_HEAD]
    with open(source, "rb") as file:
        return file.read(MAX_HEAD)


def _sha256(model: str | None) -> str | None:
    from gan_models.checkpoints import hub, registry  # brings the Hub's client

    return hub.content_hash(registry.get(model)) if model else None
