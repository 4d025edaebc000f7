"""The quality metrics as other people's code calls them."""

import csv
import io
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from gradio_client.utils import Status
from PIL import Image

from demos import quality_metrics
from demos.kit.runs import delivered
from demos.quality_metrics import opinion
from gan_models.images import decode, read_provenance
from gan_models.metrics import measure as measuring
from gan_models.metrics import ms_ssim, psnr, sifid, ssim
from gan_models.metrics.tasks import Measure, MeasureSets

MADE_HERE = {"Original", "Bicubic", "Compact, faithful", "Compact, crisp"}


@pytest.fixture(scope="module")
def client(app):
    return Client(app.url, verbose=False)


@pytest.fixture
def pair(app):
    return app.root / "examples/measuring/blurred.png", app.root / "examples/measuring-references/cat.png"


def archive(path, count, *, level=0, name="{}.png"):
    rng = np.random.default_rng(level)
    with zipfile.ZipFile(path, "w") as target:
        for number in range(count):
            stream = io.BytesIO()
            Image.fromarray(rng.integers(0, 60 + level, (32, 32, 3), np.uint8)).save(stream, "PNG")
            target.writestr(name.format(number), stream.getvalue())
    return handle_file(path)


# --- Two pictures


def test_parameters_are_those_of_the_contract(client):
    found = client.view_api(return_format="dict")["named_endpoints"]
    for name in ("measure", "measure_sets", "sifid"):
        parameters = [parameter["parameter_name"] for parameter in found[f"/{name}"]["parameters"]]
        assert parameters[:2] == (["images", "references"] if name == "measure_sets" else ["image", "reference"])
    assert [parameter["parameter_name"] for parameter in found["/opinion_rate"]["parameters"]] == ["score"]


def test_two_pictures_are_measured(client, pair):
    values, error, similarity, histograms, record = client.predict(*map(handle_file, pair), api_name="/measure")
    pictures = [decode(path) for path in pair]
    for name, function in {"psnr": psnr, "ssim": ssim, "ms_ssim": ms_ssim}.items():
        assert values[name] == pytest.approx(function(*pictures))
    assert set(values) == {"psnr", "ssim", "ms_ssim", "mse", "ciede2000"}
    assert decode(error).shape == decode(similarity).shape == pictures[0].shape
    assert decode(histograms).ndim == 3
    assert record["settings"].keys() == {"image", "reference"}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Let what the page shows be written into the test's folder."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))


def shown(task, rows, **asked):
    """Return what the page shows of a task step by step, with the table."""
    return list(quality_metrics._tabled(delivered, rows)(task, asked))


def test_the_page_shows_two_pictures_measures_as_a_table(files, pair):
    *_, last = shown(Measure, quality_metrics._pair_table, **dict(zip(("image", "reference"), pair, strict=True)))
    assert [row[0] for row in last["table"]] == ["PSNR", "SSIM", "MS-SSIM", "MSE", "CIEDE2000", "LPIPS"]
    assert last["table"][0][1] == f"{last['values']['psnr']:.2f} dB"
    assert last["table"][5][1] == "–"
    assert "240 × 192 pixels" in last["status"]


def test_what_the_page_says_of_measures_is_said_of_each():
    assert list(quality_metrics.PAIR) == list(measuring.MEASURES)


def test_infinity_comes_through_as_a_word_that_is_read_as_a_number(client, pair):
    values, *_ = client.predict(*[handle_file(pair[0])] * 2, api_name="/measure")
    assert float(values["psnr"]) == np.inf
    assert (values["ssim"], values["mse"]) == (1, 0)
    assert quality_metrics._pair_table(values)[0][1] == "∞ dB"


def test_tiny_pictures_have_fewer_measures_and_no_map(client, tmp_path):
    Image.new("RGB", (3, 5), "teal").save(tmp_path / "a.png")
    values, error, similarity, *_ = client.predict(*[handle_file(tmp_path / "a.png")] * 2, api_name="/measure")
    assert set(values) == {"psnr", "mse", "ciede2000"}
    assert [row[1] for row in quality_metrics._pair_table(values)][1:3] == ["–", "–"]
    assert similarity is None
    assert decode(error).shape == (5, 3, 3)


# --- Two sets


