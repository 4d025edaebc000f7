from contextlib import nullcontext

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from gan_models.checkpoints import registry
from gan_models.device import cpu_has_bfloat16
from gan_models.style_transfer import Stylize, backend
from gan_models.style_transfer.backend import Stylizer, enlarged, recoloured, resized, smoothed

RNG = np.random.default_rng(0)
CONTENT = cv2.resize(RNG.integers(0, 256, (6, 8, 3), np.uint8), (80, 60), interpolation=cv2.INTER_CUBIC)
STYLE = RNG.integers(0, 256, (50, 50, 3), np.uint8) // 2
BRIEF = {"side": 64, "steps": 6}


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu")


def asked(style=STYLE, **options):
    return Stylize.ask(**{"content": CONTENT, "style": style} | BRIEF | options)


def losses_of(stylizer, **options):
    return [step.losses for step in stylizer.run(asked(**options)) if step.losses]


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_losses_fall(stylizer, optimizer):
    losses = losses_of(stylizer, steps=24, optimizer=optimizer)
    assert {"content", "style", "variation"} == set(losses[0])
    assert sum(losses[-1].values()) < 0.8 * sum(losses[0].values())


def test_the_result_has_the_contents_shape_at_the_size_wished(stylizer):
    assert stylizer(asked()).shape == (48, 64, 3)
    assert stylizer(asked(side=128, steps=4)).shape == (96, 128, 3)


def test_a_large_content_weight_keeps_the_content(stylizer):
    own = cv2.resize(CONTENT, (64, 48), interpolation=cv2.INTER_AREA).astype(int)
    kept, lost = (stylizer(asked(steps=30, content_weight=w)) for w in (2.5e-4, 2.5e-9))
    assert np.abs(kept - own).mean() < 0.7 * np.abs(lost - own).mean()


def test_luminance_keeps_the_contents_colours(stylizer):
    drawn = stylizer(asked(steps=20, colours="luminance"))
    own = cv2.resize(CONTENT, (64, 48), interpolation=cv2.INTER_AREA)
    chroma, before = (cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)[:, :, 1:].astype(int) for picture in (drawn, own))
    inside = (drawn > 0).all(2) & (drawn < 255).all(2)
    assert np.abs(chroma - before)[inside].max() <= 2


def test_matched_colours_have_the_others_mean_and_covariance():
    style, content = RNG.normal(120, 15, (40, 40, 3)), RNG.normal(100, 12, (30, 30, 3)) @ np.diag([1, 0.8, 1.2])
    found = recoloured(style.clip(0, 255).astype(np.uint8), content.clip(0, 255).astype(np.uint8)).reshape(-1, 3)
    other = content.clip(0, 255).astype(np.uint8).reshape(-1, 3)
    np.testing.assert_allclose(found.mean(0), other.mean(0), atol=0.5)
    np.testing.assert_allclose(np.cov(found.T), np.cov(other.T), atol=6)


def test_offsets_are_added_at_the_end(stylizer):
    plain, red = (stylizer(asked(**offsets)) for offsets in ({}, {"red": 30, "blue": -10}))
    np.testing.assert_array_equal(red, (plain.astype(int) + np.array([30, 0, -10])).clip(0, 255))


