import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

from gan_models import checkpoints
from gan_models.checkpoints import WeightsError, hub, loading
from gan_models.checkpoints.save import save_full, save_half
from gan_models.stylegan2.network import Generator
from tests.checkpoints.conftest import FILE, REPO, tiny_bytes
from tests.checkpoints.nvidia import Persistent, persistent, pickled, snapshot
from tests.checkpoints.tiny import Tiny
from tests.stylegan2 import rosinality


class Hostile:
    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def torch_bytes(content: object, **options) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def assert_equal_weights(network: torch.nn.Module, state: dict) -> None:
    assert network.state_dict().keys() == state.keys()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, state[name])


def test_an_embedded_network_is_ready_to_use(embed):
    embed()
    network = checkpoints.load("embedded", "cpu")
    assert isinstance(network, Tiny)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    torch.manual_seed(0)
    assert_equal_weights(network, Tiny().state_dict())


def test_half_precision_becomes_float32(embed):
    embed(content=tiny_bytes(torch.float16))
    network = checkpoints.load("embedded", "cpu")
    assert (network.layer.weight.dtype, network.steps.dtype) == (torch.float32, torch.int64)
    torch.manual_seed(0)
    torch.testing.assert_close(network.layer.weight.data, Tiny().layer.weight.data.half().float())


def test_the_configuration_reaches_the_constructor(embed):
    embed(content=save(Tiny(5).state_dict()), config={"width": 5})
    assert checkpoints.load("embedded", "cpu").layer.in_features == 5


def test_a_model_of_the_hub_is_fetched_when_it_is_loaded(server, register):
    server.add(REPO, FILE, tiny_bytes())
    register()
    assert isinstance(checkpoints.load("tiny", "cpu"), Tiny)


def test_an_unknown_device_is_named_before_anything_is_fetched(server, register):
    server.add(REPO, FILE, tiny_bytes())
    register()
    with pytest.raises(ValueError, match="no device “abacus”"):
        checkpoints.load("tiny", "abacus")
    assert server.requests == []


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.parametrize("wrap", [None, "params_ema", "params"])
def test_torch_files_load_bare_or_wrapped(server, register, options, wrap):
    state = Tiny().state_dict()
    content = {wrap: state, "epoch": 3} if wrap else state
    server.add(REPO, FILE, torch_bytes(content, **options))
    register(format="state-dict", unwrap=["params_ema", "params"])
    assert_equal_weights(checkpoints.load("tiny", "cpu"), state)


def test_the_first_key_that_is_there_counts(server, register):
    state, other = Tiny().state_dict(), Tiny().state_dict()
    server.add(REPO, FILE, torch_bytes({"params": other, "params_ema": state}))
    register(format="state-dict", unwrap=["params_ema", "params"])
    assert_equal_weights(checkpoints.load("tiny", "cpu"), state)


def test_a_foreign_layout_is_converted(server, register):
    foreign = {"w": torch.rand(2, 3).half(), "b": torch.rand(2), "epoch": 4}
    server.add(REPO, FILE, torch_bytes(foreign))
    register(format="state-dict", convert="tests.checkpoints.tiny:from_foreign")
    network = checkpoints.load("tiny", "cpu")
    torch.testing.assert_close(network.layer.weight.data, foreign["w"].float())
    assert network.steps == 4


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"layer.weight": torch.zeros(2, 3), "layer.bias": torch.zeros(2)}, 'Missing key.*"steps"'),
        (Tiny().state_dict() | {"extra": torch.zeros(1)}, 'Unexpected key.*"extra"'),
        (Tiny(4).state_dict(), "size mismatch for layer.weight"),
        ({"somewhere": Tiny().state_dict(), "epoch": 3}, "Missing key"),
        ({1: torch.zeros(1)}, "holds no state dict"),
        ([torch.zeros(1)], "holds no state dict"),
    ],
)
def test_weights_that_do_not_fit_are_moved_aside(server, register, cache, state, problem):
    server.add(REPO, FILE, torch_bytes(state))
    model = register(format="state-dict")
    with pytest.raises(
        WeightsError, match=f"^The weights “tiny” can't be used: .*{problem}.* moved aside.$"
    ) as error:
        checkpoints.load("tiny", "cpu")
    assert "\n" not in str(error.value)
    assert not hub.ready(model)
    assert len(list(cache.rglob("*.rejected"))) == 1
    server.add(REPO, FILE, torch_bytes(Tiny().state_dict()))
    assert isinstance(checkpoints.load("tiny", "cpu"), Tiny)


