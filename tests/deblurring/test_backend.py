import cv2
import numpy as np
import pytest
import torch
from skimage import data
from torch import nn

from gan_models.checkpoints import registry
from gan_models.deblurring import Deblur, backend, classical
from gan_models.deblurring.backend import Deblurrer
from gan_models.images.blur import blurred, linear_kernel
from gan_models.metrics import psnr, ssim
from gan_models.restoration import filmed
from tests.lattice import amplitude


@pytest.fixture(scope="module")
def photo():
    return data.coffee()[:256, :384]


@pytest.fixture(scope="module")
def compact():
    return Deblurrer.load(device="cpu")


def deblurrer(network, model="deblurgan-v2"):
    return Deblurrer(network, registry.get(model), "cpu")


def deblurred(backend, picture, **values):
    return backend(Deblur.ask(image=picture, **values))


class Brighter(nn.Module):
    """Adds a tenth of the range."""

    def forward(self, x):
        assert x.shape[2] % 32 == x.shape[3] % 32 == 0
        assert min(x.shape[2:]) >= 128
        return x + 0.1


@pytest.mark.parametrize("size", [(1, 1), (33, 46), (600, 40)])
def test_every_pixel_of_any_size_goes_through_the_network(size):
    picture = np.full((*size, 4), 100, np.uint8)
    result = deblurred(deblurrer(Brighter()), picture)
    assert result.shape == picture.shape
    assert np.abs(result[:, :, :3] - 125.5).max() <= 1
    assert (result[:, :, 3] == 100).all()


def test_strength_mixes_with_the_picture_as_it_came(photo):
    backend = deblurrer(Brighter())
    assert (deblurred(backend, photo, strength=0) == photo).all()
    dark = photo // 2
    assert np.abs(deblurred(backend, dark, strength=0.4) - (dark + 10.2)).max() <= 1


@pytest.mark.parametrize(
    "options",
    [
        {"strength": 1.5},
        {"strength": -1},
        {"reduction": -1},
        {"reduction": 5},
        {"length": 0},
        {"length": 41},
    ],
)
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=r"must be"):
        Deblur.ask(image=np.zeros((8, 8, 3), np.uint8), **options)