def test_a_seed_gives_the_same_picture(stylizer):
    first, again, other = (stylizer(asked(start="noise", seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_two_styles_are_blended(stylizer):
    other = 255 - STYLE
    one, two, both = (stylizer(ask) for ask in (asked(), asked(other), asked(second_style=other)))
    assert not np.array_equal(one, both)
    assert not np.array_equal(two, both)
    order = stylizer(asked(other, second_style=STYLE))
    assert np.abs(order.astype(int) - both).mean() < 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 0}, "Steps must be at least 1, not 0"),
        ({"steps": 2001}, "Steps must be at most 2000"),
        ({"side": 20}, "Pixels must be at least 64"),
        ({"side": 1537}, "Pixels must be at most 1536"),
        ({"start": "x"}, "Begin with must be one of content"),
        ({"optimizer": "sgd"}, "Optimiser must be one of lbfgs, adam"),
        ({"colours": "grey"}, "Colours must be one of style"),
        ({"content_weight": -1}, "Content weight must be at least 0"),
        ({"tv_weight": float("nan")}, "Variation weight must be"),
        ({"red": "x"}, "Offset of red must be a number"),
        ({"blue": 300}, "Offset of blue must be at most 255"),
        ({"coarse": 1.0}, "Begin at half size must be at most 0.9"),
        ({"coarse": float("nan")}, "Begin at half size must be"),
        ({"style": None}, "Choose a picture and a style first"),
    ],
)
def test_bad_wishes_get_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        asked(**options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"content_layer": "relu9_9"}, "Layers are named relu1_1"),
        ({"style_layers": "relu1_1, relu9_9"}, "Layers are named relu1_1"),
        ({"style_layers": " , "}, "at least one is of the style"),
    ],
)
def test_layers_that_are_none_are_refused(stylizer, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        stylizer(asked(**options))


def test_only_a_vgg_can_tell_a_style():
    with pytest.raises(ValueError, match="read off “inception-fid”; take a VGG"):
        Stylizer(nn.Identity(), registry.get("inception-fid"))
    with pytest.raises(ValueError, match="for super-resolution, not for features"):
        Stylizer.load("sr-psnr-compact")


def test_transparent_pictures_are_on_white_paper(stylizer):
    clear = np.dstack([CONTENT, np.full(CONTENT.shape[:2], 0, np.uint8)])
    white = np.full_like(CONTENT, 255)
    np.testing.assert_array_equal(stylizer(asked(content=clear)), stylizer(asked(content=white)))


def test_the_way_is_a_video_of_one_size_with_snapshots(stylizer):
    steps = list(stylizer.run(asked(side=128, steps=26)))
    frames = [step.frame for step in steps if step.frame is not None]
    assert {frame.shape for frame in frames} == {(96, 128, 3)}
    assert len(frames) == 13 + 1
    np.testing.assert_array_equal(frames[-1], steps[-1].result)
    assert [step.drawn.caption for step in steps if step.drawn] == ["Step 6", "Step 12", "Step 18", "Step 24"]


def test_each_style_goes_to_its_region(stylizer):
    """Red stripes on the left and blue ones on the right."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::4] = 200
    red, blue = stripes * np.uint8([1, 0, 0]), stripes * np.uint8([0, 0, 1])
    left = np.zeros(CONTENT.shape[:2], bool)
    left[:, :40] = True
    drawn = stylizer(asked(red, second_style=blue, steps=60, region=left)).astype(int)
    redness = drawn[:, :, 0] - drawn[:, :, 2]
    assert redness[:, 4:28].mean() > redness[:, 36:60].mean() + 20


def test_outside_the_region_of_one_style_the_content_stays(stylizer):
    left = np.zeros(CONTENT.shape[:2], bool)
    left[:, :40] = True
    own = cv2.resize(CONTENT, (64, 48), interpolation=cv2.INTER_AREA).astype(int)
    change = np.abs(stylizer(asked(steps=40, region=left)) - own).mean((0, 2))
    assert change[:28].mean() > 2 * change[-16:].mean()


@pytest.mark.parametrize("region", [np.ones((60, 80), bool), np.zeros((60, 80), bool), np.eye(5, dtype=bool)])
def test_regions_that_are_none_are_refused(region):
    with pytest.raises(ValueError, match="region"):
        asked(region=region)


def test_a_run_goes_on_from_what_another_came_to(stylizer):
    options = {"side": 128, "optimizer": "lbfgs"}
    *_, came = stylizer.run(asked(**options, steps=40))
    steps = list(stylizer.run(asked(**options, steps=10, begun=came.result)))
    first, last = (sum(step.losses.values()) for step in (steps[0], steps[-1]))
    assert first < 1.1 * sum(came.losses.values())
    assert last < first
    assert {step.preview.shape for step in steps} == {(96, 128, 3)}, "going on must not begin at half size again"


def test_going_on_adds_no_offset_twice(stylizer):
    flat = np.full((48, 64, 3), 100, np.uint8)
    shifted = (flat + np.array((40, 0, -25))).astype(np.uint8)
    step = next(iter(stylizer.run(asked(flat, content=flat, steps=2, begun=shifted, red=40, blue=-25))))
    assert np.abs(step.preview.astype(int) - shifted).max() <= 255 * 2 * 0.03 + 1  # two steps of Adam's rate


def test_the_share_at_half_size_is_the_one_asked_for(stylizer):
    for share, small in ((0, 0), (0.5, 4)):
        shapes = [step.preview.shape for step in stylizer.run(asked(side=128, steps=8, coarse=share))]
        assert shapes.count((48, 64, 3)) == small / 2  # one report for two steps
        assert shapes[-1] == (96, 128, 3)


@pytest.mark.skipif(not cpu_has_bfloat16(), reason="this processor has no bfloat16")
def test_half_precision_leads_to_the_same_losses(stylizer, monkeypatch):
    options = {"steps": 40, "coarse": 0, "optimizer": "adam"}
    half = losses_of(stylizer, **options)[-1]
    monkeypatch.setattr(backend, "mixed_precision", lambda *_, **__: nullcontext())
    whole = losses_of(stylizer, **options)[-1]
    assert sum(half.values()) == pytest.approx(sum(whole.values()), rel=0.05)


def test_what_was_drawn_small_keeps_the_contents_detail_when_enlarged():
    content = RNG.integers(60, 190, (48, 64, 3), np.uint8)
    coarse = resized(content, 32)
    np.testing.assert_array_equal(enlarged(coarse, coarse, content), content)
    np.testing.assert_array_equal(enlarged(coarse + np.uint8(30), coarse, content), content + 30)


def test_low_frequencies_count_as_much_as_they_are_wide():
    across = torch.arange(64).expand(1, 1, 48, 64)
    for waves in (0, 4, 16):
        wave = torch.cos(2 * torch.pi * waves / 64 * across)
        gain = (16 * ((waves / 64) ** 2 + 0.02**2)) ** -0.35
        torch.testing.assert_close(smoothed(wave), gain * wave, rtol=1e-4, atol=1e-4)


def test_fewer_steps_are_needed_than_on_the_pixels_themselves(stylizer, monkeypatch):
    options = {"steps": 30, "optimizer": "lbfgs", "coarse": 0}
    low = [sum(losses.values()) for losses in losses_of(stylizer, **options)]
    monkeypatch.setattr(backend, "smoothed", lambda change: change)
    plain = [sum(losses.values()) for losses in losses_of(stylizer, **options)]
    assert min(plain) > low[18 // 2]