def test_what_a_converter_misses_is_named(server, register):
    server.add(REPO, FILE, torch_bytes({"w": torch.zeros(2, 3)}))
    register(format="state-dict", convert="tests.checkpoints.tiny:from_foreign")
    with pytest.raises(WeightsError, match="the parameter 'b' is missing; the file was moved aside"):
        checkpoints.load("tiny", "cpu")


def test_embedded_weights_that_do_not_fit_stay_where_they_are(embed):
    model = embed(config={"width": 9})
    with pytest.raises(WeightsError, match="do not fit the network"):
        checkpoints.load("embedded", "cpu")
    assert hub.ready(model)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
def test_a_hostile_pickle_is_refused_by_name_and_not_run(server, register, tmp_path, kind):
    trace = tmp_path / "trace"
    content = {"layer.weight": Hostile(f"touch {trace}")}
    raw = {
        "zip": lambda: torch_bytes(content),
        "legacy": lambda: torch_bytes(content, _use_new_zipfile_serialization=False),
        "pickle": lambda: pickle.dumps(content),
    }[kind]()
    pickle.loads(pickle.dumps(content))
    assert trace.exists(), "the attack itself works"
    trace.unlink()
    server.add(REPO, FILE, raw)
    model = register(format="state-dict")
    with pytest.raises(WeightsError, match=rf"“model.safetensors” asks for {os.system.__module__}.system, which is"):
        checkpoints.load("tiny", "cpu")
    assert not trace.exists()
    assert not hub.ready(model)


def generator(**changes) -> tuple[dict, Generator]:
    """Return a small generator, and NVIDIA's names for what its constructor was given."""
    synthesis = {"channel_base": 64, "channel_max": 6}
    sizes = {"z_dim": 5, "c_dim": 0, "w_dim": 6, "img_resolution": 16, "img_channels": 3}
    torch.manual_seed(0)
    network = Generator(**sizes, **synthesis, num_mapping_layers=2)
    return {**sizes, "mapping_kwargs": {"num_layers": 2}, "synthesis_kwargs": synthesis} | changes, network.eval()


def register_pickle(server, register, content: bytes, **changes):
    server.add(REPO, FILE, content)
    converter = {"convert": "gan_models.stylegan2.convert:from_nvidia"}
    network = "gan_models.stylegan2.network:Generator"
    return register(**{"format": "nvidia-pickle", "network": network} | converter | changes)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_pickle_of_nvidias_says_itself_how_large_its_network_is(server, register, dtype):
    kwargs, network = generator()
    register_pickle(server, register, pickled(snapshot(network.to(dtype), **kwargs)))
    loaded = checkpoints.load("tiny", "cpu")
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert_equal_weights(loaded, {name: value.float() for name, value in network.state_dict().items()})
    z = torch.ones(2, 5)
    assert torch.equal(loaded(z, noise_mode="const"), network.float()(z, noise_mode="const"))


def test_the_registry_can_overrule_what_a_pickle_says(server, register):
    kwargs, network = generator()
    register_pickle(server, register, pickled(snapshot(network, **kwargs)), config={"conv_clamp": 256.0})
    assert checkpoints.load("tiny", "cpu").synthesis.b16.conv0.clamp == 256


