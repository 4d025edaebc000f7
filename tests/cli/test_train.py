"""Every training, as the command line runs it."""

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data as pictures

from gan_models.cli import main
from gan_models.gan_control import trainer as gan_control
from gan_models.images.facades import FACADE_LABELS
from gan_models.training import cli
from tests.gan_control import test_trainer as tiny_control
from tests.trainings import checkpoint

STEPS = 2


def write(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def photos(folder, count=4, side=72):
    rng = np.random.default_rng(0)
    for index in range(count):
        coarse = rng.integers(0, 255, (6, 6, 3), np.uint8)
        write(folder / f"{index}.png", cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))


def mosaics(folder):
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for kind in ("cat", "dog"):
            write(folder / part / kind / "0.jpg", rng.integers(0, 255, (64, 64, 3), np.uint8))


def named_faces(folder, count=20):
    """Faces with what UTKFace's names say."""
    rng = np.random.default_rng(0)
    for index in range(count):
        write(folder / f"{20 + index}_{index % 2}_{index % 5}_2017.png", rng.integers(0, 255, (64, 64, 3), np.uint8))


def rated_faces(folder):
    named_faces(folder / "faces-utk-128", 25)
    rows = ["stimulus,happy,long-haired,hair-color,gender"]
    for index in range(12):
        portrait = cv2.convertScaleAbs(pictures.astronaut()[:300, 80:380], alpha=0.7 + 0.05 * index)
        write(folder / "faces-omi-192" / f"{index}.png", portrait)
        rows.append(f"{index},{5 * index},{index},{index % 5},{100 * (index % 2)}")
    (folder / "faces-omi-192" / "attribute_means.csv").write_text("\n".join(rows))


def facades(folder):
    rng, colours = np.random.default_rng(0), np.array(list(FACADE_LABELS.values()), np.uint8)
    for part in ("train", "val", "test"):
        for index in range(2):
            painted = colours[rng.integers(0, 12, (4, 4)).repeat(16, 0).repeat(16, 1)]
            write(folder / part / f"{index}.png", np.hstack([painted, painted]))


def folders_of(*names):
    return lambda folder: [photos(folder / name, 20, 20) for name in names]


SMALL_GAN = {"side": 16, "batch_size": 4, "z_dim": 8, "width": 2}
# What each training learns from, its options, and the name of one that it starts from.
TRAININGS = {
    "features": (mosaics, {"epochs": 2, "settling": 0, "batch_size": 8}, None),
    "sr-psnr": (photos, {"batch_size": 2, "patch": 8}, None),
    "sr-gan": (photos, {"batch_size": 2, "patch": 8}, "sr-psnr"),
    "sr-real": (photos, {"batch_size": 2, "patch": 8}, None),
    "candy": (photos, {"batch_size": 2, "patch": 48}, None),
    "cycle-dehaze": (photos, {"batch_size": 1, "patch": 48}, None),
    "deblurring": (photos, {"batch_size": 2, "patch": 32}, None),
    "attributes": (rated_faces, {}, None),
    "face-identity": (named_faces, {}, None),
    "segmentation": (facades, {"batch_size": 2}, None),
    "face-encoder": (photos, {"batch_size": 2}, None),
    "face-boundaries": (None, {"samples": 100}, None),
    "gan-control": (photos, {}, None),
    "face-controls": (None, {"samples": 32}, "gan-control"),
    "fast-style": (photos, {"style": "1.png"}, None),
    "pix2pix": (photos, {"task": "grey", "side": 64}, None),
    "cyclegan": (folders_of("trainA", "trainB"), {"side": 32}, None),
    **dict.fromkeys(
        ("gan", "dcgan", "unrolled", "wgan", "wgan-gp", "aegan", "progressive"),
        (folders_of("pictures"), SMALL_GAN, None),
    ),
    "cgan": (folders_of("cat", "dog"), SMALL_GAN, None),
    "stylegan2": (photos, {"resolution": 8, "batch_size": 4}, None),
}
COUNTED_OTHERWISE = ("features", "face-boundaries")  # by epochs and samples


@pytest.fixture
def small(monkeypatch):
    """Hold few pictures out, and draw few for a sheet."""
    for name in cli.TRAINERS:
        kind = cli.trainer(name)
        if getattr(kind, "held_out", None):
            monkeypatch.setattr(kind, "held_out", 1)
    monkeypatch.setattr("gan_models.dehazing.trainer.CycleDehaze.held_out", 1)
    monkeypatch.setattr("gan_models.attributes.trainer.POSED", 3)
    monkeypatch.setattr("gan_models.attributes.identity.HELD_OUT", 6)
    monkeypatch.setattr("gan_models.attributes.identity.BATCH", 4)
    monkeypatch.setattr("gan_models.inversion.trainer.SHEET", 1)
    monkeypatch.setattr("gan_models.stylegan2.trainer.SHEET", 2)


