from pathlib import Path
from threading import Thread

from demos.components import messages, runs
from demos.components.files import Files
from gan_models.runtime import Step


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


def test_a_status_that_was_done_stays():
    assert "Cancelled" in runs._cancelled(messages.progress_bar(1, 2, "half"))
    assert "Cancelled" not in str(runs._cancelled(messages.note("Ready.")))
