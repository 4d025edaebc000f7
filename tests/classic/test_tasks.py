import numpy as np
import pytest

from gan_models.classic import (
    EXPERIMENTS,
    MOST,
    TITLES,
    CombinePictures,
    GeneratePictures,
    InterpolatePictures,
    TrainGan,
    TrainToy,
    TwoLines,
    toy,
)
from gan_models.classic.families import FAMILIES, OF_POINTS
from gan_models.classic.network import NORMS
from gan_models.classic.points import TOYS
from gan_models.classic.trainer import SIDES


def choices(task, name):
    return set(task.parameters()[name].choices)


def test_what_can_be_chosen_is_what_there_is():
    assert choices(TrainGan, "family") == set(FAMILIES) == set(TITLES)
    assert choices(TrainToy, "family") == set(OF_POINTS)
    assert choices(TrainToy, "points") == set(TOYS)
    assert choices(TrainGan, "side") == set(SIDES)
    assert choices(TrainGan, "norm") == {"", *NORMS}


@pytest.mark.parametrize(("task", "name", "numbers"), [(TrainGan, "side", SIDES), (TrainToy, "ahead", (0, 1, 5, 10))])
def test_choices_among_numbers_are_told_as_numbers(task, name, numbers):
    assert task.parameters()[name].schema() == {"type": "integer", "enum": list(numbers)}


def test_a_training_keeps_nothing_of_whose_pictures_it_has_learned(tmp_path):
    asked = TrainGan.ask(dataset=[tmp_path / "secret.zip"], resume="trained-x", seed=3)
    assert {"dataset", "resume"}.isdisjoint(asked.record())
    assert "secret" not in str(asked.record())
    assert asked.record()["action"] == "train"


def test_too_many_files_are_refused_before_any_is_read(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(MOST + 1)]
    assert len(TrainGan.ask(dataset=paths[:MOST]).dataset) == MOST
    with pytest.raises(ValueError, match="5000 pictures at most"):
        TrainGan.ask(dataset=paths)


@pytest.mark.parametrize(
    ("task", "options", "sentence"),
    [
        (TrainGan, {"side": 20}, "16, 32, 64.* 128.*20"),
        (TrainGan, {"family": "vae"}, "dcgan.*“vae”"),
        (TrainGan, {"steps": 0}, "Steps must be at least 5, not 0"),
        (TrainGan, {"steps": 20_001}, "Steps must be at most 20000, not 20001"),
        (TrainGan, {"batch_size": 2}, "Batch must be at least 4"),
        (TrainGan, {"z_dim": 1000}, "Numbers of a latent must be at most 512"),
        (TrainGan, {"lr": 0.2}, "Generator's rate must be at most 0.1"),
        (TrainToy, {"points": "x"}, "ring.*grid.*spiral.*“x”"),
        (TrainToy, {"family": "dcgan"}, "gan.*“dcgan”"),
        (TrainToy, {"steps": 0}, "at least 10"),
        (TrainToy, {"freeze_after": -1}, "Freeze the generator must be at least 0"),
        (TrainToy, {"ahead": 11}, "0, 1, 5.* 10.*11"),
        (TrainToy, {"lr": 1.0}, "at most 0.1"),
        (TrainToy, {"lr_d": float("nan")}, "Discriminator's rate"),
        (TwoLines, {"theta": 3}, "Distance must be at most 1, not 3"),
        (GeneratePictures, {"count": 17}, "How many must be at most 16"),
        (InterpolatePictures, {"frames": 1}, "at least 2"),
        (InterpolatePictures, {"fps": 0}, "at least 1"),
    ],
)
def test_bad_wishes_get_one_sentence(task, options, sentence):
    with pytest.raises(ValueError, match=sentence) as problem:
        task.ask(**options)
    assert "\n" not in str(problem.value)


def test_a_seed_may_be_a_number():
    assert GeneratePictures.ask(seed=7).seed == "7"
    assert CombinePictures.ask(minus=4).minus == "4"


# --- Points and lines


@pytest.mark.parametrize("options", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_what_the_page_offers_to_try_can_be_asked_for(options):
    assert options.items() <= dict(TrainToy.ask(**options)).items()


def test_a_training_on_points_is_filmed_and_counted():
    *steps, last = TrainToy.ask(steps=300, seed=2).run()
    shown = [step.index for step in steps if step.frame is not None]
    assert shown == [step for step in range(5, 301, 5) if toy.in_film(step, 300)]
    assert all(step.losses for step in steps)
    counted = last.result["counted"]
    assert counted["of"] == 8
    assert last.message.startswith(f"{counted['modes']} of 8 modes, {counted['good']:.0%} of the samples")
    np.testing.assert_array_equal(last.result["image"], steps[-1].frame)


def test_rates_of_zero_are_those_of_the_family():
    asked = (TrainToy.ask(steps=20, **rates).run() for rates in ({}, {"lr": 1e-3, "lr_d": 1e-4}, {"lr": 1e-2}))
    usual, said, other = ([step.losses["generator"] for step in steps if step.losses] for steps in asked)
    assert usual == said != other


def test_lines_are_compared_and_their_distances_plotted():
    step, last = TwoLines.ask(theta=-0.25).run()
    assert "Training a discriminator" in step.message
    assert last.result["values"].keys() == {
        *("Jensen–Shannon", "earth mover"),
        *("gradient by the discriminator", "gradient by the critic"),
    }
    assert last.result["values"]["earth mover"] == 0.25
    assert last.result["curves"].ndim == 3