@pytest.fixture
def small_control(monkeypatch):
    """Small networks of controlled faces, which learn from the first step on."""
    tiny = {name: getattr(tiny_control, name) for name in ("GROUPS", "SIZES", "STACKS")}
    for name, value in (tiny | {"SAMPLES": 32, "ALONE": 0}).items():
        monkeypatch.setattr(gan_control, name, value)
    monkeypatch.setattr(gan_control.FaceControls, "regressed", 1)
    monkeypatch.setattr(gan_control.checkpoints, "load", lambda name, device: tiny_control.faces())
    monkeypatch.setattr(gan_control, "load_measures", lambda device: tiny_control.measures())


def train(name, folder, *more):
    """Train by the command; return the exit code and the folder that is left."""
    write_data, options, before = TRAININGS[name]
    given = {"out": folder / name, "device": "cpu"}
    if write_data:
        given["data"] = folder / f"data of {name}"
        write_data(given["data"])
    if before:
        code, given["start"] = train(before, folder)
        assert code == 0
    if name not in COUNTED_OTHERWISE:
        given["steps"] = STEPS
    for option, value in (given | options).items():
        if option == "style":
            value = given["data"] / value
        more += f"--{option.replace('_', '-')}", str(value)
    return main(["train", name, *more]), folder / name


@pytest.mark.parametrize("name", cli.TRAINERS)
def test_each_training_runs_and_leaves_weights(name, tmp_path, small, request):
    if name in ("gan-control", "face-controls"):
        request.getfixturevalue("small_control")
    code, out = train(name, tmp_path)
    assert code == 0
    assert checkpoint(out)["step"] == STEPS
    assert list(out.glob("*.safetensors"))


def test_a_training_goes_on_by_the_command(tmp_path, small, capsys):
    _, out = train("sr-psnr", tmp_path)
    code, _ = train("sr-psnr", tmp_path, "--resume")
    assert code == 0
    assert checkpoint(out)["step"] == STEPS
    assert f"{STEPS}: validation" in "".join(capsys.readouterr())


@pytest.mark.parametrize("name", cli.TRAINERS)
def test_every_option_is_described(name, capsys):
    described = cli.descriptions(cli.trainer(name))
    assert cli.options(name).keys() <= described.keys()
    with pytest.raises(SystemExit) as ended:
        main(["train", name, "--help"])
    assert ended.value.code == 0
    words = " ".join(capsys.readouterr().out.split())
    for option in ("out", "resume", "device", "seed", *cli.options(name)):
        assert f"--{option.replace('_', '-')}" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nonsense", "--data", "a", "--out", "b"), "invalid choice: 'nonsense'"),
        (("sr-psnr", "--data", "a"), "required: --out"),
        (("sr-gan", "--data", "a", "--out", "b"), "required: --start"),
        (("sr-psnr", "--data", "a", "--out", "b", "--steps", "few"), "invalid int value: 'few'"),
        (("sr-psnr", "--data", "a", "--out", "b", "--epochs", "3"), "unrecognized arguments: --epochs 3"),
        (("features", "--data", "a", "--out", "b", "--steps", "3"), "unrecognized arguments: --steps 3"),
        (("deblurring", "--data", "a", "--out", "b", "--objective", "x"), "invalid choice: 'x'"),
        (("gan", "--data", "a", "--out", "b", "--family", "wgan"), "unrecognized arguments: --family wgan"),
    ],
)
def test_wrong_usage_is_explained(capsys, arguments, words):
    with pytest.raises(SystemExit) as ended:
        main(["train", *arguments])
    errors = capsys.readouterr().err
    assert ended.value.code == 2
    assert errors.startswith("usage: ")
    assert words in errors


@pytest.mark.parametrize(
    ("name", "options"),
    [("sr-psnr", ()), ("features", ()), ("sr-gan", ("--start", "none")), ("sr-psnr", ("--resume",))],
)
def test_what_is_missing_is_named(tmp_path, capsys, name, options):
    given = ["--data", str(tmp_path / "none"), "--out", str(tmp_path / "out"), *options]
    assert main(["train", name, *given]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(("There is no ", "No pictures in "))
    assert last.endswith(".")
    assert not (tmp_path / "out").exists()