def test_another_network_of_a_pickle_needs_no_converter(server, register):
    content = pickled({"other": persistent(Tiny(5)), "G_ema": persistent(Tiny(4))})
    settings = {"convert": None, "network": "tests.checkpoints.tiny:Tiny"}
    register_pickle(server, register, content, unwrap=["first", "other"], config={"width": 5}, **settings)
    assert checkpoints.load("tiny", "cpu").layer.in_features == 5
    register_pickle(server, register, content, unwrap=["first", "second"], **settings)
    with pytest.raises(WeightsError, match="holds no first or second, but other, G_ema; the file was moved aside"):
        checkpoints.load("tiny", "cpu")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"img_resolution": 2**15, "synthesis_kwargs": {"channel_base": 2**40}}, "do not fit the network"),
        ({"img_resolution": 2**40}, "its settings describe no Generator"),
        ({"z_dim": 2**40}, "size mismatch for mapping.fc0.weight"),
        ({"z_dim": "many"}, "its settings describe no Generator"),
        ({"img_resolution": 15}, "its settings describe no Generator"),
        ({"mapping_kwargs": 3}, "its parameters are not those of the layout"),
        ({"synthesis_kwargs": {"architecture": "resnet"}}, "do not fit the network"),
    ],
)
def test_pickles_that_lie_about_their_network_are_moved_aside(server, register, cache, changes, problem):
    kwargs, network = generator(**changes)
    model = register_pickle(server, register, pickled(snapshot(network, **kwargs)))
    with pytest.raises(
        WeightsError, match=f"^The weights “tiny” can't be used: .*{problem}.* moved aside.$"
    ) as error:
        checkpoints.load("tiny", "cpu")
    assert "\n" not in str(error.value)
    assert not hub.ready(model)


def test_a_pickle_without_the_sizes_is_moved_aside(server, register):
    model = register_pickle(server, register, pickled(snapshot(generator()[1])))
    with pytest.raises(WeightsError, match="the parameter 'z_dim' is missing; the file was moved aside"):
        checkpoints.load("tiny", "cpu")
    assert not hub.ready(model)


def test_a_hostile_pickle_of_networks_is_refused_by_name_and_not_run(server, register, tmp_path):
    trace = tmp_path / "trace"
    content = pickled({"G_ema": Persistent("Generator", {"hook": Hostile(f"touch {trace}")})})
    model = register_pickle(server, register, content)
    with pytest.raises(WeightsError, match=rf"“model.safetensors” asks for {os.system.__module__}.system, which is"):
        checkpoints.load("tiny", "cpu")
    assert not trace.exists()
    assert not hub.ready(model)


def test_rosinalitys_checkpoints_load_whole(server, register):
    content = rosinality.checkpoint()
    server.add(REPO, FILE, torch_bytes(content | {"args": {"size": 32}}))
    network, convert = "gan_models.stylegan2.network:Generator", "gan_models.stylegan2.convert:from_rosinality"
    register(format="state-dict", network=network, convert=convert, config=rosinality.CONFIG)
    loaded = checkpoints.load("tiny", "cpu")
    z = torch.ones(1, rosinality.WIDTH)
    expected = rosinality.Formula(content)(z, 0.5).float()
    torch.testing.assert_close(loaded(z, None, 0.5, noise_mode="const"), expected, rtol=0, atol=1e-5)


def test_a_checkpoint_that_is_not_quite_rosinalitys_is_moved_aside(server, register):
    content = rosinality.checkpoint()
    content["g_ema"]["conv1.noise.weight"] = torch.ones(2)
    server.add(REPO, FILE, torch_bytes(content))
    model = register(format="state-dict", convert="gan_models.stylegan2.convert:from_rosinality")
    with pytest.raises(WeightsError, match="its parameters are not those of the layout that it is converted from"):
        checkpoints.load("tiny", "cpu")
    assert not hub.ready(model)


@pytest.mark.parametrize("format", ["state-dict", "safetensors"])
@pytest.mark.parametrize(
    "content", [b"<html>Not here</html>" * 9, b"\x80\x02}.", torch_bytes({"a": torch.rand(999)})[:-900]]
)
def test_damaged_files_are_moved_aside(server, register, format, content):
    server.add(REPO, FILE, content)
    model = register(format=format)
    with pytest.raises(WeightsError, match=r"“model.safetensors” is (damaged|not a readable).* moved aside"):
        checkpoints.load("tiny", "cpu")
    assert not hub.ready(model)


def test_downloads_must_be_finite(server, register):
    server.add(REPO, FILE, tiny_bytes(scale=float("inf")))
    model = register()
    with pytest.raises(WeightsError, match="give numbers that are not finite; the file was moved aside"):
        checkpoints.load("tiny", "cpu")
    assert not hub.ready(model)


