"""Any uploaded picture as an RGB or RGBA array, or one sentence that says why not."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from gan_models import settings

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF")
SRGB = ImageCms.createProfile("sRGB")
UNREADABLE = "This file is not a picture that can be read (PNG, JPEG, WebP, BMP, GIF, TIFF or AVIF)."
DAMAGED = "This picture is damaged or cut off."
MALFORMED = (  # what Pillow raises on the way through damaged files
    *(OSError, ValueError, SyntaxError, struct.error, LookupError, EOFError),
    *(TypeError, AttributeError, ArithmeticError, RuntimeError, zlib.error),
)
KEY_COLOURS = {  # PNG's one transparent colour, at the bit depth of the file, as Pillow's pixels have it
    "L;2": lambda grey: grey * 85,
    "L;4": lambda grey: grey * 17,
    "RGB;16B": lambda colour: tuple(level >> 8 for level in colour),
}
TURNS = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(
    source: str | os.PathLike | bytes | None, *, max_megapixels: float | None = None, max_mb: float | None = None
) -> np.ndarray:
    """Read the first frame of a picture, upright and in sRGB, whatever its mode, name or extension.

    Args:
        source: A path, or the content of a file.
        max_megapixels: Most pixels accepted, in millions; default: the setting.
        max_mb: Largest file accepted, in millions of bytes; default: the setting.

    Returns:
        H×W×3 uint8; H×W×4 where some pixel is not opaque.

    Raises:
        ValueError: There is no such file, it is too large, damaged, or not a picture. The message is for visitors.
    """
    with readable(source, max_mb=max_mb) as picture:
        _check_pixels(*picture.size, settings.max_megapixels() if max_megapixels is None else max_megapixels)
        return _damaged(lambda: _to_array(_upright(picture)))


def readable(source: str | os.PathLike | bytes | None, *, max_mb: float | None = None) -> Image.Image:
    """Return `source` as an opened picture whose pixels are not decoded yet.

    Raises:
        ValueError: As for `decode`.
    """
    content = _content(source, settings.max_upload_mb() if max_mb is None else max_mb)
    try:
        return Image.open(io.BytesIO(content), formats=_formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # the latter where warnings are errors
        raise ValueError("This picture has far too many pixels.") from None
    except (UnidentifiedImageError, *MALFORMED):
        raise ValueError(UNREADABLE) from None


def _content(source: str | os.PathLike | bytes | None, max_mb: float) -> bytes:
    if source is None:
        raise ValueError("Choose a picture first.")
    if isinstance(source, bytes):
        _check_bytes(len(source), max_mb)
        return source
    try:
        if not Path(source).is_file():
            raise FileNotFoundError
        _check_bytes(Path(source).stat().st_size, max_mb)
        return Path(source).read_bytes()
    except OSError:  # also names that are too long, and files that may not be read
        raise ValueError("There is no such file.") from None


def _check_bytes(size: int, max_mb: float) -> None:
    if size == 0:
        raise ValueError("This file is empty.")
    if size > max_mb * 1e6:
        raise ValueError(f"This file has {size / 1e6:.1f} MB; at most {max_mb:g} are accepted.")


@cache
def _formats() -> list[str]:
    """Return the formats of ours that this Pillow can read; no others are even tried."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _check_pixels(width: int, height: int, most: float) -> None:
    if width * height > most * 1e6:
        megapixels = width * height / 1e6
        raise ValueError(f"This picture has {megapixels:.1f} megapixels; at most {most:g} are accepted.")


def _damaged(read: Callable[[], object]) -> object:
    """Call `read`, which makes Pillow decode pixels, and turn all the ways in which that fails into one sentence."""
    try:
        return read()
    except MemoryError:
        raise ValueError("There is too little memory for this picture.") from None
    except MALFORMED:
        raise ValueError(DAMAGED) from None


def _upright(picture: Image.Image) -> Image.Image:
    """Decode `picture` and turn it as its EXIF data say; where these are broken, viewers ignore them too."""
    _match_key_colour(picture)
    picture.load()
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation)
        return picture.transpose(TURNS[orientation]) if orientation in TURNS else picture
    except MALFORMED:
        return picture


def _match_key_colour(picture: Image.Image) -> None:
    """Mend the transparent colour of PNGs whose pixels Pillow scales to 8 bits, before it forgets their depth."""
    if picture.format == "PNG" and "transparency" in picture.info:
        depth = picture.tile[0].args
        if depth in KEY_COLOURS:
            picture.info["transparency"] = KEY_COLOURS[depth](picture.info["transparency"])


def _to_array(picture: Image.Image) -> np.ndarray:
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture)
        colour = np.repeat(_to_8_bits(values, picture.mode)[:, :, None], 3, axis=2)
        hidden = values == picture.info.get("transparency", np.nan)  # one value, in a PNG of 16 bits
        return np.dstack([colour, np.where(hidden, 0, 255).astype(np.uint8)]) if hidden.any() else colour
    transparent = "A" in picture.getbands() or "transparency" in picture.info
    alpha = picture.convert("RGBA").getchannel("A") if transparent else None
    if transparent and picture.mode not in ("RGB", "RGBA", "L", "LA"):
        picture = picture.convert("RGBA").convert("RGB")  # a palette's profile is for colours, not for indices
    colour = np.asarray(_to_srgb(picture))
    if alpha is None or alpha.getextrema()[0] == 255:
        return colour.copy()
    return np.dstack([colour, np.asarray(alpha)])


def _to_8_bits(grey: np.ndarray, mode: str) -> np.ndarray:
    """Scale grey values to 0-255: 16 bits from 0-65535, floating point from 0-1 (or to its maximum beyond that)."""
    grey = grey.astype(np.float64)
    brightest = float(grey.max(where=np.isfinite(grey), initial=0))
    white = max(1.0 if mode == "F" else 65535.0, brightest)
    grey = np.nan_to_num(grey, copy=False, posinf=white, neginf=0)
    return np.clip(grey * (255 / white) + 0.5, 0, 255).astype(np.uint8)


def _to_srgb(picture: Image.Image) -> Image.Image:
    """Convert to RGB, through the embedded colour profile where there is a usable one."""
    profile = picture.info.get("icc_profile")
    opaque = picture.convert({"RGBA": "RGB", "LA": "L", "P": "RGB", "1": "L"}.get(picture.mode, picture.mode))
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(opaque, source, SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile, or one for another mode: the plain conversion below is what viewers do
    return opaque.convert("RGB")