def test_two_sets_are_compared(client, tmp_path):
    values, record = client.predict(
        images=[archive(tmp_path / "a.zip", 70), archive(tmp_path / "b.zip", 30)],
        references=[archive(tmp_path / "c.zip", 20, level=60)],
        side=32,
        api_name="/measure_sets",
    )
    assert (values["images"], values["references"], values["features"]) == (100, 20, "features-compact")
    assert values["fid"] > 0
    assert values["sliced_wasserstein"] > 0
    assert values["inception_score"] >= 1
    assert values["inception_score_deviation"] >= 0
    assert "fewer than 2,048" in values["note"]
    assert record["weights"] == "features-compact"
    assert record["settings"] == {"side": 32}


def test_progress_of_two_sets_is_told_and_their_values_are_a_table(files, tmp_path):
    sets = {}
    for name, level in (("images", 0), ("references", 60)):
        archive(tmp_path / f"{name}.zip", 70, level=level)
        sets[name] = [str(tmp_path / f"{name}.zip")]
    steps = shown(MeasureSets, quality_metrics._sets_table, **sets, side=32)
    assert any("The first set: 64 pictures" in step["status"] for step in steps)
    assert "70 and 70 pictures compared" in steps[-1]["status"]
    assert "Compact features" in steps[-1]["status"]
    assert ["Pictures", "70"] in [row[:2] for row in steps[-1]["table"]]


def test_a_comparison_can_be_cancelled_and_the_next_one_works(client, tmp_path):
    large = [archive(tmp_path / f"{number}.zip", 200) for number in range(4)]
    job = client.submit(images=large, references=large, api_name="/measure_sets")
    for _ in range(300):
        if job.status().code == Status.ITERATING:
            break
        time.sleep(0.1)
    else:
        pytest.fail("no progress within half a minute")
    job.cancel()
    small = [archive(tmp_path / "a.zip", 2)]
    assert client.predict(images=small, references=small, side=32, api_name="/measure_sets")[0]["images"] == 2


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: [archive(path, 1)], "second set has only one"),
        (lambda path: [archive(path, 0)], "no pictures in this archive"),
        (lambda path: [archive(path, 2, name="../{}.png")], "outside itself"),
        (lambda path: [archive(path, 2, name="{}.txt")], "no pictures in this archive"),
        (lambda path: [path.write_bytes(b"PK\x03\x04 no more") and handle_file(path)], "not a picture|damaged"),
        (lambda path: [], "Choose the second set first"),
        (lambda path: None, "Choose some files first"),
    ],
)
def test_bad_sets_get_one_sentence(client, tmp_path, make, sentence):
    fine = [archive(tmp_path / "fine.zip", 2)]
    with pytest.raises(AppError, match=sentence) as problem:
        client.predict(images=fine, references=make(tmp_path / "a.zip"), side=32, api_name="/measure_sets")
    assert "Traceback" not in str(problem.value)


# --- A picture by what it was trained on


def test_textures_are_compared(client, app):
    paths = [app.root / folder / "sea.png" for folder in ("examples/sifid", "examples/sifid-references")]
    distance, record = client.predict(*map(handle_file, paths), api_name="/sifid")
    assert distance == pytest.approx(sifid(*map(decode, paths), features="features-compact"), abs=1e-6)
    assert record["weights"] == "features-compact"


@pytest.mark.parametrize(
    ("endpoint", "sizes", "options", "sentence"),
    [
        ("/measure", ((40, 30), (30, 40)), {}, "The reference has 30×40 pixels"),
        ("/sifid", ((40, 30), (15, 40)), {}, "16×16 pixels or more"),
        ("/sifid", ((40, 30), (2500, 1700)), {}, "4 megapixels at most"),
        ("/sifid", ((40, 30), (40, 30)), {"model": "inception-fid"}, "offline"),
        ("/sifid", ((40, 30), (40, 30)), {"model": "nonsense"}, "nonsense"),
    ],
)
def test_bad_pairs_get_one_sentence(client, tmp_path, endpoint, sizes, options, sentence):
    for number, size in enumerate(sizes):
        Image.new("RGB", size, "teal").save(tmp_path / f"{number}.png")
    files = [handle_file(tmp_path / f"{number}.png") for number in range(2)]
    with pytest.raises(AppError, match=sentence) as problem:
        client.predict(*files, **options, api_name=endpoint)
    assert "Traceback" not in str(problem.value)


