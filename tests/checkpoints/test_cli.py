import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from gan_models.checkpoints import hub
from gan_models.cli import main
from gan_models.stylegan2.convert import from_rosinality
from tests.checkpoints.conftest import FILE, REPO, tiny_bytes
from tests.checkpoints.nvidia import Persistent, persistent, pickled
from tests.checkpoints.tiny import Tiny
from tests.stylegan2 import rosinality


def test_list_shows_a_table(embed, register, capsys):
    embed()
    register()
    register("other", task="else")
    assert main(["weights", "list", "--task", "testing"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split() for line in shown] == [
        ["NAME", "TASK", "READY", "MB", "LICENCE", "SOURCE"],
        ["embedded", "testing", "yes", "0.1", "MIT", "embedded"],
        ["tiny", "testing", "no", "0.1", "MIT", "hub:", f"{REPO}/{FILE}"],
    ]
    assert shown[0].index("SOURCE") == shown[2].index("hub:")


def test_list_as_json(embed, register, capsys):
    embed()
    register()
    assert main(["weights", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[1] == {
        "name": "tiny",
        "task": "testing",
        "source": f"hub: {REPO}/{FILE}",
        "licence": "MIT",
        "size_mb": 0.1,
        "ready": False,
    }
    assert [row["ready"] for row in rows] == [True, False]


def test_fetch_brings_what_it_can_and_names_the_rest(server, register, capsys):
    server.add(REPO, FILE, tiny_bytes())
    register("missing", hub={"repo": REPO, "file": "no.bin", "revision": "main"})
    model = register()
    assert main(["weights", "fetch", "missing", "tiny"]) == 1
    shown = capsys.readouterr()
    assert shown.err == "missing: The repository atelier/tiny on the Hub has no file “no.bin”.\n"
    assert shown.out == "tiny: ready\n"
    assert hub.ready(model)
    assert main(["weights", "fetch", "tiny"]) == 0


def test_an_unknown_name_stops_fetch_before_it_starts(server, register, capsys):
    server.add(REPO, FILE, tiny_bytes())
    register()
    assert main(["weights", "fetch", "tiny", "unknown"]) == 1
    assert capsys.readouterr().err == "There is no model “unknown”; there are tiny.\n"
    assert server.requests == []


def test_verify_checks_all_that_is_here(server, embed, register, capsys):
    embed("good")
    register("not-here")
    assert main(["weights", "verify"]) == 0
    assert capsys.readouterr().out == "good: ready\n"

    embed("wrong-bytes", sha256="0" * 64)
    embed("wrong-shape", config={"width": 9})
    embed("wrong-numbers", content=tiny_bytes(scale=float("nan")))
    assert main(["weights", "verify"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "good: ready\n"
    assert [line.partition(":")[0] for line in shown.err.splitlines()] == [
        "wrong-bytes",
        "wrong-shape",
        "wrong-numbers",
    ]
    assert main(["weights", "verify", "good"]) == 0
    assert main(["weights", "verify", "good", "not-here"]) == 1
    assert server.requests == []


@pytest.mark.parametrize(("flags", "dtype"), [([], torch.float16), (["--full"], torch.float32)])
def test_convert_from_torch(tmp_path, capsys, flags, dtype):
    state = Tiny().state_dict()
    torch.save({"epoch": 3, "params": state}, tmp_path / "x.pth")
    target = tmp_path / "x.safetensors"
    assert main(["weights", "convert", str(tmp_path / "x.pth"), str(target), "--unwrap", "params", *flags]) == 0
    assert hub.file_hash(target) in capsys.readouterr().out
    saved = load_file(target)
    assert saved.keys() == state.keys()
    assert saved["layer.weight"].dtype == dtype
    torch.testing.assert_close(saved["layer.weight"], state["layer.weight"].to(dtype))


def test_convert_from_safetensors(tmp_path):
    save_file(Tiny().state_dict(), tmp_path / "x.safetensors")
    assert main(["weights", "convert", str(tmp_path / "x.safetensors"), str(tmp_path / "y.safetensors")]) == 0
    assert load_file(tmp_path / "y.safetensors")["layer.weight"].dtype == torch.float16


@pytest.mark.parametrize(("flags", "width"), [([], 4), (["--unwrap", "D"], 6)])
def test_convert_from_a_pickle_of_nvidias(tmp_path, flags, width):
    networks = {"G_ema": Tiny(4), "D": Tiny(6)}
    entries = {name: persistent(network, width=network.layer.in_features) for name, network in networks.items()}
    (tmp_path / "x.pkl").write_bytes(pickled(entries))
    source, target = tmp_path / "x.pkl", tmp_path / "x.safetensors"
    assert main(["weights", "convert", str(source), str(target), "--full", *flags]) == 0
    state = next(network for network in networks.values() if network.layer.in_features == width).state_dict()
    assert all(torch.equal(value, state[name]) for name, value in load_file(target).items())
    with safe_open(target, "pt") as opened:
        about = opened.metadata()
    assert json.loads(about.pop("kwargs")) == {"width": width}
    assert about == {"converted_from": "x.pkl", "class_name": "Tiny"}


def test_convert_from_rosinalitys_layout(tmp_path):
    content = rosinality.checkpoint()
    for name, held in {"whole": content, "bare": content["g_ema"]}.items():
        torch.save(held, tmp_path / "x.pt")
        target = tmp_path / f"{name}.safetensors"
        assert main(["weights", "convert", str(tmp_path / "x.pt"), str(target), "--full"]) == 0
        expected = from_rosinality(held)
        saved = load_file(target)
        assert saved.keys() == expected.keys()
        assert all(torch.equal(value, expected[key]) for key, value in saved.items())
    torch.save(content, tmp_path / "x.pt")
    target = tmp_path / "as-is.safetensors"
    assert main(["weights", "convert", str(tmp_path / "x.pt"), str(target), "--unwrap", "g_ema"]) == 0
    assert load_file(target).keys() == content["g_ema"].keys()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"G": persistent(Tiny())}, "“x.pkl” holds no G_ema, but G."),
        ({"G_ema": Persistent("G", {"f": print})}, "“x.pkl” asks for builtins.print, which is never run."),
        (None, "There is no file "),
    ],
)
def test_convert_says_what_is_wrong_with_a_pickle(tmp_path, capsys, content, problem):
    if content is not None:
        (tmp_path / "x.pkl").write_bytes(pickled(content))
    assert main(["weights", "convert", str(tmp_path / "x.pkl"), str(tmp_path / "x.safetensors")]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert problem in line
    assert not (tmp_path / "x.safetensors").exists()


def test_convert_says_what_rosinalitys_layout_lacks(tmp_path, capsys):
    torch.save({"g_ema": {"input.input": torch.ones(1, 2, 4, 4)}}, tmp_path / "x.pt")
    assert main(["weights", "convert", str(tmp_path / "x.pt"), str(tmp_path / "x.safetensors")]) == 1
    expected = "“x.pt” can't be converted: the parameter 'conv1.conv.modulation.weight' is missing.\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    ("content", "target", "problem"),
    [
        (None, "y.safetensors", "There is no file "),
        ({"epoch": 3, "params": {}}, "y.safetensors", "choose with --unwrap among epoch, params."),
        ({"a": torch.ones(1)}, "y.pth", "must end in .safetensors"),
        ({"a": torch.full((1,), 1e6)}, "y.safetensors", "The parameter a is too large for half precision."),
        ({"a": torch.ones(1)}, "x.pth/y.safetensors", "can't be written"),
    ],
)
def test_convert_says_what_is_wrong_in_one_line(tmp_path, capsys, content, target, problem):
    if content is not None:
        torch.save(content, tmp_path / "x.pth")
    assert main(["weights", "convert", str(tmp_path / "x.pth"), str(tmp_path / target)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert problem in line
    assert not (tmp_path / target).exists()
