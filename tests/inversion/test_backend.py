import gc

import numpy as np
import pytest
import torch

from gan_models.inversion import ColorizeFace, InpaintFace, InvertFace, MeasureFace
from gan_models.inversion.backend import FaceInverter, noise_regularization, ramp
from gan_models.jobs import finish
from gan_models.metrics import psnr
from gan_models.stylegan2 import latents
from gan_models.stylegan2.backend import FaceGenerator
from tests.inversion.conftest import LAYERS, SIDE, WIDTH

FACE = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
HOLE = np.zeros((40, 40), bool)
HOLE[10:20, 10:20] = True


def search(inverter, square, task=InvertFace, mask=None, **asked):
    """Return the steps of a search for the latents of a square."""
    hole = {} if mask is None else {"mask": mask}
    return inverter.search(task.ask(image=square, **hole, **asked), square, mask)


def found_by(*arguments, **asked):
    """Return what it ends with."""
    return finish(search(*arguments, **asked))


# --- The parts, against independent formulas


def test_noise_regularization_is_the_papers():
    rng = np.random.default_rng(0)
    maps = [rng.normal(size=(side, side)) for side in (4, 32)]
    expected = 0.0
    for noise in maps:
        while True:
            for axis in (0, 1):
                expected += np.mean(noise * np.roll(noise, 1, axis)) ** 2
            if len(noise) <= 8:
                break
            noise = noise.reshape(len(noise) // 2, 2, len(noise) // 2, 2).mean((1, 3))
    found = noise_regularization([torch.from_numpy(noise) for noise in maps])
    assert found.item() == pytest.approx(expected)


def test_noise_regularization_sees_what_is_no_noise():
    noise = torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    smooth = torch.linspace(-1.7, 1.7, 32).expand(32, 32)
    assert noise_regularization([smooth]) > 100 * noise_regularization([noise])


def test_the_rate_goes_up_and_down_as_nvidias():
    assert ramp(0) == 0
    assert ramp(0.025) == pytest.approx(0.5)
    assert ramp(0.05) == ramp(0.5) == ramp(0.75) == 1
    assert ramp(0.875) == pytest.approx(0.5)
    assert ramp(1) == pytest.approx(0)


def test_the_mean_and_deviation_of_w_are_those_of_random_latents(inverter):
    z = torch.from_numpy(np.random.RandomState(123).randn(10_000, 5)).float()
    w = inverter.network.mapping(z)[:, 0].numpy()
    mean, deviation = inverter.spread
    np.testing.assert_allclose(mean.numpy(), w.mean(0), atol=1e-4)
    assert deviation == pytest.approx(np.sqrt(((w - w.mean(0)) ** 2).sum(1).mean()), rel=1e-4)


# --- Inversions


@pytest.mark.parametrize("space", ["w", "w+"])
def test_latents_of_the_space_come_back_with_noise_maps_like_noise(inverter, space):
    found = found_by(inverter, FACE, steps=8, space=space)
    w = found.latents.w
    assert w.shape == (LAYERS, WIDTH)
    assert np.allclose(w, w[:1]) == (space == "w")
    assert {noise.shape for noise in found.latents.noises.values()} == {(4, 4), (8, 8), (16, 16)}
    for noise in found.latents.noises.values():
        assert abs(noise.mean()) < 1e-4
        assert np.square(noise).mean() == pytest.approx(1, abs=1e-3)
    assert found.picture.shape == (SIDE, SIDE, 3)
    assert found.distance[1] < found.distance[0]


def test_what_is_found_draws_the_picture(inverter):
    found = found_by(inverter, FACE, steps=5)
    drawn = FaceGenerator.cached("tiny", "cpu").draw(found.latents.w, noises=found.latents.noises)
    np.testing.assert_array_equal(drawn, found.drawn)


def test_an_inversion_leaves_the_generator_as_it_was(inverter):
    before = {name: value.clone() for name, value in inverter.network.state_dict().items()}
    found_by(inverter, FACE, steps=3)
    for name, value in inverter.network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any(parameter.requires_grad for parameter in inverter.network.parameters())


def test_a_seed_gives_the_same_result(inverter):
    first, again, other = (found_by(inverter, FACE, steps=4, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.latents.w, again.latents.w)
    np.testing.assert_array_equal(first.drawn, again.drawn)
    assert not np.array_equal(first.latents.w, other.latents.w)


def test_latents_can_be_gone_on_from(inverter, tmp_path):
    first = found_by(inverter, FACE, steps=60)
    (tmp_path / "latents.safetensors").write_bytes(latents.content(first.latents))
    on = found_by(inverter, FACE, steps=1, latents=tmp_path / "latents.safetensors")
    np.testing.assert_allclose(on.latents.w, first.latents.w)  # the rate is 0 in the first step
    assert on.distance[0] == pytest.approx(first.distance[1], rel=1e-4)


def test_the_pull_keeps_latents_near_the_average(inverter):
    def away(pull):
        found = found_by(inverter, FACE, ColorizeFace, steps=40, pull=pull, start="average")
        return np.abs(found.latents.w - inverter.spread[0].numpy()).mean()

    assert away(10.0) < away(1.0) < away(0.0)


def test_previews_come_every_twenty_steps_and_losses_with_each(inverter):
    steps = list(search(inverter, FACE, steps=41))
    assert [step.index for step in steps if step.preview is not None] == [0, 20, 40, 41]
    assert all({"distance", "noise", "total"} == set(step.losses) for step in steps)
    assert {step.total for step in steps} == {41}


def test_later_steps_hold_no_more_memory_than_early_ones(inverter):
    counts = {}
    for step in search(inverter, FACE, steps=200):
        if step.index in (50, 195):
            gc.collect()
            counts[step.index] = sum(type(thing) is torch.Tensor for thing in gc.get_objects())
    assert counts[195] <= counts[50]


# --- What is known


def test_colours_do_not_matter_to_colourisation_but_lightness_stays(inverter):
    grey = np.repeat(np.rint(FACE @ [0.299, 0.587, 0.114])[:, :, None], 3, 2).astype(np.uint8)
    assert FACE.shape == grey.shape
    coloured, from_grey = (found_by(inverter, face, ColorizeFace, steps=6) for face in (FACE, grey))
    assert abs(coloured.distance[0] - from_grey.distance[0]) < 0.02 * coloured.distance[0]
    assert coloured.picture.shape == FACE.shape
    lightness = coloured.picture @ [0.299, 0.587, 0.114]
    inside = (coloured.picture > 0).all(2) & (coloured.picture < 255).all(2)
    assert np.abs(lightness - grey[:, :, 0])[inside].mean() < 6
    assert np.ptp(from_grey.shown.astype(int), axis=2).max() <= 1


def test_inpainting_keeps_what_is_known_and_does_not_look_into_the_hole(inverter):
    other = FACE.copy()
    other[HOLE] = 255 - other[HOLE]
    results = [found_by(inverter, face, InpaintFace, HOLE, steps=6) for face in (FACE, other)]
    np.testing.assert_array_equal(results[0].picture[~HOLE], FACE[~HOLE])
    np.testing.assert_array_equal(results[0].latents.w, results[1].latents.w)
    assert not np.array_equal(results[0].picture[HOLE], FACE[HOLE])


def test_a_measurement_sees_a_share_of_the_pixels(inverter):
    found = found_by(inverter, FACE, MeasureFace, scheme="block", share=0.25, steps=3)
    assert found.shown.shape == (SIDE, SIDE, 3)
    seen = (found.shown != 128).any(2)
    assert seen.sum() == SIDE * SIDE // 4
    assert found.picture.shape == (SIDE, SIDE, 3)


# --- Bad wishes


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 0}, "Steps must be at least 1, not 0"),
        ({"steps": 5001}, "Steps must be at most 5000"),
        ({"steps": 2.5}, "Steps must be a whole number"),
        ({"space": "z"}, "Space must be one of auto, w, w"),
        ({"start": "middle"}, "Start must be one of encoder, average"),
        ({"pull": -1}, "Pull to the start must be at least 0"),
        ({"pull": float("nan")}, "Pull to the start must be a finite number"),
        ({"face": 0}, "Face must be at least 1"),
        ({"framing": "all"}, "Framing must be one of face, middle"),
        ({"task": InpaintFace}, "Mark what should be painted anew"),
        ({"task": InpaintFace, "mask": np.zeros((40, 40), bool)}, "mask is empty"),
        ({"task": InpaintFace, "mask": np.ones((40, 40), bool)}, "covers the whole face"),
        ({"task": MeasureFace, "scheme": "all"}, "one of strided, random, block"),
        ({"task": MeasureFace, "share": 0}, "Share must be at least 0.01"),
    ],
)
def test_bad_wishes_get_one_sentence(inverter, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        found_by(inverter, FACE, **{"steps": 2} | options)


# --- From a photo


@pytest.mark.parametrize("task", [InvertFace, ColorizeFace, InpaintFace, MeasureFace])
def test_a_photo_becomes_a_picture_its_latents_and_frames(inverter, task):
    mask = {"mask": HOLE} if task is InpaintFace else {}
    *steps, last = inverter.run(task(image=FACE, framing="middle", steps=21, **mask))
    frames = [step.frame for step in (*steps, last) if step.frame is not None]
    assert {frame.shape for frame in frames} == {(256, 256, 3)}
    assert len(frames) == 3
    assert last.result.keys() == {"image", "latents"}
    assert last.before.shape == (256, 256, 3)
    assert last.notes == {"features": "features-compact"}
    assert last.message.startswith("Distance ")


def test_a_mask_has_the_photos_size(inverter):
    with pytest.raises(ValueError, match="picture's own size, 40 × 40 pixels"):
        finish(inverter.run(InpaintFace(image=FACE, mask=np.ones((3, 3), bool), framing="middle")))


# --- The embedded generator


def test_a_face_that_was_drawn_is_recovered():
    faces, inverter = FaceGenerator.cached(), FaceInverter.cached()
    w = faces.styles(faces.latents([3]), 0.7)[0]
    picture = faces.draw(w)
    found = found_by(inverter, picture, steps=150, start="average")
    assert psnr(picture, found.drawn) > 24
