"""What holds for every task."""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from demos.kit.runs import delivered
from gan_models.cli import main
from gan_models.images.provenance import make_record
from gan_models.images.video import read_record
from gan_models.restoration import Restoration, filmed, several
from gan_models.task import Task, restored

FAMILIES = sorted(
    path.parent.name for path in Path(import_module("gan_models").__file__).parent.glob("*/__init__.py")
)
TASKS = [
    task
    for family in (*FAMILIES, "metrics.tasks")
    for task in vars(import_module(f"gan_models.{family}")).values()
    if isinstance(task, type)
    and issubclass(task, Task)
    and hasattr(task, "name")
    and not task.__name__.startswith("_")
]
TASKS += [derive(task) for task in TASKS if issubclass(task, Restoration) for derive in (several, filmed)]
PICTURE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)


def named(task):
    return task.__name__


def sample(task, folder):
    """Return values for all that a task must be given, and others than the defaults where that is simple."""
    (folder / "a.bin").write_bytes(b"content")
    given = {"image": PICTURE, "mask": PICTURE[:, :, 0] > 127, "file": folder / "a.bin", "video": folder / "a.bin"}
    given["files"] = [folder / "a.bin"]
    values = {}
    for name, one in task.parameters().items():
        if one.kind in given and one.required:
            values[name] = given[one.kind]
        elif one.kind == "choice":
            values[name] = one.choices[-1]
        elif one.kind == "flag":
            values[name] = not one.default
        elif one.kind in ("integer", "number") and one.le is not None and name not in ("factor", "steps"):
            values[name] = type(one.default or 0)(one.le if one.le < 2**31 else 7)
        elif one.kind == "seeds":
            values[name] = "3, 5"
    return values


def test_there_are_tasks_of_every_tab():
    names = {task.name for task in TASKS}
    assert names >= {"faces", "face-control", "face-inversion", "single-image", "dehazing", "deblurring"}
    assert names >= {
        "super-resolution",
        "style-transfer",
        "fast-style",
        "translation",
        "pictures",
        "points",
        "measuring",
    }
    endpoints = [task.endpoint() for task in TASKS]
    assert len(set(endpoints)) == len(endpoints)


@pytest.mark.parametrize("task", TASKS, ids=named)
def test_every_parameter_and_output_is_described(task):
    assert task.__doc__
    for one in task.parameters().values():
        assert one.description, one.name
        assert one.title
    for output in task.returns.values():
        assert output.title


@pytest.mark.parametrize("task", TASKS, ids=named)
def test_what_was_asked_comes_back_from_the_record(task, tmp_path):
    values = sample(task, tmp_path)
    ask = task.ask(**values)
    record = json.loads(json.dumps(make_record(**{"model": None} | ask.record() | {"model": None})))
    record["weights"] = getattr(ask, "model", None)
    back = restored(task, record)
    settings = [name for name, one in task.parameters().items() if one.kind not in ("image", "mask", "file", "files")]
    for name in settings:
        if task.parameters()[name].kept is not False and task.parameters()[name].kind != "video":
            assert back[name] == getattr(ask, name), name


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    monkeypatch.setenv("GAN_ATELIER_DEVICE", "cpu")


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize(
    ("command", "endpoint", "asked", "source"),
    [
        ("dehaze", "dehaze", {"model": "dark-channel", "strength": 0.5}, "image"),
        ("deblur", "deblur", {"model": "wiener", "length": 5}, "image"),
        ("upscale", "upscale", {"factor": 2}, "image"),
        ("stylize", "fast_stylize", {"strength": 0.5}, "image"),
        ("translate", "translate", {"side": 64, "seed": 3}, "image"),
        ("generate", "generate_faces", {"seed": "3", "count": 1}, None),
        ("generate --task edit", "edit_face", {"seed": "3"}, None),
        ("invert --task align", "align_face", {"framing": "middle"}, "image"),
        ("singan paint", "singan_paint", {"model": "singan-sea", "quantize": True}, "painting"),
    ],
)
def test_the_page_and_the_command_line_leave_the_same_record(tmp_path, command, endpoint, asked, source):
    from PIL import Image

    task = next(task for task in TASKS if task.endpoint() == endpoint)
    Image.fromarray(np.kron(PICTURE, np.ones((4, 4, 1), np.uint8))).save(tmp_path / "a.png")
    picture = {} if source is None else {source: str(tmp_path / "a.png")}
    *_, last = delivered(task, {**picture, **asked})
    path = last[next(iter(task.returns))]
    page = read_record(path if isinstance(path, str) else path[0][0])
    options = [
        word
        for name, value in asked.items()
        for word in ((f"--{name.replace('_', '-')}",) if value is True else (f"--{name}", str(value)))
    ]
    source_path = [str(tmp_path / "a.png")] if source else []
    assert main([*command.split(), *source_path, "-o", str(tmp_path / "b.png"), *options]) == 0
    assert read_record(tmp_path / "b.png") == page
    assert restored(task, page) is not None