def test_a_network_that_can_probe_itself_does_so_once(server, register, monkeypatch):
    probes = []
    monkeypatch.setattr(Tiny, "probe", lambda self: probes.append(1) or torch.zeros(1), raising=False)
    server.add(REPO, FILE, tiny_bytes())
    register()
    for _ in range(3):
        checkpoints.load("tiny", "cpu")
    assert len(probes) == 1


def test_the_probe_sees_what_finite_weights_hide(server, register):
    server.add(REPO, FILE, tiny_bytes())
    register(network="tests.checkpoints.tiny:Overflowing")
    with pytest.raises(WeightsError, match="not finite"):
        checkpoints.load("tiny", "cpu")


def test_arrays_and_onnx_files(server, register):
    stream = io.BytesIO()
    np.save(stream, np.eye(2))
    server.add(REPO, "direction.npy", stream.getvalue(), lfs=False)
    server.add(REPO, "net.onnx", b"onnx")
    for name, file in {"npy": "direction.npy", "onnx": "net.onnx"}.items():
        register(name, format=name, network=None, hub={"repo": REPO, "file": file, "revision": "main"})
    np.testing.assert_array_equal(checkpoints.load("npy"), np.eye(2))
    assert checkpoints.load("onnx").read_bytes() == b"onnx"


def test_arrays_that_are_pickles_or_not_finite_are_refused(server, register, tmp_path):
    for name, array in {
        "hostile": np.array([Hostile(f"touch {tmp_path}/trace")]),
        "infinite": np.array([np.inf]),
    }.items():
        stream = io.BytesIO()
        np.save(stream, array)
        server.add(REPO, f"{name}.npy", stream.getvalue())
        hub_file = {"repo": REPO, "file": f"{name}.npy", "revision": "main"}
        register(name, format="npy", network=None, hub=hub_file)
    with pytest.raises(WeightsError, match=r"“hostile.npy” is damaged or not a plain array"):
        checkpoints.load("hostile")
    with pytest.raises(WeightsError, match="not finite"):
        checkpoints.load("infinite")
    assert not (tmp_path / "trace").exists()


def test_verify_probes_embedded_weights_too(embed):
    model = embed(network="tests.checkpoints.tiny:Overflowing")
    checkpoints.load("embedded", "cpu")
    with pytest.raises(WeightsError, match=r"not finite\.$"):
        loading.verify(model)


def test_saving_in_half_precision(tmp_path):
    shared = torch.rand(4, 6)
    state = {
        "a": shared,
        "b": shared.T,
        "count": torch.tensor([3]),
        "wide": torch.tensor([1.5], dtype=torch.float64),
    }
    file = tmp_path / "new" / "half.safetensors"
    digest = save_half(state, file, {"steps": "12"})
    assert digest == hub.file_hash(file)
    assert list(file.parent.iterdir()) == [file]
    saved = load_file(file)
    assert {name: value.dtype for name, value in saved.items()} == {
        "a": torch.float16,
        "b": torch.float16,
        "count": torch.int64,
        "wide": torch.float16,
    }
    torch.testing.assert_close(saved["b"], shared.T.half())
    with safe_open(file, "pt") as opened:
        assert opened.metadata() == {"steps": "12"}


def test_numbers_too_large_for_half_precision_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="The parameter big is too large"):
        save_half({"small": torch.ones(1), "big": torch.tensor([1e5])}, tmp_path / "x.safetensors", {})
    assert list(tmp_path.iterdir()) == []


def test_saving_in_full_keeps_every_bit(tmp_path):
    shared = torch.rand(3)
    state = {"a": shared, "again": shared, "b": torch.rand(3).double()}
    save_full(state, tmp_path / "x.safetensors", {})
    for name, value in load_file(tmp_path / "x.safetensors").items():
        assert torch.equal(value, state[name])
        assert value.dtype == state[name].dtype


def test_a_missing_file_is_named(tmp_path):
    for format in ("safetensors", "state-dict"):
        with pytest.raises(WeightsError, match=r"There is no file .*nowhere.pth"):
            loading.load_state_dict_file(Path(tmp_path / "nowhere.pth"), format)
