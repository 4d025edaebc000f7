"""Two processes on one machine learn what one would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from gan_models.layers import BatchNorm
from gan_models.training import processes

SCRIPT = """
import json, sys
import torch
torch.set_num_threads(1)
from gan_models.classic import pictures, training
from gan_models.training import processes
from pathlib import Path

source, out = pictures.sprites(16, count=40), Path(sys.argv[1])
options = {"batch_size": 8, "z_dim": 8, "width": 4, "device": "cpu", "steps": 6}
found = {}
for family in ("dcgan", "cgan", "aegan", "wgan-gp", "progressive"):
    steps = list(training.train_on(source, family, out / f"{family}.pt", **options))
    found[family] = [step.losses for step in steps if "generator" in step.losses]
if processes.is_first():
    (out / "losses.json").write_text(json.dumps(found))
"""


def losses(folder, command):
    import json

    folder.mkdir()
    (folder / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    arguments = [*command, str(folder / "script.py"), str(folder)]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "losses.json").read_text())


def test_two_processes_have_the_losses_of_one(tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    alone, together = losses(tmp_path / "one", [sys.executable]), losses(tmp_path / "two", torchrun)
    for family, steps in alone.items():
        for index, (one, two) in enumerate(zip(steps, together[family], strict=True)):
            names = ("discriminator", "generator")  # in bfloat16, so that sums in another order differ a little
            expected = {name: pytest.approx(one[name], rel=0.02, abs=0.02) for name in names}
            assert {name: two[name] for name in names} == expected, (family, index)
    assert alone["dcgan"][0] != alone["dcgan"][-1]


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
