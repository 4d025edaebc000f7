import os
import threading
import time

import pytest

from demos.kit import own_models
from demos.kit.own_models import HISTORY, MODEL, STATE


@pytest.fixture
def name(tmp_path):
    return own_models.new(str(tmp_path))


def test_names_are_not_to_be_guessed_and_folders_are_private(tmp_path, name):
    assert own_models.is_own(name)
    assert len(name) == len("trained-") + 32
    assert own_models.new(str(tmp_path)) != name
    assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_a_model_is_found_once_it_is_written(tmp_path, name):
    (tmp_path / name / STATE).touch()
    assert own_models.goes_on(name, str(tmp_path))
    with pytest.raises(ValueError, match="not come far enough"):
        own_models.file(name, str(tmp_path))
    (tmp_path / name / MODEL).touch()
    assert own_models.file(name, str(tmp_path)) == tmp_path / name / MODEL


def test_a_training_goes_on_once_it_is_under_way(tmp_path, name):
    assert not own_models.goes_on(name, str(tmp_path))
    with own_models.claim(name):
        assert own_models.goes_on(name, str(tmp_path))
    assert not own_models.goes_on(name, str(tmp_path))


def test_a_model_that_was_swept_away_is_gone(tmp_path, name):
    with pytest.raises(ValueError, match="not here any more"):
        own_models.file(name, str(tmp_path))


@pytest.mark.parametrize(
    "bad", ["trained-", "trained-../x", "trained-" + "g" * 32, "trained-" + "0" * 32, "../weights"]
)
def test_other_names_lead_nowhere(tmp_path, bad):
    with pytest.raises(ValueError, match="not here any more"):
        own_models.folder(bad, str(tmp_path))


def test_use_keeps_a_model_alive(tmp_path, name):
    kept = [tmp_path / name / part for part in (MODEL, STATE, HISTORY)]
    for path in kept:
        path.touch()
        os.utime(path, (0, 0))
    own_models.file(name, str(tmp_path))
    assert all(time.time() - path.stat().st_mtime < 60 for path in kept)


def test_results_never_tell_the_name(tmp_path, name):
    (tmp_path / name / MODEL).write_bytes(b"x")
    record = own_models.record(name, str(tmp_path))
    assert name not in str(record)
    assert len(record["sha256"]) == 64
    assert own_models.record("singan-balloons", str(tmp_path)) == {"model": "singan-balloons"}
    assert own_models.record(None, str(tmp_path)) == {}
    assert name not in own_models.short(name) + own_models.title(name)


def test_of_two_trainings_of_a_model_one_waits(name, monkeypatch):
    order = []

    def second():
        with own_models.claim(name):
            order.append("second")

    with own_models.claim(name):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]
    with own_models.claim(name):
        monkeypatch.setattr(own_models, "PATIENCE", 0)
        with pytest.raises(ValueError, match="still under way"), own_models.claim(name):
            pass
