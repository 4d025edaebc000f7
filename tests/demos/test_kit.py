import time
from pathlib import Path
from threading import Thread
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from demos import dehazing
from demos.kit import frame, masks, messages, runs
from demos.kit.files import Files
from gan_models.checkpoints import registry
from gan_models.images import decode
from gan_models.jobs import Step
from gan_models.results import Results
from gan_models.task import Output, Task


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))


def test_files_can_be_written_while_others_are_deleted(tmp_path):
    """Gradio goes through the set in a thread of its own; a set that changes meanwhile would end that for good."""
    files = Files()
    for index in range(300):
        (tmp_path / str(index)).touch()
        files.add(str(tmp_path / str(index)))

    def write():
        for index in range(3000):
            files.add(str(tmp_path / f"new-{index}"))

    writer = Thread(target=write)
    writer.start()
    seen = {path for _ in range(5) for path in files}
    writer.join()
    assert {str(tmp_path / str(index)) for index in range(300)} <= seen


def test_files_that_are_gone_are_forgotten(tmp_path):
    here, gone, later = (str(tmp_path / name) for name in ("here", "gone", "later"))
    files = Files([here, gone, later])
    for path in (here, gone):
        Path(path).touch()
    assert sorted(files) == sorted([here, gone])
    Path(gone).unlink()
    assert list(files) == [here]
    Path(later).touch()  # registered before it was written, as the state of a long training is
    assert sorted(files) == sorted([here, later])
    assert len(files) == 2


def test_the_time_left_counts_down(monkeypatch):
    now = 0.0
    monkeypatch.setattr(messages.time, "monotonic", lambda: now)
    clock = messages.Clock()
    assert clock.left(Step(0, 10)) is None
    now = 2.0
    assert clock.left(Step(1, 10)) == 18
    now = 5.0
    assert clock.left(Step(1, 10)) == 15
    now = 30.0
    assert clock.left(Step(1, 10)) == 0


class Blacken(Task):
    """Draw nothing."""

    name: ClassVar = "black"
    returns: ClassVar = {"image": Output("image", "Black")}


def test_no_preview_is_shown_twice(tmp_path):
    black = np.zeros((2, 2, 3), np.uint8)

    def work():
        for index in (1, 2):
            yield Step(index, 2, preview=black)
            time.sleep(0.5)  # in which the page hears of the step again and again
        yield Step(2, 2, result=black)

    results = Results(Blacken(), lambda name: tmp_path / name)
    shown = list(runs.stream(results.follow(work()), runs.Previews(results), None, every=0))
    assert len(shown) > 5
    pictures = [Path(values["shown"]).name for values in shown if "shown" in values]
    assert pictures == ["preview-1.webp", "preview-2.webp", "after.webp"]


def test_a_status_that_was_done_stays():
    assert "Cancelled" in runs._cancelled(messages.progress_bar(1, 2, "half"))
    assert "Cancelled" not in str(runs._cancelled(messages.note("Ready.")))


# --- Masks


@pytest.mark.parametrize("size", [(3000, 1500), (300, 150), (101, 67)])
def test_what_was_drawn_becomes_a_mask_of_the_photos_size(tmp_path, size):
    photo = tmp_path / "photo.png"
    Image.new("RGB", size, "grey").save(photo)
    canvas = masks.show(str(photo))[0].canvas_size
    assert max(canvas) == masks.CANVAS
    layers = np.zeros((2, canvas[1], canvas[0], 4), np.uint8)
    layers[0, : canvas[1] // 2, : canvas[0] // 2] = 255  # a stroke over the upper left quarter
    layers[1, -canvas[1] // 4 :, :, :3] = 255  # coloured and transparent: nothing was drawn there
    mask = decode(masks.marked({"layers": list(layers)}, str(photo)))[:, :, 0]
    assert mask.shape == size[::-1]
    assert set(np.unique(mask)) == {0, 255}
    wanted = np.zeros_like(mask, bool)
    wanted[: size[1] // 2, : size[0] // 2] = True
    assert np.mean((mask > 0) != wanted) < 0.02


def test_a_canvas_without_a_stroke_gives_no_mask(tmp_path):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (60, 40), "grey").save(photo)
    assert masks.marked(None, str(photo)) is None
    assert masks.marked({"layers": []}, str(photo)) is None
    assert masks.marked({"layers": [np.zeros((40, 60, 4), np.uint8)]}, str(photo)) is None
    assert masks.marked({"layers": [np.full((40, 60, 4), 255, np.uint8)]}, None) is None


def test_a_task_whose_only_model_is_a_formula_has_a_page(monkeypatch):
    every = registry.models
    monkeypatch.setattr(registry, "models", lambda task=None: [model for model in every(task) if model.formula])
    page = frame.build((dehazing.TAB,))
    (picker,) = [block for block in page.blocks.values() if getattr(block, "label", "") == "Weights"]
    assert picker.value == "dark-channel"
    assert picker.choices == [("Dark channel prior", "dark-channel")]
