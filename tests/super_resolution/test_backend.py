import re
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch

from gan_models import device
from gan_models.checkpoints import registry
from gan_models.device import OutOfMemory, device_lock
from gan_models.images.thumbnail import THUMBNAIL_SIDE
from gan_models.images.tiling import smallest_tile
from gan_models.jobs import finish, responsive
from gan_models.super_resolution import Upscale, check_size
from gan_models.super_resolution.backend import Upscaler
from gan_models.super_resolution.network import CompactSRResNet, MSRResNet, RRDBNet, SRResNet


@pytest.fixture(autouse=True)
def no_bfloat16(monkeypatch):
    monkeypatch.setattr(device, "cpu_has_bfloat16", lambda: False)  # random weights draw no small correction


def with_network(network, model="sr-psnr-compact", **config):
    """Return an upscaler with small random weights: a new one of the class `network`, in place of `model`'s."""
    torch.manual_seed(0)
    return Upscaler(network(**config).eval(), registry.get(model), "cpu")


def tiny():
    return with_network(CompactSRResNet, num_feat=4, num_block=1)


def twofold(network):
    config = {"num_grow_ch": 2} if network is RRDBNet else {}
    return with_network(network, "real-esrgan-x2", num_feat=4, num_block=1, scale=2, **config)


@pytest.fixture
def upscaler():
    return tiny()


def enlarged(upscaler, image, **values):
    return upscaler(ask_for(upscaler, image, **values))


def ask_for(upscaler, image, **values):
    return Upscale.ask(image=image, model=upscaler.model.name, **values)