class Watcher(nn.Module):
    """Adds a tenth of the range, and remembers what sizes it has seen."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(tuple(x.shape[2:]))
        return x + 0.1


@pytest.mark.parametrize(("reduction", "size"), [(1, (256, 384)), (2, (128, 192)), (4, (64, 96))])
def test_a_reduced_picture_is_changed_and_the_detail_kept(photo, reduction, size):
    dark, network = photo // 2, Watcher()
    result = deblurred(deblurrer(network, "deblur-compact"), dark, reduction=reduction)
    assert np.abs(result - (dark + 25.5)).max() <= 1
    assert network.seen == [size]


def test_small_pictures_are_not_reduced_and_published_networks_see_them_as_they_are():
    for size, model, seen in (((33, 40), "deblur-compact", (33, 40)), ((128, 160), "deblurgan-v2", (128, 160))):
        network = Watcher()
        deblurred(deblurrer(network, model), np.zeros((*size, 3), np.uint8), reduction=4)
        assert network.seen == [seen]


def test_the_reduction_fits_the_blur(photo, compact):
    sharp = data.astronaut()
    assert compact.fitting_reduction(sharp) == 1
    for length in (5, 13, 21):
        assert compact.fitting_reduction(blurred(sharp, linear_kernel(length, 0.3, length + 2))) == 1
    long = blurred(sharp, linear_kernel(31, 0.3, 33))
    assert compact.fitting_reduction(long) > 1
    assert psnr(deblurred(compact, long), sharp) > psnr(deblurred(compact, long, reduction=1), sharp)


def test_tiles_leave_no_seam(photo, compact, monkeypatch):
    whole = deblurred(compact, photo)
    monkeypatch.setattr(backend, "TILE", 256)
    differences = np.abs(deblurred(compact, photo).astype(int) - whole)
    assert differences.max() <= 12
    assert differences.mean() < 0.1


def test_the_compact_network_sharpens_what_moved(photo, compact):
    came = blurred(photo, linear_kernel(7, 0.3, 11))
    result = deblurred(compact, came)
    assert psnr(result, photo) > psnr(came, photo) + 0.3
    assert ssim(result, photo) > ssim(came, photo)


@pytest.mark.parametrize("picture", [data.coffee, data.astronaut, data.chelsea])
def test_a_sharp_picture_comes_out_nearly_unchanged(picture, compact):
    sharp = picture()[:320, :320]
    assert psnr(deblurred(compact, sharp), sharp) > 32


@pytest.mark.parametrize("reduction", [1, 2, 4])
def test_no_lattice_shows_in_what_was_changed(compact, reduction):
    sharp = [picture()[:256, :384] for picture in (data.coffee, data.astronaut, data.chelsea)]
    came = [blurred(picture, linear_kernel(7, 0.3, 11)) for picture in sharp]
    sharpened = [deblurred(compact, picture, reduction=reduction).astype(float) for picture in came]
    changes = np.stack([(after - before).mean(2) for after, before in zip(sharpened, came, strict=True)])
    assert amplitude(changes) < 0.06  # levels
    assert amplitude(changes + 0.2 * (np.arange(384) % 2)) > 0.08  # a fifth of a level would be seen
    assert amplitude(changes + 0.4 * (np.arange(384) % 4 == 0)) > 0.08


@pytest.mark.parametrize(("formula", "gain"), [("wiener", 1.0), ("richardson-lucy", 2.0)])
def test_formulas_undo_the_motion_that_they_are_told(photo, formula, gain):
    came = blurred(photo, classical.guessed_kernel(9, 30), gamma=1)
    backend = Deblurrer.load(formula, "cpu")
    right, wrong = (deblurred(backend, came, length=9, angle=angle) for angle in (30, -60))
    assert psnr(right, photo) > psnr(came, photo) + gain
    assert psnr(right, photo) > psnr(wrong, photo) + 3


def test_a_film_is_sharpened_picture_by_picture(photo, compact, tmp_path):
    frames = [photo[:64, :64], photo[64:128, :64]]
    reduction = compact.fitting_reduction(frames[0])  # else sharpness would flicker
    ask = filmed(Deblur).ask(film=tmp_path / "a.mp4")
    for result, picture in zip(compact.video(ask, frames), frames, strict=True):
        assert (result == deblurred(compact, picture, reduction=reduction)).all()


# --- Networks that OpenCV runs


def field(number, payload):
    """Return a field of a protobuf message: a number, bytes, or a message."""
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def varint(value):
    content = b""
    while value > 127:
        content += bytes([value & 127 | 128])
        value >>= 7
    return content + bytes([value])


def onnx_of_a_gain(gain):
    """Return an ONNX file, written by hand, of a network that multiplies its input by a number."""

    def tensor_type(name, *sizes):
        dimensions = b"".join(field(1, field(1, size)) for size in sizes)
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, dimensions)))

    weight = field(1, 1) + field(2, 1) + field(8, b"gain") + field(9, np.float32(gain).tobytes())
    node = field(1, b"input") + field(1, b"gain") + field(2, b"output") + field(4, b"Mul")
    graph = field(1, node) + field(2, b"graph") + field(5, weight)
    graph += field(11, tensor_type(b"input", 1, 3, 128, 160)) + field(12, tensor_type(b"output", 1, 3, 128, 160))
    return field(1, 7) + field(7, graph) + field(8, field(2, 13))


def test_a_network_in_an_onnx_file_is_run_by_opencv(tmp_path):
    path = tmp_path / "gain.onnx"
    path.write_bytes(onnx_of_a_gain(0.5))
    picture = np.random.default_rng(0).integers(0, 256, (120, 150, 3)).astype(np.uint8)
    result = deblurred(deblurrer(path), picture)
    assert np.abs(result - picture / 2).max() <= 1


def test_what_opencv_can_not_run_is_said_in_one_sentence(tmp_path):
    class Broken:
        def setInput(self, blob):  # noqa: N802
            raise cv2.error("no such size")

    path = tmp_path / "gain.onnx"
    path.write_bytes(onnx_of_a_gain(0.5))
    network = backend.OnnxNetwork(path)
    network.network = Broken()
    with pytest.raises(ValueError, match=r"can't run “gain.onnx”"):
        network(torch.zeros(1, 3, 16, 16))
