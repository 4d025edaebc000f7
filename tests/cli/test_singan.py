import av
import numpy as np
import pytest
import torch
from PIL import Image

from gan_models.cli import main
from gan_models.images import decode, read_provenance
from gan_models.singan import trainer
from gan_models.singan.model import load, save
from gan_models.singan.trainer import PRESETS, Preset, SinGANTrainer
from gan_models.training import loop
from tests.singan.test_model import tiny


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    monkeypatch.setenv("GAN_ATELIER_DEVICE", "cpu")
    monkeypatch.setitem(PRESETS, "quick", Preset((2, 2), 1, 2, 30, doubling=True))
    monkeypatch.setattr(trainer, "BANK", 4)


@pytest.fixture
def model(tmp_path):
    return save(tiny(), tmp_path / "model.safetensors")


def write(path, size=(30, 26)):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(path)
    return str(path)


def singan(*arguments):
    return main(["singan", *map(str, arguments)])


def test_training_writes_a_model_for_each_picture(tmp_path):
    write(tmp_path / "in" / "a.png")
    write(tmp_path / "in" / "deep" / "b.jpg")
    assert singan("train", tmp_path / "in", "-o", tmp_path / "out") == 0
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == {"a.safetensors", "deep/b.safetensors"}
    assert load(tmp_path / "out" / "a.safetensors").sizes[-1] == (26, 30)


def test_an_interrupted_training_goes_on(tmp_path, monkeypatch):
    source, target = write(tmp_path / "a.png"), tmp_path / "a.safetensors"
    assert singan("train", source, "-o", tmp_path / "whole.safetensors") == 0
    step = SinGANTrainer.step

    def interrupted(self, index):
        if index == 3:
            raise KeyboardInterrupt
        return step(self, index)

    monkeypatch.setattr(loop, "SAVE_SECONDS", 0)
    monkeypatch.setattr(SinGANTrainer, "step", interrupted)
    assert singan("train", source, "-o", target) == 130
    assert not target.exists()
    assert torch.load(tmp_path / "a.training" / "checkpoint.pt", weights_only=True)["step"] == 3
    monkeypatch.setattr(SinGANTrainer, "step", step)
    assert singan("train", source, "-o", target, "--resume") == 0
    assert target.read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert not (tmp_path / "a.training").exists()


def test_samples_carry_what_made_them(tmp_path, model):
    assert singan("sample", model, "-o", tmp_path / "out", "--count", 2, "--seed", 5, "--width", 2) == 0
    assert decode(tmp_path / "out" / "single-image-sample-own-6.png").shape == (15, 38, 3)
    record = read_provenance(tmp_path / "out" / "single-image-sample-own-5.png")
    assert (record["task"], record["seed"], record["weights"]) == ("single-image", 5, None)
    assert len(record["sha256"]) == 64
    assert record["settings"]["action"] == "sample"


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_films(tmp_path, model, name):
    assert singan("animate", model, "-o", tmp_path / name, "--frames", 4) == 0
    with av.open(str(tmp_path / name)) as film:
        assert sum(1 for _ in film.decode(video=0)) == 4


def test_redrawing(tmp_path, model):
    Image.new("L", (30, 26), 255).save(tmp_path / "mask.png")
    source = write(tmp_path / "in" / "a.png")
    for task in ("harmonize", "edit"):
        target = tmp_path / f"{task}.png"
        assert singan(task, source, "-o", target, "--mask", tmp_path / "mask.png", "--model", model) == 0
        assert decode(target).shape == (26, 30, 3)
    assert singan("paint", source, "-o", tmp_path / "p.png", "--model", model, "--quantize") == 0
    assert decode(tmp_path / "p.png").shape == (15, 19, 3)


def test_upscaling(tmp_path):
    assert singan("upscale", write(tmp_path / "a.png"), "-o", tmp_path / "b.png", "--factor", 1.5) == 0
    assert decode(tmp_path / "b.png").shape == (39, 45, 3)
    assert read_provenance(tmp_path / "b.png")["settings"]["factor"] == 1.5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sample", "{model}", "-o", "a.png", "--count", "2"), "name a folder"),
        (("animate", "{model}", "-o", "a.avi"), "a .mp4 or a .gif file"),
        (("sample", "nothing", "-o", "out"), "no model “nothing”"),
        (("sample", "{model}", "-o", "out", "--start-scale", "7"), "0 to 2, not 7"),
        (("paint", "{picture}", "-o", "out", "--model", "sr-psnr-compact"), "not for single-image"),
        (("train", "{picture}", "-o", "x.png"), "end in .safetensors"),
    ],
)
def test_what_is_refused(tmp_path, model, capsys, arguments, sentence):
    picture = write(tmp_path / "a.png")
    assert singan(*(text.format(model=model, picture=picture) for text in arguments)) == 1
    assert sentence in capsys.readouterr().err
