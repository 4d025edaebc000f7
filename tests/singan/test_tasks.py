import numpy as np
import pytest

from gan_models.singan import SinganAnimate, SinganHarmonize, SinganSample, SinganUpscale

PICTURE = np.zeros((30, 38, 3), np.uint8)


@pytest.mark.parametrize(
    ("task", "asked", "sentence"),
    [
        (SinganSample, {"count": 0}, "Count must be at least 1, not 0"),
        (SinganSample, {"count": 17}, "Count must be at most 16, not 17"),
        (SinganSample, {"width_factor": 0.1}, "Width must be at least 0.25, not 0.1"),
        (SinganSample, {"height_factor": 5}, "Height must be at most 4, not 5"),
        (SinganSample, {"width_factor": float("nan")}, "Width must be a finite number"),
        (SinganSample, {"start_scale": -1}, "Start scale must be at least 0"),
        (SinganSample, {"start_scale": 1.5}, "Start scale must be a whole number"),
        (SinganAnimate, {"alpha": 2}, "Alpha must be at most 1"),
        (SinganAnimate, {"beta": -1}, "Beta must be at least 0"),
        (SinganAnimate, {"frames": 1}, "Frames must be at least 2"),
        (SinganAnimate, {"frames": 601}, "Frames must be at most 600"),
        (SinganUpscale, {"image": PICTURE, "factor": 1}, "Factor must be at least 1.01"),
        (SinganUpscale, {"image": PICTURE, "factor": 9}, "Factor must be at most 8"),
        (SinganUpscale, {"image": PICTURE, "factor": float("nan")}, "Factor must be a finite number"),
        (SinganUpscale, {"image": np.zeros((1200, 1200, 3), np.uint8)}, "smaller factor"),
        (SinganUpscale, {"image": np.zeros((3, 3))}, "A picture is"),
        (SinganHarmonize, {"composite": None, "mask": None}, "Place something in the picture first"),
        (SinganHarmonize, {"composite": PICTURE}, "Place something in the picture first"),
    ],
)
def test_what_is_out_of_bounds_is_refused_in_a_sentence(task, asked, sentence):
    with pytest.raises(ValueError, match=sentence):
        task.ask(**asked)


def test_a_start_scale_may_be_left_to_the_model():
    assert SinganSample.ask(start_scale=None).start_scale is None
