import contextlib
import copyreg
import io
import marshal
import os
import pickle
import random
import resource
import types
from collections import OrderedDict

import numpy as np
import pytest
import torch

from gan_models.checkpoints import WeightsError, safe_pickle
from gan_models.stylegan2.network import Discriminator, Generator
from tests.checkpoints.nvidia import EasyDict, Persistent, nvidia_modules, persistent, pickled, snapshot

SMALL = {"img_resolution": 8, "img_channels": 3, "channel_base": 32, "channel_max": 6}
SYSTEM = f"{os.system.__module__}.system"


def generator(classes=0):
    torch.manual_seed(0)
    return Generator(5, classes, 6, num_mapping_layers=2, **SMALL)


def discriminator(classes=0):
    torch.manual_seed(1)
    return Discriminator(classes, **SMALL)


def read(folder, content: bytes):
    (folder / "x.pkl").write_bytes(content)
    return safe_pickle.read(folder / "x.pkl")


def refusal(folder, content: bytes) -> str:
    with pytest.raises(WeightsError) as error:
        read(folder, content)
    assert "\n" not in str(error.value)
    return str(error.value)


def assert_same(state, network):
    expected = network.state_dict()
    assert list(state) == list(expected)
    for name, value in state.items():
        assert value.dtype == expected[name].dtype
        assert value.device.type == "cpu"
        assert torch.equal(value, expected[name]), name


