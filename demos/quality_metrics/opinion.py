"""A blind comparison: a visitor rates results, or picks the better of two, without knowing what made them."""

import csv
import itertools
import re
import secrets
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import gradio as gr
import numpy as np

from demos.kit.controls import PRIVATE, inlined_info, picture
from demos.kit.errors import plain_errors
from demos.kit.files import new_file, view
from demos.kit.gpu import LANE, on_gpu
from demos.kit.messages import note
from demos.kit.outputs import table, two_columns
from gan_models.checkpoints import registry
from gan_models.images import decode, flatten
from gan_models.images.degradations import bicubic_downscale, bicubic_upscale, crop_to_multiple
from gan_models.jobs import finish
from gan_models.metrics.opinion import SCALE, Opinion, opinions
from gan_models.super_resolution import Upscale

FEWEST, MOST = 2, 6  # results of one picture
FACTOR, SIDE = 4, 512  # by which a picture is reduced and enlarged again, and its pixels at most
MADE_BY = ("sr-psnr-compact", "sr-gan-compact")
WAYS = {"Rate each from 1 to 5": "rate", "Pick the better of two": "compare"}
GONE = "Begin first: choose a picture or results, and press Begin."
KEPT = 3600  # seconds
HEADERS = ["Made by", "Mean", "95 % interval", "Ratings", "Preferred", "Pairs"]
COLUMNS = ("model", "ratings", "mean", "low", "high", "comparisons", "preferred")
Question = tuple[str | None, str | None, str]


@dataclass
class Survey:
    """What one visitor has yet to judge, and what was said. It is kept for that visitor alone.

    The functions below leave the one that they are given as it is: it may be the one that every visitor begins with.

    Attributes:
        files: Copies of the results, whose names tell nothing, by what made them.
        trials: The names of each result, or of each pair, that is still to be judged; the first is on show.
        total: How many there were.
        ratings: Name and score of each answer so far, over all pictures.
        preferences: The better one and the other, likewise.
    """

    files: dict[str, str] = field(default_factory=dict)
    trials: list[tuple[str, ...]] = field(default_factory=list)
    total: int = 0
    ratings: list[tuple[str, int]] = field(default_factory=list)
    preferences: list[tuple[str, str]] = field(default_factory=list)


@on_gpu
def opinion_start(
    survey: Survey, image: str | None = None, results: list[str] | None = None, way: str = "rate"
) -> tuple[Survey, str | None, str | None, str]:
    """Begin a blind comparison of results of one picture, in random order; it lasts as long as the page is open.

    Args:
        survey: Kept for this visitor.
        image: A picture that results are made of here: reduced four times, and enlarged again by both compact models
            of super-resolution and bicubically; the original is among them. Its middle 512×512 pixels count.
        results: Instead, 2 to 6 results of one size; what made each is the name of its file.
        way: "rate" to rate each from 1 to 5, or "compare" to pick the better of two, for each pair.

    Returns:
        The first picture, the second one of a pair, and the question. What made them is secret until /opinion_table.
    """
    pictures = _named(results) if results else _made_of(image)
    survey, names = deepcopy(survey), list(pictures)
    survey.files = {name: view(picture, new_file("picture.png")) for name, picture in pictures.items()}
    trials = [(name,) for name in names] if way == "rate" else list(itertools.combinations(names, 2))
    chance = secrets.SystemRandom()
    survey.trials = [tuple(chance.sample(trial, len(trial))) for trial in chance.sample(trials, len(trials))]
    survey.total = len(trials)
    return survey, *_question(survey)


def opinion_rate(survey: Survey, score: int) -> tuple[Survey, str | None, str | None, str]:
    """Rate the picture on show.

    Args:
        survey: Kept for this visitor.
        score: 1 (bad), 2 (poor), 3 (fair), 4 (good) or 5 (excellent).

    Returns:
        The next picture, nothing, and the question.
    """
    (name,) = _on_show(survey, 1)
    opinions([(name, score)], [])  # which refuses what is no score
    survey = deepcopy(survey)
    survey.ratings.append((name, int(score)))
    del survey.trials[0]
    return survey, *_question(survey)


