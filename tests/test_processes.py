"""Two processes on one machine learn what one would."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from gan_models import processes
from gan_models.classic.families import FAMILIES
from gan_models.classic.pictures import sprites
from gan_models.classic.trainer import Classic
from gan_models.device import computing
from gan_models.jobs import finish
from gan_models.nn.layers import BatchNorm
from gan_models.super_resolution.trainer import PSNR
from gan_models.training.loop import fit

ROOT = Path(__file__).parents[1]
STEPS, BATCH = 3, 8
OPTIONS = {"unrolled": {"pace": 0.5}}  # long steps ahead, so that the gradient through them counts


def losses():
    """Return the losses of some steps of each family, in float32, so that only the order of sums differs."""
    source, found = sprites(16, count=40), {}
    with computing(torch.device("cpu"), "", threads=1), torch.random.fork_rng():
        for name, family in FAMILIES.items():
            torch.manual_seed(0)
            options = {"z_dim": 8, "width": 4, "classes": len(source.kinds), **OPTIONS.get(name, {})}
            gan, found[name] = family.of_pictures(16, **options), []
            for step in range(STEPS):
                gan.advance(step / STEPS)
                found[name].append(gan.step(source, BATCH))
    return found


def restorer(folder):
    """Leave the weights of some steps of a restoration's training on noise in `folder`."""
    photos = folder / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    for index, seed in enumerate(range(20)):
        noise = np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(photos / f"{index}.png")
    finish(fit(PSNR(data=photos, steps=4, batch_size=4, patch=8, lr=0.1), folder, device="cpu"))


@pytest.fixture(scope="module")
def alone():
    return losses()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two processes have left."""
    path = tmp_path_factory.mktemp("together")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "tests.test_processes", str(path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("family", FAMILIES)
def test_two_processes_have_the_losses_of_one(family, alone, folder):
    together = json.loads((folder / "losses.json").read_text())[family]
    assert together == [pytest.approx(one, rel=2e-5, abs=1e-6) for one in alone[family]]
    assert together[0] != pytest.approx(together[-1], rel=1e-3)


def test_a_training_of_two_processes_leaves_its_checkpoint(folder):
    assert torch.load(folder / "checkpoint.pt", weights_only=True)["step"] == 1


def test_a_restoration_of_two_processes_has_the_weights_of_one(folder, tmp_path):
    restorer(tmp_path)
    together, alone = (load_file(path / "sr-psnr-compact.safetensors") for path in (folder / "0", tmp_path))
    differences = [(together[name].float() - value.float()).abs().mean().item() for name, value in alone.items()]
    assert np.mean(differences) < 5e-5  # by the order of sums; with other batches, 3e-4


def test_one_process_has_everything():
    rows = torch.arange(6)
    assert torch.equal(processes.share(rows), rows)
    assert processes.mean([rows, None])[1] is None
    assert processes.is_first()


def test_alone_batch_normalisation_is_pytorchs():
    torch.manual_seed(0)
    ours, theirs = BatchNorm(3), nn.BatchNorm2d(3)
    x = torch.randn(4, 3, 5, 5)
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.running_var, theirs.running_var)


def learn(folder):
    """Leave the losses in `folder`, and the checkpoint of a whole training."""
    found, options = losses(), {"batch_size": BATCH, "z_dim": 8, "width": 4}
    finish(fit(Classic(pictures=sprites(16, count=40), family="gan", steps=1, **options), folder))
    restorer(folder / os.environ["RANK"])
    if processes.is_first():
        (folder / "losses.json").write_text(json.dumps(found))


if __name__ == "__main__":  # as one of two processes
    learn(Path(sys.argv[1]))