# --- What is read


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("classes", [0, 3])
def test_networks_load_strictly(tmp_path, protocol, classes):
    networks = generator(classes), discriminator(classes)
    records = read(tmp_path, pickled(snapshot(*networks), protocol))
    assert list(records) == ["G", "G_ema", "D"]
    for name, network in zip(("G_ema", "D"), networks, strict=True):
        assert records[name].class_name == type(network).__name__
        assert_same(records[name].state_dict, network)
    other = Generator(5, classes, 6, num_mapping_layers=2, **SMALL)
    other.load_state_dict(records["G_ema"].state_dict, strict=True)
    Discriminator(classes, **SMALL).load_state_dict(records["D"].state_dict, strict=True)
    z, c = torch.ones(1, 5), torch.eye(3)[:1] if classes else None
    assert torch.equal(other(z, c, noise_mode="const"), networks[0](z, c, noise_mode="const"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_precision_stays_as_stored(tmp_path, dtype):
    network = generator().to(dtype)
    assert_same(read(tmp_path, pickled(snapshot(network)))["G_ema"].state_dict, network)


def test_tensors_of_a_gpu_load_on_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    content = pickled(snapshot(generator()))
    assert b"cuda:0" in content
    assert_same(read(tmp_path, content)["G_ema"].state_dict, generator())


def test_any_strides_and_empty_tensors(tmp_path):
    network = generator().to(memory_format=torch.channels_last)
    network.register_buffer("turned", torch.arange(6).view(2, 3).T)
    network.register_buffer("nothing", torch.zeros(0, 3))
    network.register_buffer("flags", torch.tensor([True, False]))
    assert_same(read(tmp_path, pickled(snapshot(network)))["G_ema"].state_dict, network)


def test_buffers_that_are_not_saved_stay_out(tmp_path):
    network = generator()
    network.mapping.register_buffer("passing", torch.ones(2), persistent=False)
    network.mapping.register_parameter("absent", None)
    for protocol in (2, 4):
        assert_same(read(tmp_path, pickled(snapshot(network), protocol))["G_ema"].state_dict, network)


def test_constructor_arguments(tmp_path):
    kwargs = {
        "mapping_kwargs": EasyDict(num_layers=2, w_avg_beta=np.float64(0.5)),
        "synthesis_kwargs": EasyDict(resample_filter=[1, 3, 3, 1], conv_clamp=None, use_noise=True),
        "note": "",
    }
    records = read(
        tmp_path,
        pickled({"G": persistent(generator(), 5, 0, 6, 8, 3, **kwargs), "D": persistent(discriminator(), 7)}),
    )
    sizes = {"z_dim": 5, "c_dim": 0, "w_dim": 6, "img_resolution": 8, "img_channels": 3}
    assert records["G"].kwargs == {
        **sizes,
        "mapping_kwargs": {"num_layers": 2, "w_avg_beta": 0.5},
        "synthesis_kwargs": {"resample_filter": [1, 3, 3, 1], "conv_clamp": None, "use_noise": True},
        "note": "",
    }
    assert type(records["G"].kwargs["mapping_kwargs"]) is dict
    assert records["D"].kwargs == {"0": 7}


def test_the_source_code_in_the_file_is_not_run(tmp_path):
    trace = tmp_path / "trace"
    content = pickled(snapshot(generator(), source=f"open({str(trace)!r}, 'w')"))
    with nvidia_modules():
        pickle.loads(content)
    assert trace.exists(), "it would run"
    trace.unlink()
    assert_same(read(tmp_path, content)["G_ema"].state_dict, generator())
    assert not trace.exists()


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_are_read_and_left_out(tmp_path, protocol):
    network = generator()
    network.tables = [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.eye(2, dtype="i2")), np.bool_(True)]
    assert_same(read(tmp_path, pickled(snapshot(network), protocol))["G_ema"].state_dict, network)


# --- What is refused by name


class Call:
    """Pickled as a call, with attributes to set if there are any."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments, state) if state else (function, arguments)

    def __reduce__(self):
        return self.reduced

    def __call__(self):
        """Do nothing: what is called in a pickle must look as if it could be."""


class WithIds(pickle.Pickler):
    def persistent_id(self, thing):
        return "1" if isinstance(thing, Call) else None


def with_ids(thing, protocol):
    stream = io.BytesIO()
    WithIds(stream, protocol).dump(thing)
    return stream.getvalue()


def torch_bytes(thing):
    stream = io.BytesIO()
    torch.save(thing, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def touch(trace):
    return Call(os.system, f"touch {trace}")


def in_network(trace):
    """A hostile object among a network's attributes."""
    return pickled({"G_ema": Persistent("Generator", {"training": False, "callback": touch(trace)}, source="0")})


def in_blob(trace):
    return pickle.dumps(Call(torch.storage._load_from_bytes, torch_bytes(touch(trace))))


def object_array(trace):
    return pickle.dumps({"a": np.array([touch(trace)], dtype=object)})


def unmarshalled(trace):
    code = marshal.dumps(compile(f"open({str(trace)!r}, 'w')", "x", "exec"))
    call = pickle.dumps(Call(marshal.loads, code), 0)[:-1]
    return b"ctypes\nFunctionType\n(" + call + b"}tR(tR."


ATTACKS = {
    "os.system": (lambda trace: pickle.dumps(touch(trace)), SYSTEM),
    "os.system in protocol 0": (lambda trace: pickle.dumps(touch(trace), 0), SYSTEM),
    "os.system by hand": (lambda trace: f"cos\nsystem\n(S'touch {trace}'\ntR.".encode(), "os.system"),
    "INST": (lambda trace: f"(S'touch {trace}'\nios\nsystem\n.".encode(), "os.system"),
    "OBJ": (lambda trace: f"(cos\nsystem\nS'touch {trace}'\no.".encode(), "os.system"),
    "eval": (lambda trace: pickle.dumps(Call(eval, f"open({str(trace)!r}, 'w')")), "builtins.eval"),
    "exec in protocol 1": (lambda trace: pickle.dumps(Call(exec, f"open({str(trace)!r}, 'w')"), 1), "builtins.exec"),
    "getattr": (
        lambda trace: pickle.dumps(Call(Call(getattr, Call(__import__, "os"), "system"), f"touch {trace}")),
        "builtins.getattr",
    ),
    "calls in calls": (
        lambda trace: pickle.dumps(Call(list, Call(map, os.system, [f"touch {trace}"]))),
        "builtins.list",
    ),
    "open": (lambda trace: pickle.dumps(Call(open, str(trace), "w")), "io.open"),
    "marshal": (unmarshalled, "types.FunctionType"),
    "in a network": (in_network, SYSTEM),
    "in a storage": (in_blob, SYSTEM),
    "in an array": (object_array, "numpy.dtype O8"),
    "an attribute that is called with the next": (
        lambda trace: (
            b"ccollections\nOrderedDict\n(tR(dS'__setstate__'\ncos\nsystem\nsb" + f"S'touch {trace}'\nb.".encode()
        ),
        "os.system",
    ),
    "among attributes": (lambda trace: pickle.dumps(Call(OrderedDict, state={"x": touch(trace)})), SYSTEM),
}


def assert_refused_and_not_run(folder, make, name):
    trace = folder / "trace"
    content = make(trace)
    with contextlib.suppress(Exception), nvidia_modules():
        pickle.loads(content)
    assert trace.exists(), "the attack itself works"
    trace.unlink()
    assert refusal(folder, content) == f"“x.pkl” asks for {name}, which is never run."
    assert not trace.exists()


@pytest.mark.parametrize("kind", ATTACKS)
def test_attacks_are_refused_by_name_and_not_run(tmp_path, kind):
    assert_refused_and_not_run(tmp_path, *ATTACKS[kind])


def test_the_extension_registry_is_not_asked(tmp_path):
    function = os.system.__module__, "system", 240
    copyreg.add_extension(*function)
    try:
        assert_refused_and_not_run(
            tmp_path, lambda trace: pickle.dumps(touch(trace), 2), "the pickle instruction EXT1"
        )
    finally:
        copyreg.remove_extension(*function)


OTHERS = {
    "a lambda": (b"\x80\x04\x8c\x08__main__\x8c\x08<lambda>\x93)R.", "__main__.<lambda>"),
    "a function": (b"\x80\x04\x8c\x05types\x8c\x0cFunctionType\x93.", "types.FunctionType"),
    "torch.load": (pickle.dumps(Call(torch.load, "x")), "torch.serialization.load"),
    "a network of torch": (pickle.dumps({"G": torch.nn.Linear(1, 1)}), "torch.nn.modules.linear.Linear"),
    "a dotted name": (b"\x80\x04ccollections\nOrderedDict.clear\n.", "collections.OrderedDict.clear"),
    "an ugly name": (b"cos\nsys(`)\n.", "os.sys???"),
    "an identity": (with_ids({"a": Call(len)}, 4), "the pickle instruction BINPERSID"),
    "an identity as text": (with_ids({"a": Call(len)}, 0), "the pickle instruction PERSID"),
    "NEWOBJ_EX": (b"\x80\x04cdnnlib.util\nEasyDict\n)}\x92.", "the pickle instruction NEWOBJ_EX"),
    "INST of what is admitted": (b"(idnnlib.util\nEasyDict\n.", "the pickle instruction INST"),
    "OBJ of what is admitted": (b"(cdnnlib.util\nEasyDict\no.", "the pickle instruction OBJ"),
    "attributes": (
        pickle.dumps(Call(OrderedDict, state={"__setstate__": "x", "__class__": "y"})),
        "the pickle instruction BUILD",
    ),
    "attributes of a type": (b"\x80\x02ctorch\nfloat32\n}X\x01\0\0\0aK\x01sb.", "the pickle instruction BUILD"),
    "dates": (pickle.dumps({"a": np.datetime64("2020-01-01")}), "numpy.dtype M8"),
    "text in arrays": (pickle.dumps({"a": np.array(["a"])}), "numpy.dtype U1"),
    "another byte order": (pickle.dumps({"a": np.ones(2, ">f4")}), "numbers in another byte order"),
    "another encoding": (b"c_codecs\nencode\n(Va\nVrot13\ntR.", "_codecs.encode"),
    "another class": (
        b"ccopy_reg\n_reconstructor\n(ccollections\nOrderedDict\nc__builtin__\ndict\n}tR.",
        "copyreg._reconstructor",
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_whatever_else_is_asked_for_is_named(tmp_path, kind):
    content, name = OTHERS[kind]
    assert refusal(tmp_path, content) == f"“x.pkl” asks for {name}, which is never run."


def test_what_is_admitted_is_only_ever_called(tmp_path):
    for content in (b"\x80\x02ctorch\nfloat32\n)R.", b"cnumpy\nndarray\n)R.", b"\x80\x02K\x01)R.", b"}}b}R."):
        assert "is damaged" in refusal(tmp_path, content) or "BUILD" in refusal(tmp_path, content)


def test_tensorflows_pickles_are_told_apart(tmp_path):
    content = b"\x80\x03cdnnlib.tflib.network\nNetwork\nq\x00)\x81q\x01}q\x02b."
    assert refusal(tmp_path, content) == (
        "“x.pkl” was written by a TensorFlow version of StyleGAN (it asks for dnnlib.tflib.network.Network), "
        "which can't be read; take a file of a PyTorch version."
    )


# --- What claims more than it holds


def tensor(storage: bytes, size=(4,), stride=(1,), offset=0):
    return Call(torch._utils._rebuild_tensor_v2, Storage(storage), offset, size, stride, False, OrderedDict())


def Storage(content):  # noqa: N802 (stands for a class)
    return Call(torch.storage._load_from_bytes, content)


class Reference(pickle.Pickler):
    """Writes the reference that a storage's pickle consists of."""

    def persistent_id(self, thing):
        return thing if isinstance(thing, tuple) and thing[:1] == ("storage",) else None


def storage(count=4, numbers=b"\0" * 16, *, told=None, keys=("0",), head=(safe_pickle.STORAGE_MAGIC, 1001)):
    stream = io.BytesIO()
    for part in (*head, {"little_endian": True}):
        pickle.dump(part, stream, 2)
    Reference(stream, 2).dump(("storage", torch.FloatStorage, "0", "cpu", count, None))
    pickle.dump(list(keys), stream, 2)
    return stream.getvalue() + (count if told is None else told).to_bytes(8, "little") + numbers


def network(**state):
    return {"G_ema": Persistent("Generator", {"_init_args": (), "_init_kwargs": {}} | state)}


def module(**state):
    return Persistent("Module", state)


def with_tensor(*parts, **changes):
    return network(_buffers={"x": tensor(*parts, **changes)})


def doubled(levels):
    """Modules that hold the one below twice."""
    below = module(_buffers={"x": tensor(storage())})
    for _ in range(levels):
        below = module(_modules={"a": below, "b": below})
    return network(_modules={"top": below})


def endless():
    state = {}
    state["_modules"] = {"again": Persistent("Module", state)}
    return network(**state)


def endless_settings():
    settings = {}
    settings["again"] = settings
    return network(_init_kwargs=settings)


def repeated_blob():
    blob = Storage(storage(2**16, bytes(2**18)))
    return network(tables=[Call(*blob.reduced[:1], *blob.reduced[1]) for _ in range(10)])


def sharing():
    """One storage under many names."""
    whole = tensor(storage(1000, bytes(4000)), (1000,))
    return network(_buffers={f"x{index}": whole for index in range(100)})


def raw_array(shape, dtype="f8", raw=b"\0" * 8):
    return {
        "a": Call(np.empty(0).__reduce__()[0], np.ndarray, (0,), b"b", state=(1, shape, np.dtype(dtype), False, raw))
    }


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_the_storages_made_here_are_readable(tmp_path):
    blob = storage(2, np.float32([1.5, -2]).tobytes())
    assert list(torch.load(io.BytesIO(blob), weights_only=True)) == [1.5, -2]
    records = read(tmp_path, pickled(with_tensor(blob, (2,))))
    assert records["G_ema"].state_dict["x"].tolist() == [1.5, -2]


EXCESS = {
    "a storage larger than its numbers": lambda: with_tensor(storage(2**40)),
    "a storage that is not filled": lambda: with_tensor(storage(2**40, b"", keys=())),
    "more numbers than are counted": lambda: with_tensor(storage(2, told=4)),
    "a tensor that repeats a number": lambda: with_tensor(storage(), (2**40,), (0,)),
    "a tensor beyond its storage": lambda: with_tensor(storage(), (4,), (1,), 1),
    "a tensor before its storage": lambda: with_tensor(storage(), (4,), (1,), -1),
    "strides that lead out": lambda: with_tensor(storage(), (2, 2), (2**40, 1)),
    "a size beyond all numbers": lambda: with_tensor(storage(), (2**70,), (1,)),
    "sizes that are text": lambda: with_tensor(storage(), ("a" * 1000, 10**9), (1, 1)),
    "something else for a storage": lambda: network(
        _buffers={"x": Call(torch._utils._rebuild_tensor_v2, "x", 0, (1,), (1,), False, None)}
    ),
    "an array larger than its numbers": lambda: raw_array((2**40,)),
    "an array of less than nothing": lambda: raw_array((-1,)),
    "modules twice within modules": lambda: doubled(30),
    "modules within modules within modules": lambda: doubled(safe_pickle.MAX_DEPTH + 1),
    "a module within itself": endless,
    "settings within themselves": endless_settings,
    "settings beyond all numbers": lambda: network(_init_kwargs={"x": 10**5000}),
    "endless settings": lambda: network(_init_kwargs={"x": "y" * 10**6}),
    "an endless name": lambda: network(_buffers={"y" * 10**6: tensor(storage())}),
    "one storage read again and again": repeated_blob,
    "one storage under many names": sharing,
    "another kind of file in a storage": lambda: with_tensor(b"PK\3\4" + bytes(99)),
    "a storage in a storage": lambda: with_tensor(torch_bytes(tensor(storage()))),
    "a tensor that is none": lambda: network(_buffers={"x": 3}),
    "a module that is none": lambda: network(_modules={"x": {}}),
    "buffers that are none": lambda: network(_buffers=[1]),
    "numbers for names": lambda: network(_buffers={3: tensor(storage())}),
    "nothing but settings": lambda: {"training_set_kwargs": EasyDict(path="x")},
    "a list": lambda: [1, 2],
    "settings that are objects": lambda: network(_init_kwargs={"x": module()}),
}


@pytest.mark.parametrize("kind", EXCESS)
def test_false_claims_are_refused_and_take_no_memory(tmp_path, kind):
    content = pickled(EXCESS[kind]())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "x.pkl" in refusal(tmp_path, content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


EIGHT = (2**62).to_bytes(8, "little")
RAW = {
    "an endless text": b"\x80\x04\x8d" + EIGHT + b"abc.",
    "endless bytes": b"\x80\x04\x8e" + EIGHT + b"abc.",
    "an endless byte array": b"\x80\x05\x96" + EIGHT + b"abc.",
    "an endless number": b"\x80\x02\x8b\xff\xff\xff\x7f1.",
    "a number with endless digits": b"L" + b"9" * 100_000 + b"L\n.",
    "an endless frame": b"\x80\x04\x95" + EIGHT + b"}.",
    "a memory that is far away": b"\x80\x02}r\xff\xff\xff\xff.",
    "something never remembered": b"\x80\x02h\x07.",
    "lists without end": b"\x80\x02" + b"]" * (safe_pickle.MAX_INSTRUCTIONS + 9) + b".",
    "lists in lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "tuples in tuples for a name": b"\x80\x02})" + b"\x85" * 100_000 + b"Ns.",
    "tuples in tuples in a set": b"\x80\x04\x8f()" + b"\x85" * 100_000 + b"\x90.",
    "a key without a value": b"\x80\x02}(X\x01\0\0\0au.",
    "items of a number": b"\x80\x02K\x01(X\x01\0\0\0aK\x01u.",
    "nothing on the stack": b"\x80\x02R.",
    "no mark": b"\x80\x02}u.",
    "no end": b"\x80\x02}",
    "nothing": b"",
    "a page": b"<html>Not here</html>",
    "a name that is none": b"\x80\x04K\x01K\x02\x93.",
}


@pytest.mark.parametrize("kind", RAW)
def test_damage_is_told_in_one_sentence(tmp_path, kind):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = refusal(tmp_path, RAW[kind])
    assert any(words in message for words in ("is damaged", "claims more than it holds", "holds no networks"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_whatever_is_changed_in_a_file_there_are_networks_or_a_sentence(tmp_path):
    content = pickled(
        snapshot(Generator(2, 0, 2, num_mapping_layers=1, img_resolution=8, img_channels=1, channel_max=2))
    )
    rng = random.Random(0)
    outcomes = set()
    for _ in range(150):
        changed = bytearray(content)
        for _ in range(rng.choice((1, 1, 5))):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        if rng.random() < 0.2:
            del changed[rng.randrange(len(changed)) :]
        try:
            outcomes.add(type(read(tmp_path, bytes(changed))))
        except WeightsError:
            outcomes.add(WeightsError)
    assert outcomes == {dict, WeightsError}


def test_files_that_are_not_there_or_too_large(tmp_path, monkeypatch):
    with pytest.raises(WeightsError, match=r"There is no file .*nowhere.pkl"):
        safe_pickle.read(tmp_path / "nowhere.pkl")
    with pytest.raises(WeightsError, match="is damaged"):
        safe_pickle.read(tmp_path)
    monkeypatch.setattr(safe_pickle, "MAX_SIZE", 1000)
    assert "is larger than" in refusal(tmp_path, pickled(snapshot(generator())))


def test_nothing_of_the_file_is_imported():
    assert not any(isinstance(value, types.FunctionType | type(len)) for value in safe_pickle.ADMITTED.values())
    called = [value for value in safe_pickle.ADMITTED.values() if isinstance(value, safe_pickle._Function)]
    assert all(value.stand_in.__module__ == safe_pickle.__name__ for value in called)
