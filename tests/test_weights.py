"""The weights that come with the app are the ones that the registry and their cards describe."""

import hashlib
import json
import re
from fnmatch import fnmatch

import pytest
import torch

from gan_models import checkpoints
from gan_models.checkpoints import registry
from gan_models.training.cli import TRAINERS

FOLDER = registry.REGISTRY.parent
EMBEDDED = [model for model in registry.models() if model.embedded]
LARGEST, ALL = 16e6, 80e6

each = pytest.mark.parametrize("model", EMBEDDED, ids=lambda model: model.name)


def test_every_task_can_be_done_without_a_network():
    here = {model.task for model in registry.models() if model.embedded or model.formula}
    assert here == {model.task for model in registry.models()}


@each
def test_the_file_is_the_registered_one(model):
    content = (FOLDER / model.file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == model.sha256
    assert len(content) / 1e6 == pytest.approx(model.size_mb, abs=0.06)
    assert len(content) <= LARGEST


def test_all_files_together_stay_small():
    assert sum((FOLDER / model.file).stat().st_size for model in EMBEDDED) <= ALL


def test_no_file_lies_there_unregistered():
    registered = {name for model in EMBEDDED for name in (model.file, model.card)}
    assert {path.name for path in FOLDER.iterdir()} - registered == {"registry.toml"}


def test_no_two_models_are_the_same_file():
    hashes = [model.sha256 for model in EMBEDDED]
    assert len(set(hashes)) == len(hashes)


@each
def test_numbers_are_in_half_precision(model):
    with (FOLDER / model.file).open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__", None)
    kinds = {tensor["dtype"] for tensor in header.values()}
    assert "F16" in kinds
    assert not kinds & {"F32", "F64", "BF16"}


@each
def test_weights_fit_the_network_and_give_finite_numbers(model):
    network = checkpoints.load(model.name, "cpu")
    assert not network.training
    assert all(value.isfinite().all() for value in network.state_dict().values())
    torch.manual_seed(0)
    with torch.inference_mode():
        output = network.probe() if hasattr(network, "probe") else network(torch.rand(1, 3, 32, 32))
    assert output.isfinite().all()
    assert output.std() > 0.01


@each
def test_the_card_says_what_one_must_know(model):
    card = (FOLDER / model.card).read_text(encoding="utf-8")
    missing = [word for word in ("data", "licence", "command") if word not in card.lower()]
    assert not missing
    names = card.partition("\n")[0].removeprefix("# ").split(", ")
    assert any(fnmatch(model.name, name) for name in names)


@each
def test_the_card_says_what_the_registry_says(model):
    card = " ".join((FOLDER / model.card).read_text(encoding="utf-8").split())
    command = "singan train" if model.trainer == "singan" else f"train {model.trainer}"
    assert f"python -m gan_models {command} " in card
    size = f"{model.size_mb:.1f} MB" if model.size_mb >= 0.1 else f"{1000 * model.size_mb:.0f} kB"
    assert size in card
    terms = re.findall(r"[A-Z][\w-]+|©|non-commercial|research|study|public domain|no licence stated", model.licence)
    assert "MIT" in terms
    assert [term for term in terms if term not in card] == []


def test_every_trainer_is_one_of_the_command_line():
    assert {model.trainer for model in EMBEDDED} <= {*TRAINERS, "singan"}
    assert not any(model.trainer for model in registry.models() if not model.embedded)