def picture(height, width, channels=3, seed=0):
    """Smooth blobs and some noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 16 + 2, width // 16 + 2, channels)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, channels)
    return np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)


def enlarged_by_hand(upscaler, image):
    """What the network makes of the whole picture, H×W×3 in [0, 255], neither rounded nor clipped."""
    with torch.inference_mode():
        result = upscaler.network(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)
    return 255 * result[0].permute(1, 2, 0).numpy()


def difference(a, b):
    assert a.shape == b.shape
    return np.abs(a.astype(float) - b).max()


# --- The result


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 5), (37, 23), (64, 48), (2, 700), (700, 1)])
@pytest.mark.parametrize("channels", [3, 4])
def test_any_size_grows_by_the_factor(upscaler, size, factor, channels):
    result = enlarged(upscaler, picture(*size, channels), factor=factor)
    assert result.shape == (size[0] * factor, size[1] * factor, channels)
    assert result.dtype == np.uint8


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 4), (31, 33), (99, 201)])
def test_networks_for_two_times_take_odd_sizes(size):
    for network in (CompactSRResNet, RRDBNet):
        result = enlarged(twofold(network), picture(*size), factor=2)
        assert result.shape == (size[0] * 2, size[1] * 2, 3)


def test_the_result_is_what_the_network_makes(upscaler):
    image = picture(24, 31)
    expected = np.clip(enlarged_by_hand(upscaler, image), 0, 255)
    assert difference(enlarged(upscaler, image), expected) <= 0.51


def test_twice_is_four_times_averaged(upscaler):
    image = picture(24, 31)
    fourfold = enlarged_by_hand(upscaler, image)
    expected = np.clip(fourfold.reshape(48, 2, 62, 2, 3).mean((1, 3)), 0, 255)
    assert difference(enlarged(upscaler, image, factor=2), expected) <= 0.51


def test_the_same_picture_gives_the_same_result(upscaler):
    image = picture(40, 30)
    first = enlarged(upscaler, image)
    assert np.array_equal(enlarged(upscaler, image), first)
    assert np.array_equal(enlarged(tiny(), image), first)


def test_the_picture_is_left_as_it_was(upscaler):
    image = picture(20, 20, 4)
    image.setflags(write=False)
    before = image.copy()
    enlarged(upscaler, image)
    assert np.array_equal(image, before)


def test_pictures_of_any_memory_layout_are_taken(upscaler):
    image = picture(20, 30)
    expected = enlarged(upscaler, np.ascontiguousarray(image[::-1, ::2]))
    assert np.array_equal(enlarged(upscaler, image[::-1, ::2]), expected)


def test_alpha_is_kept_and_leaves_the_colours_alone(upscaler):
    image = picture(20, 30, 4)
    image[..., 3] = np.linspace(40, 220, 30, dtype=np.uint8)
    result = enlarged(upscaler, image, factor=2)
    assert np.array_equal(result[..., :3], enlarged(upscaler, image[..., :3], factor=2))
    columns = result[..., 3].reshape(20, 2, 30, 2).mean((0, 1, 3))
    assert difference(columns[2:-2], image[0, 2:-2, 3]) <= 1


@pytest.mark.parametrize("opacity", [0, 255])
def test_uniform_alpha_stays_so(upscaler, opacity):
    image = picture(9, 7, 4)
    image[..., 3] = opacity
    assert (enlarged(upscaler, image)[..., 3] == opacity).all()


# --- Tiles


@pytest.mark.parametrize("factor", [2, 4])
def test_tiles_leave_no_trace(upscaler, factor):
    image = picture(512, 512)
    upscaler.tile = 1024
    whole = enlarged(upscaler, image, factor=factor)
    upscaler.tile = 96
    assert len(list(upscaler.run(ask_for(upscaler, image, factor=factor)))) > 20
    assert difference(enlarged(upscaler, image, factor=factor), whole) <= 1


@pytest.mark.parametrize("size", [(150, 131), (97, 160)])
def test_tiles_leave_no_trace_on_odd_sizes(upscaler, size):
    image = picture(*size)
    upscaler.tile = 400
    whole = enlarged(upscaler, image)
    upscaler.tile = 48
    assert difference(enlarged(upscaler, image), whole) <= 1


def test_tiles_of_networks_that_fold_pixels_fit_together():
    folding = twofold(RRDBNet)
    image = picture(151, 133)
    folding.tile = 400
    whole = enlarged(folding, image, factor=2)
    folding.tile = 112
    assert difference(enlarged(folding, image, factor=2), whole) <= 1


@pytest.mark.parametrize(("network", "exact"), [(SRResNet, True), (MSRResNet, True), (RRDBNet, False)])
def test_tiles_see_all_that_matters_as_the_docstring_says(network, exact):
    upscaler = with_network(network, num_feat=2)
    assert (upscaler.overlap == upscaler.network.receptive_radius) == exact
    assert upscaler.tile // 2 >= smallest_tile(upscaler.overlap)  # short memory leaves room for a second attempt


# --- Steps


def test_steps_show_the_progress_and_end_with_the_result(upscaler):
    upscaler.tile = 48
    steps = list(upscaler.run(ask_for(upscaler, picture(100, 250, 4), factor=4)))
    assert len(steps) > 6
    indices = [step.index for step in steps]
    assert indices == sorted(indices)
    assert len({step.total for step in steps}) == 1
    assert steps[-1].index == steps[-1].total
    assert [step.result is not None for step in steps] == [False] * (len(steps) - 1) + [True]
    assert steps[-1].result.shape == (400, 1000, 4)


def test_previews_are_small_and_turn_into_the_result(upscaler):
    upscaler.tile = 48
    image = picture(60, 250)
    *steps, last = upscaler.run(ask_for(upscaler, image, factor=4))
    previews = [step.preview for step in steps]
    for preview in previews:
        assert preview.dtype == np.uint8
        assert preview.shape[2] == 3
        assert THUMBNAIL_SIDE / 2 < max(preview.shape[:2]) <= THUMBNAIL_SIDE
        assert preview.shape[1] / preview.shape[0] == pytest.approx(250 / 60, rel=0.05)
    assert np.array_equal(previews[-1], last.result[::2, ::2])
    changes = [difference(before, after) for before, after in pairwise(previews)]
    assert all(change > 0 for change in changes)


def test_a_preview_of_a_small_picture_is_all_of_it(upscaler):
    *steps, last = upscaler.run(ask_for(upscaler, picture(9, 12, 4), factor=2))
    assert np.array_equal(steps[-1].preview, last.result[..., :3])


# --- Sharing the device


class Watched:
    """Counts how many computations of a network run, and how many at once."""

    def __init__(self, network, seconds=0.0):
        self.forward, self.seconds = network.forward, seconds
        self.calls = self.running = self.most = 0
        network.forward = self

    def __call__(self, x):
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        time.sleep(self.seconds)
        try:
            return self.forward(x)
        finally:
            self.running -= 1


def test_closing_ends_the_work_and_frees_the_device(upscaler):
    upscaler.tile = 48
    image = picture(200, 200)
    expected = enlarged(upscaler, image)
    watched = Watched(upscaler.network)
    steps = upscaler.run(ask_for(upscaler, image))
    next(steps)
    assert not device_lock(upscaler.device).locked()
    steps.close()
    assert watched.calls < 4
    assert not device_lock(upscaler.device).locked()
    assert np.array_equal(enlarged(upscaler, image), expected)


def test_a_cancelled_run_stops_within_its_tile(upscaler):
    reached, let_go = threading.Event(), threading.Event()

    def dawdle(module, arguments):
        reached.set()
        let_go.wait(5)

    handle = upscaler.network.conv_first.register_forward_pre_hook(dawdle)
    after = []
    upscaler.network.conv_last.register_forward_hook(lambda *_: after.append(1))
    steps = responsive(upscaler.run(ask_for(upscaler, picture(20, 20))), every=0.02)
    next(steps)
    assert reached.wait(5)
    steps.close()
    let_go.set()
    handle.remove()
    with device_lock(upscaler.device):
        assert not after
    assert enlarged(upscaler, picture(20, 20)).shape == (80, 80, 3)


def test_one_computation_at_a_time_for_all_visitors(upscaler):
    images = [picture(60, 60, seed=seed) for seed in range(4)]
    expected = [enlarged(upscaler, image) for image in images]
    upscaler.tile = 32
    watched = Watched(upscaler.network, seconds=0.005)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(partial(enlarged, upscaler), images))
    assert watched.calls >= 16
    assert watched.most == 1
    for result, wanted in zip(results, expected, strict=True):
        assert difference(result, wanted) <= 1


# --- Too little memory


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
]


def limit_memory(upscaler, side, problem):
    """Make the network fail on more than side×side pixels; return the sizes it was asked for."""
    asked, forward = [], upscaler.network.forward

    def fussy(x):
        asked.append(x.shape[2:])
        if x.shape[0] * x.shape[2] * x.shape[3] > side**2:
            raise problem
        return forward(x)

    upscaler.network.forward = fussy
    return asked


@pytest.mark.parametrize("problem", OUT_OF_MEMORY, ids=["cuda", "cpu"])
def test_smaller_tiles_save_what_memory_is_too_short_for(upscaler, problem):
    image = picture(150, 130)
    upscaler.tile = 128
    expected = enlarged(upscaler, image)
    asked = limit_memory(upscaler, 60, problem)
    steps = list(upscaler.run(ask_for(upscaler, image)))
    assert difference(steps[-1].result, expected) <= 1
    assert np.prod(asked[0]) > 60**2
    assert steps[-1].index == steps[-1].total
    assert upscaler.tile == 128  # one crowded moment says nothing about the next


def test_memory_may_run_short_midway(upscaler):
    image = picture(150, 130)
    upscaler.tile = 64
    expected = enlarged(upscaler, image)
    steps = upscaler.run(ask_for(upscaler, image))
    next(steps)
    limit_memory(upscaler, 50, OUT_OF_MEMORY[0])
    assert difference(finish(steps), expected) <= 1


@pytest.mark.parametrize("problem", OUT_OF_MEMORY, ids=["cuda", "cpu"])
def test_too_little_memory_for_anything_is_said_in_one_sentence(upscaler, problem):
    asked = limit_memory(upscaler, 0, problem)
    with pytest.raises(ValueError, match="memory") as found:
        enlarged(upscaler, picture(150, 130))
    assert isinstance(found.value, OutOfMemory)
    assert str(found.value).endswith(".")
    assert not re.search(r"\n|\. ", str(found.value))
    assert len({tuple(size) for size in asked}) > 2
    assert not device_lock(upscaler.device).locked()
    del upscaler.network.forward
    assert enlarged(upscaler, picture(10, 10)).shape == (40, 40, 3)


def test_other_errors_are_not_taken_for_short_memory(upscaler):
    asked = limit_memory(upscaler, 0, RuntimeError("weights and input differ"))
    with pytest.raises(RuntimeError, match="differ"):
        enlarged(upscaler, picture(20, 20))
    assert len(asked) == 1


# --- What is refused


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (np.zeros((8, 8), np.uint8), "uint8 of shape (8, 8)"),
        (np.zeros((8, 8, 1), np.uint8), "uint8 of shape (8, 8, 1)"),
        (np.zeros((8, 8, 2), np.uint8), "uint8 of shape (8, 8, 2)"),
        (np.zeros((8, 8, 5), np.uint8), "uint8 of shape (8, 8, 5)"),
        (np.zeros((1, 8, 8, 3), np.uint8), "uint8 of shape (1, 8, 8, 3)"),
        (np.zeros((0, 8, 3), np.uint8), "uint8 of shape (0, 8, 3)"),
        (np.zeros((8, 0, 4), np.uint8), "uint8 of shape (8, 0, 4)"),
        (np.zeros((8, 8, 3), np.float32), "float32 of shape (8, 8, 3)"),
        ([[[0, 0, 0]]], "list"),
        (7, "int"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_picture_is_refused_before_work_starts(image, found):
    sentence = f"A picture is an array, H×W×3 or H×W×4 uint8, with at least one pixel; this is {found}."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Upscale.ask(image=image)


def test_all_else_is_refused_before_work_starts_too():
    with pytest.raises(ValueError, match="Choose a picture first"):
        Upscale.ask(image=None)
    with pytest.raises(ValueError, match="6400 megapixels"):
        Upscale.ask(image=np.broadcast_to(np.uint8(7), (20_000, 20_000, 3)))


@pytest.mark.parametrize("factor", [0, 1, 3, 8, -2, None])
def test_other_factors_are_refused(factor):
    with pytest.raises(ValueError, match=f"^Factor must be one of 2, 4, not {factor}\\.$"):
        Upscale.ask(image=picture(8, 8), factor=factor)


def test_weights_for_two_times_refuse_four_without_being_here():
    assert enlarged(twofold(CompactSRResNet), picture(8, 8), factor=2).shape == (16, 16, 3)
    sentence = r"^These weights enlarge 2 times at most; choose ×2\.$"
    with pytest.raises(ValueError, match=sentence):
        Upscale.ask(image=picture(8, 8), model="real-esrgan-x2", factor=4)
    with pytest.raises(ValueError, match=sentence):
        Upscale.check(model="real-esrgan-x2", factor=4)
    Upscale.check(model="real-esrgan-x2", factor=2)


@pytest.mark.parametrize("name", ["sr-psnr-compact", "srresnet-x4"])
def test_other_weights_enlarge_four_times_even_where_they_name_no_scale(name):
    assert registry.get(name).config.get("scale") == {"sr-psnr-compact": 4}.get(name)
    for factor in (2, 4):
        Upscale.check(model=name, factor=factor)


def test_unknown_weights_are_refused():
    with pytest.raises(ValueError, match="“nonsense”"):
        Upscale.ask(image=picture(8, 8), model="nonsense")
    with pytest.raises(ValueError, match="“nonsense”"):
        Upscale.check(model="nonsense")
    with pytest.raises(ValueError, match="“nonsense”"):
        Upscaler.load("nonsense", "cpu")
    with pytest.raises(ValueError, match="for dehazing, not for super-resolution"):
        Upscale.ask(image=picture(8, 8), model="dark-channel")


@pytest.mark.parametrize("limit", ["100", "0.5"])
@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("size", [(6000, 9001), (5001, 5001), (4321, 8642), (3, 9_000_001), (90_000_000, 1)])
def test_the_size_that_would_do_is_the_largest(monkeypatch, size, factor, limit):
    monkeypatch.setenv("GAN_ATELIER_MAX_RESULT_MEGAPIXELS", limit)
    with pytest.raises(ValueError, match=rf"at most {limit} ") as problem:
        check_size(*size, factor)
    width, height = map(int, re.search(r"picture of (\d+)×(\d+) pixels", str(problem.value)).groups())
    assert height > 0
    assert width > 0
    check_size(height, width, factor)
    with pytest.raises(ValueError, match="would do"):
        check_size(height + 1, width + 1, factor)


def test_the_limit_itself_is_allowed(monkeypatch):
    monkeypatch.setenv("GAN_ATELIER_MAX_RESULT_MEGAPIXELS", "1")
    check_size(250, 250, 4)
    check_size(500, 500, 2)
    with pytest.raises(ValueError, match="250×250"):
        check_size(251, 251, 4)


def test_too_large_a_result_is_refused_before_it_takes_memory():
    huge = np.broadcast_to(np.uint8(7), (20_000, 20_000, 4))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="6400 megapixels; at most 100"):
            Upscale.ask(image=huge, factor=4)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1e6