def opinion_prefer(survey: Survey, better: str) -> tuple[Survey, str | None, str | None, str]:
    """Say which of the two pictures on show is better.

    Args:
        survey: Kept for this visitor.
        better: "a" for the first one, "b" for the second.

    Returns:
        The next two pictures, and the question.
    """
    pair = _on_show(survey, 2)
    if better not in ("a", "b"):
        raise ValueError(f"The better one is “a” or “b”, not “{better}”.")
    survey = deepcopy(survey)
    survey.preferences.append(pair if better == "a" else pair[::-1])
    del survey.trials[0]
    return survey, *_question(survey)


def opinion_table(survey: Survey) -> tuple[Survey, list[list[str]], str, str | None, str | None, str]:
    """Tell what was thought of each model, over all pictures since the last forgetting; this ends the comparison.

    Args:
        survey: Kept for this visitor.

    Returns:
        For each model its mean opinion score, the 95 % interval by Student's t, the number of ratings, the share of
        its pairs in which it was preferred, and their number; the same as a CSV file; then nothing on show.
    """
    found = opinions(survey.ratings, survey.preferences)
    if not found:
        raise ValueError("There are no answers yet.")
    survey = replace(survey, trials=[])
    path = new_file("opinions.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([getattr(one, name) for name in COLUMNS] for one in found)
    said = note("The names are out. Begin again to go on; answers add up.")
    return survey, [_row(one) for one in found], str(path), None, None, said


def _question(survey: Survey) -> Question:
    """Return what is on show, and what is asked of it."""
    if not survey.trials:
        return None, None, note("That's all. Show the table, or begin with another picture; answers add up.")
    trial = survey.trials[0]
    number = f"{survey.total - len(survey.trials) + 1} of {survey.total}"
    files = [survey.files[name] for name in trial]
    if len(files) == 1:
        return files[0], None, note(f"Picture {number}: how good is it?")
    return files[0], files[1], note(f"Pair {number}: which is better?")


def _on_show(survey: Survey, count: int) -> tuple[str, ...]:
    """Return what makes up the question that is open.

    Raises:
        ValueError: None is, it is of the other kind, or its pictures have been deleted.
    """
    if not survey.trials:
        raise ValueError(GONE)
    trial = survey.trials[0]
    if len(trial) != count:
        raise ValueError("Rate the picture from 1 to 5." if len(trial) == 1 else "Say which of the two is better.")
    if not all(Path(survey.files[name]).exists() for name in trial):
        raise ValueError("These pictures are not here any more; begin again.")
    return trial


def _named(paths: list[str]) -> dict[str, np.ndarray]:
    """Return a visitor's results by what made them.

    Raises:
        ValueError: There are too few or too many, two have one name, they differ in size, or one can't be read.
    """
    if not FEWEST <= len(paths) <= MOST:
        raise ValueError(f"Bring {FEWEST} to {MOST} results of one picture, not {len(paths)}.")
    found: dict[str, np.ndarray] = {}
    for path in paths:
        name = re.sub(r"^[\W_]+", "", Path(path).stem)[:60] or "result"  # nor may a spreadsheet take it for a formula
        if name in found:
            raise ValueError(f"Two results are called “{name}”; name each file after what made it.")
        found[name] = flatten(decode(path))
    if len({picture.shape for picture in found.values()}) > 1:
        raise ValueError("The results must have one size, or their sizes would give them away.")
    return found


def _made_of(image: str | None) -> dict[str, np.ndarray]:
    """Return a picture, and what is made of it when it has been reduced, by what made it."""
    original = flatten(decode(image))
    top, left = (max(0, length - SIDE) // 2 for length in original.shape[:2])
    original = crop_to_multiple(original[top : top + SIDE, left : left + SIDE], FACTOR)
    if original.size == 0:
        raise ValueError(f"This picture is too small: it must have {FACTOR} pixels a side at least.")
    small = bicubic_downscale(original, FACTOR)
    found = {"Original": original, "Bicubic": bicubic_upscale(small, FACTOR)}
    for model in MADE_BY:
        ask = Upscale(image=small, model=model, factor=FACTOR)
        found[registry.get(model).title] = finish(ask.run())
    return found


def _row(one: Opinion) -> list[str]:
    interval = "–" if one.low is None else f"{one.low:.2f} to {one.high:.2f}"
    mean = "–" if one.mean is None else f"{one.mean:.2f}"
    preferred = "–" if one.preferred is None else f"{one.preferred:.0%}"
    return [one.model, mean, interval, str(one.ratings), preferred, str(one.comparisons)]


def build_opinion() -> None:
    """Lay out the blind comparison."""
    sentence = "A blind comparison: judge results without knowing what made them, then see what you thought."
    survey = gr.State(Survey(), time_to_live=KEPT)
    with two_columns(sentence) as (inputs, outputs):
        with inputs:
            way = gr.Radio(list(WAYS.items()), value="rate", label="How")
            gr.Markdown(
                "Of a picture that you choose, reduced four times, three results are made: bicubic, faithful and "
                "crisp. The original is among them."
            )
            image = picture("A picture to make results of", "super-resolution", name="opinion")
            with gr.Accordion("Or bring results", open=False):
                results = gr.File(
                    label="2 to 6 results of one picture, each named after what made it",
                    file_count="multiple",
                    file_types=["image"],
                    height=140,
                    elem_classes="results-input",
                )
            for files in (image, results):
                files.api_info = files.api_info_as_input = partial(inlined_info, files)
            start = gr.Button("Begin", variant="primary", elem_classes="begin")
        with outputs:
            question = gr.HTML(
                note("Choose a picture and begin."), label="Question", elem_classes="status question", container=False
            )
            with gr.Row():
                first, second = _shown("A"), _shown("B", visible=False)
            with gr.Row(visible=False) as rating:
                scores = [
                    (gr.Button(f"{score} {SCALE[score]}", size="sm", min_width=60), score) for score in sorted(SCALE)
                ]
            with gr.Row(visible=False) as choosing:
                sides = [(gr.Button(f"{side.upper()} is better", min_width=120), side) for side in ("a", "b")]
            with gr.Row():
                tell = gr.Button("Show the table", min_width=120, elem_classes="tell")
                forget = gr.Button("Forget all answers", min_width=120)
            rows = table("Opinions", HEADERS, kind=gr.Dataframe)
            file = gr.File(label="The same as a CSV file", interactive=False, height=110, elem_classes="result-file")
    asked = [survey, first, second, question]
    start.click(
        plain_errors(opinion_start),
        [survey, image, results, way],
        asked,
        api_name="opinion_start",
        concurrency_id=LANE,
        concurrency_limit=1,
        show_progress="minimal",
    )
    for function, buttons in ((opinion_rate, scores), (opinion_prefer, sides)):
        answer = gr.Number(visible=False, precision=0) if function is opinion_rate else gr.Textbox(visible=False)
        for number, (button, value) in enumerate(buttons):
            public = {"api_name": function.__name__, "show_progress": "hidden"} if number == 0 else PRIVATE
            answered = f"(survey) => [survey, {value!r}]"  # what the hidden field would hold
            button.click(plain_errors(function), [survey, answer], asked, js=answered, queue=False, **public)
    shown = [survey, rows, file, first, second, question]
    tell.click(plain_errors(opinion_table), survey, shown, api_name="opinion_table", queue=False)
    forget.click(lambda: (Survey(), None, None, None, None, note("Forgotten.")), None, shown, queue=False, **PRIVATE)
    question.change(_ways_to_answer, survey, [second, rating, choosing], queue=False, **PRIVATE)


def _ways_to_answer(survey: Survey) -> list[dict]:
    """Show what the open question asks for."""
    count = len(survey.trials[0]) if survey.trials else 0
    return [gr.update(visible=count == 2), gr.update(visible=count == 1), gr.update(visible=count == 2)]


def _shown(label: str, visible: bool = True) -> gr.Image:
    return gr.Image(
        label=label,
        type="filepath",
        interactive=False,
        buttons=["fullscreen"],
        visible=visible,
        min_width=240,
        elem_classes="judged",
    )
