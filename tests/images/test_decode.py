import io
import random
import re
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, features

from gan_models.images import decode

KINDS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", *(["AVIF"] if features.check("avif") else []))
ORIENTED = {  # by where the first row and the first column of the file belong
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: upright.swapaxes(0, 1)[::-1],
    7: lambda upright: upright.swapaxes(0, 1)[::-1, ::-1],
    8: lambda upright: upright.swapaxes(0, 1)[:, ::-1],
}
SIXTH = struct.pack("<HHII", 0x0112, 3, 1, 6)  # EXIF: turn by 90° to the right
BROKEN_EXIF = {  # and whether the orientation can still be told
    "garbage": (b"garbage", False),
    "cut off": (b"II*\0", False),
    "text as orientation": (b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHI4s", 0x0112, 2, 4, b"abc"), False),
    "more promised": (b"II*\0\x08\0\0\0\xff\xff" + SIXTH, True),
    "text as resolution": (b"II*\0\x08\0\0\0\2\0" + SIXTH + struct.pack("<HHI4s", 0x11A, 2, 4, b"abc"), True),
    "number as software": (b"II*\0\x08\0\0\0\2\0" + SIXTH + struct.pack("<HHIf", 0x131, 11, 1, 1), True),
}


@pytest.fixture
def read(tmp_path):
    def read(content, **limits):
        path = tmp_path / "picture.txt"
        path.write_bytes(content)
        return decode(path, **limits)

    return read


def encoded(image, kind="PNG", **options):
    content = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(content, kind, **options)
    return content.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, rows=b"", *, depth=8, colour=0, before=(), after=()):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    chunks = [header, *before, chunk(b"IDAT", zlib.compress(rows)), *after, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def blocks(grey=False):
    """Six flat blocks of 16×16 pixels that no turn or flip leaves alone, upright."""
    levels = np.arange(6, dtype=np.uint8).reshape(2, 3) * 50
    colours = levels if grey else np.dstack([levels, 250 - levels, levels // 2])
    return colours.repeat(16, axis=0).repeat(16, axis=1)


def three(grey):
    return np.repeat(grey[:, :, None], 3, axis=2)


def refusal(source, **limits):
    with pytest.raises(ValueError) as problem:  # noqa: PT011 - what it says is checked below
        decode(source, **limits)
    message = str(problem.value)
    assert problem.type is ValueError
    assert re.fullmatch(r"[A-Z][^\n/\\]*[^.]\.", message), message
    assert not re.search(r"[.!?] [A-Z]", message), message
    return message


# Orientation


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize(
    ("kind", "grey"),
    [("JPEG", False), ("JPEG", True), ("PNG", False), ("PNG", True), ("TIFF", False), ("WEBP", False)],
)
def test_every_orientation_is_made_upright(read, kind, grey, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(ORIENTED[orientation](blocks(grey)))
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    image = read(encoded(stored, kind, exif=exif, **options))
    expected = three(blocks(grey)) if grey else blocks(grey)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected)[4::8, 4::8].max() <= (6 if kind == "JPEG" else 0)


@pytest.mark.parametrize("orientation", [3, 6])
def test_16_bit_and_transparent_pictures_are_made_upright(read, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for upright in (blocks(grey=True).astype(np.uint16) * 257, np.dstack([blocks(), blocks(grey=True)])):
        image = read(encoded(np.ascontiguousarray(ORIENTED[orientation](upright)), exif=exif))
        expected = upright if upright.ndim == 3 else three((upright // 257).astype(np.uint8))
        np.testing.assert_array_equal(image, expected)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(("exif", "turned"), BROKEN_EXIF.values(), ids=BROKEN_EXIF)
def test_broken_exif_is_no_obstacle(read, kind, exif, turned):
    plain = read(encoded(blocks(), kind))
    expected = np.rot90(plain, -1) if turned else plain
    np.testing.assert_array_equal(read(encoded(blocks(), kind, exif=b"Exif\0\0" + exif + bytes(4))), expected)


# Modes


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_are_exact_and_writable(read, kind):
    pixels = noise(13, 7, 3)
    image = read(encoded(pixels, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert image.dtype == np.uint8
    assert image.flags.writeable
    np.testing.assert_array_equal(image, pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_its_colours(read, kind):
    image = read(encoded(blocks(), kind))
    assert image.shape == blocks().shape
    assert np.abs(image.astype(int) - blocks())[8::16, 8::16].max() <= 8


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_of_several_frames_counts(read, kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert np.abs(read(content).astype(int) - (255, 0, 0)).max() <= 4


@pytest.mark.parametrize(
    ("transparency", "alphas"),
    [(1, (255, 0, 255)), (b"\x00\x80", (0, 128, 255)), (b"\xff\xff\xff", None)],
)
def test_palette_with_transparency(read, transparency, alphas):
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "L").convert("P")
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image = read(encoded(picture, transparency=transparency))
    assert image[:, :, :3].tolist() == [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]
    assert (image.shape[2] == 3) if alphas is None else (image[0, :, 3].tolist() == list(alphas))


@pytest.mark.parametrize(
    ("content", "colours"),
    [
        (png(2, 1, b"\0\7\x3a", before=[chunk(b"tRNS", b"\0\7")]), (7, 58)),
        (png(2, 1, b"\0\x07\x01\x07\x02", depth=16, before=[chunk(b"tRNS", b"\7\1")]), (7, 7)),
        (png(2, 1, b"\0\x40", depth=1, before=[chunk(b"tRNS", b"\0\0")]), (0, 255)),
        (png(2, 1, b"\0\x60", depth=2, before=[chunk(b"tRNS", b"\0\1")]), (85, 170)),
        (png(2, 1, b"\0\x5a", depth=4, before=[chunk(b"tRNS", b"\0\5")]), (85, 170)),
        (png(2, 1, b"\0\1\1\1\6\6\6", colour=2, before=[chunk(b"tRNS", b"\0\1\0\1\0\1")]), (1, 6)),
        (
            png(2, 1, b"\0" + b"\7\1" * 3 + b"\x09\2" * 3, depth=16, colour=2, before=[chunk(b"tRNS", b"\7\1" * 3)]),
            (7, 9),
        ),
    ],
    ids=["8-bit grey", "16-bit grey", "1 bit", "2 bits", "4 bits", "RGB", "16-bit RGB"],
)
def test_one_transparent_colour(read, content, colours):
    first, second = colours
    assert read(content).tolist() == [[[first, first, first, 0], [second, second, second, 255]]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled(read, kind):
    values = np.array([[0, 128, 257, 1000, 32768, 65407, 65535]], np.uint16)
    assert read(encoded(values, kind))[0, :, 1].tolist() == np.rint(values / 257)[0].tolist()


def test_big_endian_16_bit_grey_is_scaled(read):
    values = np.array([[0, 128, 257, 1000, 32768, 65535]], ">u2")
    picture = Image.frombytes("I;16B", (6, 1), values.tobytes())
    assert read(encoded(picture, "TIFF"))[0, :, 1].tolist() == np.rint(values / 257)[0].tolist()


def test_dark_16_bit_grey_is_not_stretched(read):
    assert read(encoded(np.full((2, 2), 2570, np.uint16))).max() == 10


def test_16_bit_colour_is_scaled(tmp_path):
    values = np.array([[(0, 256, 65535), (30000, 40000, 50000)]], np.uint16)
    assert cv2.imwrite(str(tmp_path / "a.png"), values[:, :, ::-1])
    image = decode(tmp_path / "a.png")
    assert image.shape == (1, 2, 3)
    assert np.abs(image - values / 257).max() <= 1


def test_32_bit_integers_are_scaled_to_their_maximum(read):
    assert read(encoded(np.array([[0, 500_000, 1_000_000]], np.int32), "TIFF"))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0.25, 1], [0, 64, 255]),
        ([-1, 1, 2], [0, 128, 255]),
        ([np.nan, 0.5, 1], [0, 128, 255]),
        ([np.inf, 0.5, -np.inf], [255, 128, 0]),
    ],
)
def test_floats_are_scaled(read, values, expected):
    assert read(encoded(np.array([values], np.float32), "TIFF"))[0, :, 2].tolist() == expected


def test_1_bit_is_black_and_white(read):
    assert read(encoded(Image.fromarray(np.array([[False, True]])))).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_grey_with_alpha(read):
    pixels = noise(5, 4, 2)
    expected = np.dstack([three(pixels[:, :, 0]), pixels[:, :, 1]])
    np.testing.assert_array_equal(read(encoded(Image.fromarray(pixels, "LA"))), expected)


def test_alpha_is_kept_only_where_it_says_something(read):
    pixels = noise(5, 4, 4)
    np.testing.assert_array_equal(read(encoded(pixels)), pixels)
    pixels[:, :, 3] = 255
    np.testing.assert_array_equal(read(encoded(pixels)), pixels[:, :, :3])


@pytest.mark.parametrize(
    ("ink", "expected"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((0, 0, 0, 255), (0, 0, 0)),
    ],
)
def test_inks_become_colours(read, ink, expected):
    image = read(encoded(Image.new("CMYK", (16, 16), ink), "JPEG"))
    assert np.abs(image.astype(int) - expected).max() <= 4


def test_lab_becomes_rgb(read):
    profiles = [ImageCms.createProfile(space) for space in ("sRGB", "LAB")]
    lab = ImageCms.profileToProfile(Image.new("RGB", (4, 4), (200, 60, 30)), *profiles, outputMode="LAB")
    image = read(encoded(lab, "TIFF"))
    assert image.shape == (4, 4, 3)
    assert np.abs(image.astype(int) - (200, 60, 30)).max() <= 2


@pytest.mark.parametrize("shape", [(1, 1, 3), (40, 12_000, 3), (12_000, 40, 3)])
def test_extreme_shapes(read, shape):
    np.testing.assert_array_equal(read(encoded(noise(*shape))), noise(*shape))


# Colour profiles


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_profile_is_converted_to_srgb(read, mode):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    picture = Image.new("RGBA", (4, 4), (255, 0, 0, 128)).convert(mode)
    plain, converted = read(encoded(picture)), read(encoded(picture, icc_profile=swapped))
    assert np.abs(plain[:, :, :3].astype(int) - (255, 0, 0)).max() == 0
    assert np.abs(converted[:, :, :3].astype(int) - (0, 255, 0)).max() <= 2
    np.testing.assert_array_equal(plain[:, :, 3:], converted[:, :, 3:])


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_an_unusable_profile_is_ignored(read, mode):
    grey_or_colours = Image.fromarray(blocks()).convert(mode)
    plain = read(encoded(grey_or_colours))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (b"not a profile", bytes(200), lab):
        np.testing.assert_array_equal(read(encoded(grey_or_colours, icc_profile=profile)), plain)


# Refusals


def test_what_is_not_a_file(tmp_path):
    assert refusal(None) == "Choose a picture first."
    for source in (tmp_path, tmp_path / "missing.png", "x" * 5000, "a\0b", ""):
        assert refusal(source) == "There is no such file."
    (tmp_path / "empty.png").touch()
    assert refusal(tmp_path / "empty.png") == refusal(b"") == "This file is empty."


@pytest.mark.parametrize(
    "content",
    [b"Dear diary", b'<svg xmlns="http://www.w3.org/2000/svg"/>', b"%PDF-1.4\n", b"\x89PNG", b"P6 1 1 255 abc"],
)
def test_what_is_not_a_picture(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    assert "is not a picture" in refusal(tmp_path / "a.png")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_what_is_cut_off(kind, share):
    content = encoded(noise(64, 64, 3), kind)
    assert re.search("damaged|is not a picture", refusal(content[: int(len(content) * share)]))


def test_too_many_megabytes():
    content = encoded(noise(20, 20, 3))
    assert "0.0 MB; at most 0.0005 are" in refusal(content, max_mb=0.0005)
    assert decode(content, max_mb=len(content) / 1e6).shape == (20, 20, 3)


def test_too_many_megapixels(monkeypatch):
    content = encoded(noise(20, 30, 3))
    assert "at most 0.0005 are" in refusal(content, max_megapixels=0.0005)
    assert decode(content, max_megapixels=0.0006).shape == (20, 30, 3)
    monkeypatch.setenv("GAN_ATELIER_MAX_MEGAPIXELS", "0.0001")
    assert "at most 0.0001 are" in refusal(content)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("size", "rows"), [(50_000, b""), (10_000, bytes(1251 * 10_000))])
def test_a_bomb_is_refused_before_any_pixel_is_decoded(monkeypatch, size, rows):
    content = png(size, size, rows, depth=1)
    assert len(content) < 20_000
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("Pixels were decoded."))
    start = time.perf_counter()
    assert "megapixels" in (message := refusal(content)) or "too many pixels" in message
    assert time.perf_counter() - start < 0.5


@pytest.mark.filterwarnings("error")
def test_a_bomb_is_refused_where_warnings_are_errors():
    assert "too many pixels" in refusal(png(10_000, 10_000, depth=1))


@pytest.mark.parametrize("where", ["before", "after"])
def test_an_enormous_text_is_refused_quickly(where):
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(64_000_000)))
    start = time.perf_counter()
    refusal(png(1, 1, b"\0\0", **{where: [text]}))
    assert time.perf_counter() - start < 0.5


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_random_damage_is_survived(kind):
    whole = encoded(noise(24, 24, 3) // 8 * 8, kind, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")
    chance = random.Random(kind)
    refused = 0
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(min(len(content), chance.choice([60, 10_000])))] = chance.randrange(256)
        try:
            assert decode(bytes(content), max_megapixels=1).dtype == np.uint8
        except ValueError:
            refusal(bytes(content), max_megapixels=1)
            refused += 1
    assert refused > 0


def test_eight_threads_at_once():
    contents = [encoded(noise(50 + n, 60, 3, seed=n), KINDS[n % len(KINDS)]) for n in range(42)]
    alone = [decode(content) for content in contents]
    with ThreadPoolExecutor(8) as pool:
        for together, expected in zip(pool.map(decode, contents), alone, strict=True):
            np.testing.assert_array_equal(together, expected)
