import pytest
import torch
from safetensors.torch import save_file

from gan_models.checkpoints import loading
from gan_models.checkpoints.errors import WeightsError


def test_metadata_is_read_and_other_files_are_refused(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", {"about": "x"})
    save_file({"a": torch.zeros(1)}, tmp_path / "b.safetensors")
    assert loading.read_metadata(tmp_path / "a.safetensors") == {"about": "x"}
    assert loading.read_metadata(tmp_path / "b.safetensors") == {}
    (tmp_path / "c.safetensors").write_bytes(b"no")
    for name in ("c.safetensors", "none.safetensors"):
        with pytest.raises(WeightsError, match="damaged"):
            loading.read_metadata(tmp_path / name)
