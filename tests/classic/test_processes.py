"""Two processes on one machine learn what one would."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from gan_models import processes
from gan_models.classic.families import FAMILIES
from gan_models.classic.pictures import sprites
from gan_models.classic.trainer import Classic
from gan_models.device import computing
from gan_models.jobs import finish
from gan_models.nn.layers import BatchNorm
from gan_models.training.loop import fit

ROOT = Path(__file__).parents[2]
STEPS, BATCH = 5, 8
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


@pytest.fixture(scope="module")
def alone():
    return losses()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two processes have left."""
    path = tmp_path_factory.mktemp("together")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "tests.classic.test_processes", str(path)]
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
    if processes.is_first():
        (folder / "losses.json").write_text(json.dumps(found))


if __name__ == "__main__":  # as one of two processes
    learn(Path(sys.argv[1]))