@pytest.mark.parametrize("endpoint", ["/measure", "/sifid"])
def test_missing_and_damaged_pictures_get_one_sentence(client, pair, tmp_path, endpoint):
    with pytest.raises(AppError, match="Choose a picture first"):
        client.predict(handle_file(pair[0]), None, api_name=endpoint)
    (tmp_path / "cut.png").write_bytes(pair[0].read_bytes()[:9000])
    with pytest.raises(AppError, match="damaged or cut off"):
        client.predict(handle_file(pair[0]), handle_file(tmp_path / "cut.png"), api_name=endpoint)


# --- Opinion


@pytest.fixture
def visitor(app):
    """A visitor with a session of their own."""
    return Client(app.url, verbose=False)


@pytest.fixture
def survey(tmp_path, monkeypatch):
    """An untouched survey, for the functions behind the endpoints; what they write goes into the test's folder."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    return opinion.Survey()


def begun(survey, folder, names, way="rate"):
    """Begin with results of these names, whose greys are in this order; return survey, pictures and question."""
    return opinion.opinion_start(survey, results=results(folder, names), way=way)


def results(folder, names, size=(40, 30)):
    paths = []
    for number, name in enumerate(names):
        (folder / str(number)).mkdir(exist_ok=True)
        paths.append(str(folder / str(number) / f"{name}.png"))
        Image.new("RGB", size, (40 * number, 90, 120)).save(paths[-1])
    return paths


def which(path):
    """Tell the number of a result by its grey."""
    return round(decode(path)[0, 0, 0] / 40)


def test_results_made_here_are_rated_blindly_and_each_visitor_alone(visitor, client, app):
    image = handle_file(app.root / "examples/super-resolution/badge.png")
    shown, second, question = visitor.predict(image=image, api_name="/opinion_start")
    for number in range(1, 5):
        assert f"Picture {number} of 4" in question
        assert second is None
        assert decode(shown).shape == (128, 128, 3)
        assert read_provenance(shown) is None
        assert shown.endswith("/picture.png")
        shown, second, question = visitor.predict(score=number, api_name="/opinion_rate")
    assert "That" in question
    assert shown is None
    with pytest.raises(AppError, match="no answers yet"):
        client.predict(api_name="/opinion_table")
    with pytest.raises(AppError, match="Begin first"):
        client.predict(score=3, api_name="/opinion_rate")
    table, path, *_ = visitor.predict(api_name="/opinion_table")
    assert {row[0] for row in table["data"]} == MADE_HERE
    assert sorted(row[1] for row in table["data"]) == ["1.00", "2.00", "3.00", "4.00"]
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row.pop("model") for row in rows] == [row[0] for row in table["data"]]
    best = {"ratings": "1", "mean": "4.0", "low": "", "high": "", "comparisons": "0", "preferred": ""}
    assert rows[0] == best


def test_a_visitors_results_are_compared_and_named_only_with_the_table(visitor, tmp_path):
    files = [handle_file(path) for path in results(tmp_path, ["secret", "hidden"])]
    said = visitor.predict(results=files, way="compare", api_name="/opinion_start")
    assert "Pair 1 of 1" in said[2]
    assert "secret" not in str(said)
    assert "hidden" not in str(said)
    better = "a" if which(said[0]) == 0 else "b"
    visitor.predict(better=better, api_name="/opinion_prefer")
    table, *_ = visitor.predict(api_name="/opinion_table")
    assert [(row[0], *row[4:]) for row in table["data"]] == [("secret", "100%", "1"), ("hidden", "0%", "1")]
    with pytest.raises(AppError, match="Begin first"):
        visitor.predict(better="a", api_name="/opinion_prefer")
    with pytest.raises(AppError, match="2 to 6 results"):
        visitor.predict(results=files[:1], api_name="/opinion_start")
    with pytest.raises(AppError, match="Choose a picture first"):
        visitor.predict(api_name="/opinion_start")


def test_the_table_ends_a_comparison_whose_rest_is_dropped(survey, tmp_path):
    survey, *_ = begun(survey, tmp_path, "ab")
    survey, *_ = opinion.opinion_rate(survey, 3)
    survey, table, *_ = opinion.opinion_table(survey)
    assert len(table) == 1
    with pytest.raises(ValueError, match="Begin first"):
        opinion.opinion_rate(survey, 3)


def test_answers_over_several_pictures_add_up(survey, tmp_path):
    scores = {0: (5, 4), 1: (2, 1)}
    for turn in range(2):
        survey, shown, *_ = begun(survey, tmp_path, "ab")
        for _ in range(2):
            survey, shown, *_ = opinion.opinion_rate(survey, scores[which(shown)][turn])
    assert [row[:4] for row in opinion.opinion_table(survey)[1]] == [
        ["a", "4.50", "-1.85 to 10.85", "2"],
        ["b", "1.50", "-4.85 to 7.85", "2"],
    ]


def test_each_pair_is_asked_for_once(survey, tmp_path):
    survey, first, second, question = begun(survey, tmp_path, "abc", "compare")
    pairs = set()
    for number in range(1, 4):
        assert f"Pair {number} of 3" in question
        pairs.add(frozenset((which(first), which(second))))
        better = "a" if which(first) < which(second) else "b"
        survey, first, second, question = opinion.opinion_prefer(survey, better)
    assert len(pairs) == 3
    rows = [(row[0], *row[4:]) for row in opinion.opinion_table(survey)[1]]
    assert rows == [("a", "100%", "2"), ("b", "50%", "2"), ("c", "0%", "2")]


def test_the_order_is_random(survey, tmp_path):
    first = {which(begun(survey, tmp_path, "abcdef")[1]) for _ in range(20)}
    assert len(first) > 1  # once in 10^14 times twenty draws are all alike
    sides = {which(begun(survey, tmp_path, "ab", "compare")[1]) for _ in range(50)}
    assert sides == {0, 1}


def test_names_are_no_formulas_and_no_paths(survey, tmp_path):
    survey, *_ = begun(survey, tmp_path, ["=1+2", "@sum", "<b>x", "-3"])
    for _ in range(4):
        survey, *_ = opinion.opinion_rate(survey, 3)
    _, table, path, *_ = opinion.opinion_table(survey)
    assert sorted(row[0] for row in table) == ["1+2", "3", "b>x", "sum"]
    with open(path, encoding="utf-8") as file:
        assert all(line[0].isalnum() for line in file)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [("a", "2 to 6 results"), ("abcdefg", "2 to 6 results"), ("aa", "Two results are called “a”")],
)
def test_bad_results_get_one_sentence(survey, tmp_path, names, sentence):
    with pytest.raises(ValueError, match=sentence):
        begun(survey, tmp_path, names)


def test_results_of_other_sizes_would_give_themselves_away(survey, tmp_path):
    (tmp_path / "more").mkdir()
    paths = [*results(tmp_path, "a"), *results(tmp_path / "more", "b", size=(41, 30))]
    with pytest.raises(ValueError, match="one size"):
        opinion.opinion_start(survey, results=paths)


def test_bad_answers_get_one_sentence(survey, tmp_path):
    survey, *_ = begun(survey, tmp_path, "ab")
    for score in (0, 6, 2.5, None):
        with pytest.raises(ValueError, match="whole number from 1 to 5"):
            opinion.opinion_rate(survey, score)
    with pytest.raises(ValueError, match="Rate the picture"):
        opinion.opinion_prefer(survey, "a")
    survey, *_ = begun(survey, tmp_path, "ab", "compare")
    with pytest.raises(ValueError, match="“a” or “b”"):
        opinion.opinion_prefer(survey, "both")
    with pytest.raises(ValueError, match="Say which"):
        opinion.opinion_rate(survey, 1)


def test_no_answer_is_left_in_what_every_session_begins_with(survey, tmp_path):
    opinion.opinion_rate(begun(survey, tmp_path, "ab")[0], 3)
    one, *_ = begun(survey, tmp_path, "ab", "compare")
    opinion.opinion_prefer(one, "a")
    assert one.preferences == []
    assert survey == opinion.Survey()


def test_pictures_that_were_deleted_meanwhile_get_one_sentence(survey, tmp_path):
    survey, *_ = begun(survey, tmp_path, "ab")
    for path in survey.files.values():
        Path(path).unlink()
    with pytest.raises(ValueError, match="not here any more"):
        opinion.opinion_rate(survey, 3)


def test_large_pictures_are_cut_and_tiny_ones_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(opinion, "SIDE", 32)
    Image.effect_noise((70, 50), 40).save(tmp_path / "large.png")
    made = opinion._made_of(str(tmp_path / "large.png"))
    assert {picture.shape for picture in made.values()} == {(32, 32, 3)}
    assert set(made) == MADE_HERE
    np.testing.assert_array_equal(made["Original"], decode(tmp_path / "large.png")[9:41, 19:51])
    Image.new("RGB", (3, 40)).save(tmp_path / "tiny.png")
    with pytest.raises(ValueError, match="too small"):
        opinion._made_of(str(tmp_path / "tiny.png"))
