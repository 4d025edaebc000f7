import numpy as np
import pytest
from PIL import Image

from gan_models.checkpoints import registry
from gan_models.cli import main
from gan_models.images import read_provenance
from gan_models.images.video import read_video_provenance
from tests.tiny_models import embed


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch):
    """Register two tiny networks in place of the real ones, beside the test's own files."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for name, seed in (("sr-psnr-compact", 1), ("other", 2)):
        embed(folder, name, "gan_models.super_resolution.network:CompactSRResNet", num_feat=2 * seed, num_block=1)
    sizes = {"z_dim": 4, "c_dim": 0, "w_dim": 4, "img_resolution": 8, "img_channels": 3, "channel_base": 32}
    embed(folder, "faces-compact", "gan_models.stylegan2.network:Generator", task="faces", **sizes)
    monkeypatch.setattr(registry, "REGISTRY", folder / "registry.toml")
    monkeypatch.setenv("GAN_ATELIER_DEVICE", "cpu")


def write(path, size=(12, 9), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(path.name))
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], len(mode)), np.uint8), mode).save(path)
    return path


def size_of(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return picture.size


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def run(*arguments):
    return main([str(argument) for argument in arguments])


def one_sentence(text):
    return text.endswith(".\n") and text.count("\n") == 1


# --- Pictures


def test_a_file_is_enlarged(tmp_path):
    assert run("upscale", write(tmp_path / "a.jpg"), "-o", tmp_path / "b.png") == 0
    assert size_of(tmp_path / "b.png") == (48, 36)


def test_the_factor_and_transparency_are_heeded(tmp_path):
    picture = write(tmp_path / "a.png", mode="RGBA")
    assert run("upscale", picture, "-o", tmp_path / "b.png", "--factor", 2) == 0
    assert size_of(tmp_path / "b.png") == (24, 18)
    assert Image.open(tmp_path / "b.png").mode == "RGBA"


def test_a_file_goes_into_a_folder_under_its_own_name(tmp_path):
    (tmp_path / "out").mkdir()
    assert run("upscale", write(tmp_path / "a.jpg"), "-o", tmp_path / "out") == 0
    assert files_below(tmp_path / "out") == {"a.png"}


def test_folders_on_the_way_to_the_output_are_made(tmp_path):
    assert run("upscale", write(tmp_path / "a.jpg"), "-o", tmp_path / "new" / "deep" / "b.png") == 0
    assert size_of(tmp_path / "new" / "deep" / "b.png") == (48, 36)


def test_the_result_says_how_it_was_made(tmp_path):
    picture = write(tmp_path / "a.png")
    assert run("upscale", picture, "-o", tmp_path / "b.png", "--model", "other", "--factor", 2) == 0
    made = read_provenance(tmp_path / "b.png")
    assert made["task"] == "super-resolution"
    assert made["settings"]["factor"] == 2
    assert made["weights"] == "other"
    assert made["sha256"] == registry.get("other").sha256


def test_a_folder_keeps_its_places_and_names(tmp_path):
    for name in ("a.png", "deep/b.jpg", "deep/er/c.webp", "deep/er/d.GIF"):
        write(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    assert run("upscale", tmp_path / "in", "-o", tmp_path / "out") == 0
    assert files_below(tmp_path / "out") == {"a.png", "deep/b.png", "deep/er/c.png", "deep/er/d.png"}
    assert all(size_of(path) == (48, 36) for path in (tmp_path / "out").rglob("*.png"))


def test_no_two_files_share_a_result(tmp_path):
    widths = {"a.png": 4, "a.jpg": 5, "a.jpg.png": 6, "a.v2.png": 7, "b/a.png": 8}
    for name, width in widths.items():
        write(tmp_path / "in" / name, (width, 4))
    assert run("upscale", tmp_path / "in", "-o", tmp_path / "out") == 0
    results = {name: size_of(tmp_path / "out" / name)[0] // 4 for name in files_below(tmp_path / "out")}
    assert results == {"a.png.png": 4, "a.jpg.png": 5, "a.jpg.png.png": 6, "a.v2.png": 7, "b/a.png": 8}


@pytest.mark.parametrize("output", ["", "cat.png", "new.png", "../link", "../link/cat.png"])
def test_the_original_is_never_overwritten(tmp_path, capsys, output):
    original = write(tmp_path / "photos" / "cat.png")
    before = original.read_bytes()
    (tmp_path / "link").symlink_to("photos")
    (tmp_path / "photos" / "new.png").symlink_to("cat.png")
    assert run("upscale", original, "-o", tmp_path / "photos" / output) == 1
    assert one_sentence(capsys.readouterr().err)
    assert original.read_bytes() == before


def test_no_picture_of_a_folder_is_overwritten(tmp_path, capsys):
    originals = [write(tmp_path / "sub" / name) for name in ("a.png", "sub/a.png")]
    before = [original.read_bytes() for original in originals]
    assert run("upscale", tmp_path / "sub", "-o", tmp_path) == 1  # sub/sub/a.png would become sub/a.png
    assert "would overwrite the original" in capsys.readouterr().err
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "a.png").symlink_to(originals[0])
    assert run("upscale", tmp_path / "sub", "-o", tmp_path / "linked") == 1
    assert one_sentence(capsys.readouterr().err)
    assert [original.read_bytes() for original in originals] == before
    assert files_below(tmp_path / "sub") == {"a.png", "sub/a.png"}


def test_a_folder_enlarged_twice_does_not_enlarge_its_results(tmp_path, monkeypatch):
    for name in ("a.png", "deep/b.png"):
        write(tmp_path / "in" / name)
    monkeypatch.chdir(tmp_path)
    for output in ("in/large", "in/large", tmp_path / "in" / "deep" / ".." / "large"):
        assert run("upscale", "in", "-o", output) == 0
        assert files_below(tmp_path / "in") == {"a.png", "deep/b.png", "large/a.png", "large/deep/b.png"}
        assert size_of(tmp_path / "in" / "large" / "a.png") == (48, 36)


def test_a_folder_inside_the_output_is_read(tmp_path):
    write(tmp_path / "out" / "in" / "a.png")
    assert run("upscale", tmp_path / "out" / "in", "-o", tmp_path / "out") == 0
    assert size_of(tmp_path / "out" / "a.png") == (48, 36)


def test_a_folder_of_nothing_but_results_is_told(tmp_path, capsys):
    write(tmp_path / "in" / "large" / "a.png")
    assert run("upscale", tmp_path / "in", "-o", tmp_path / "in" / "large") == 1
    assert one_sentence(capsys.readouterr().err)
    assert files_below(tmp_path / "in") == {"large/a.png"}


def test_a_factor_beyond_the_weights_is_told_before_they_are_loaded(tmp_path, capsys):
    folder = tmp_path / "weights"
    embed(folder, "twofold", "gan_models.super_resolution.network:CompactSRResNet", num_feat=2, num_block=1, scale=2)
    picture = write(tmp_path / "a.png")
    assert run("upscale", picture, "-o", tmp_path / "b.png", "--model", "twofold", "--factor", 2) == 0
    (folder / "twofold.safetensors").unlink()
    assert run("upscale", picture, "-o", tmp_path / "c.png", "--model", "twofold") == 1
    assert capsys.readouterr().err == "These weights enlarge 2 times at most; choose ×2.\n"


def test_files_that_fail_are_named_and_the_others_done(tmp_path, capsys):
    for name in ("a.png", "z.png"):
        write(tmp_path / "in" / name)
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    picture = write(tmp_path / "in" / "cut.png", (60, 60))
    picture.write_bytes(picture.read_bytes()[:2000])
    assert run("upscale", tmp_path / "in", "-o", tmp_path / "out") == 1
    assert files_below(tmp_path / "out") == {"a.png", "z.png"}
    errors = capsys.readouterr().err
    failed = [line for line in errors.splitlines() if "tmp" in line or "in/" in line]
    assert [line.partition(": ")[0] for line in failed] == [
        str(tmp_path / "in" / "broken.png"),
        str(tmp_path / "in" / "cut.png"),
    ]
    assert "Traceback" not in errors


def test_a_picture_too_large_fails_alone(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GAN_ATELIER_MAX_RESULT_MEGAPIXELS", "1")
    write(tmp_path / "in" / "large.png", (300, 300))
    write(tmp_path / "in" / "small.png")
    assert run("upscale", tmp_path / "in", "-o", tmp_path / "out") == 1
    assert files_below(tmp_path / "out") == {"small.png"}
    assert "large.png: The result would have" in capsys.readouterr().err


def test_a_missing_input_and_an_empty_folder_are_told(tmp_path, capsys):
    assert run("upscale", tmp_path / "none.png", "-o", tmp_path / "b.png") == 1
    assert "none.png" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run("upscale", tmp_path / "empty", "-o", tmp_path / "out") == 1
    assert one_sentence(capsys.readouterr().err)
    assert not (tmp_path / "b.png").exists()


def test_an_output_that_cannot_be_written_is_told(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert run("upscale", write(tmp_path / "a.png"), "-o", tmp_path / "file" / "b.png") == 1
    assert "a.png: " in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--model", "nonsense"), ("--device", "quantum")])
def test_a_bad_model_or_device_is_one_sentence(tmp_path, capsys, option):
    assert run("upscale", write(tmp_path / "a.png"), "-o", tmp_path / "b.png", *option) == 1
    errors = capsys.readouterr().err
    assert one_sentence(errors)
    assert f"“{option[1]}”" in errors
    assert not (tmp_path / "b.png").exists()


def test_an_interruption_is_told(tmp_path, capsys, monkeypatch):
    from gan_models.super_resolution.backend import Upscaler

    def interrupt(self, ask):
        raise KeyboardInterrupt

    monkeypatch.setattr(Upscaler, "run", interrupt)
    assert run("upscale", write(tmp_path / "a.png"), "-o", tmp_path / "b.png") == 130
    assert "Interrupted." in capsys.readouterr().err


# --- The command line itself


def exit_of(capsys, *arguments):
    """Run what argparse ends by itself: the exit code, standard output and standard error."""
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    return ended.value.code, *capsys.readouterr()


def test_help_lists_the_commands(capsys):
    code, output, _ = exit_of(capsys, "--help")
    assert code == 0
    commands = {line.split()[0] for line in output.splitlines() if line.startswith("    ")}
    assert commands >= {"upscale", "train", "weights"}


@pytest.mark.parametrize("command", ["upscale", "train", "weights"])
def test_every_command_explains_itself(capsys, command):
    code, output, _ = exit_of(capsys, command, "--help")
    assert code == 0
    assert "usage: python -m gan_models " + command in output


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("upscale",),
        ("upscale", "a.png"),
        ("upscale", "a.png", "-o", "b.png", "--factor", "3"),
        ("train",),
    ],
)
def test_wrong_usage_is_explained(capsys, arguments):
    code, _, errors = exit_of(capsys, *arguments)
    assert code == 2
    assert errors.startswith("usage: ")


# --- Faces


def test_faces_are_drawn_into_a_folder(tmp_path):
    assert run("generate", "--seed", 3, "--count", 2, "--truncation", 0.5, "-o", tmp_path / "out") == 0
    assert files_below(tmp_path / "out") == {
        *("faces-compact-3.png", "faces-compact-4.png"),
        "faces-compact.npy",  # their latents
    }
    record = read_provenance(tmp_path / "out" / "faces-compact-4.png")
    assert (record["task"], record["seed"], record["weights"]) == ("faces", 4, "faces-compact")
    assert record["settings"] == {"truncation": 0.5, "noise": "const", "count": 2, "latents": None}


def test_one_face_is_drawn_into_a_file(tmp_path):
    assert run("generate", "--seed", 3, "-o", tmp_path / "face.png") == 0
    assert size_of(tmp_path / "face.png") == (8, 8)


def test_a_film_is_made(tmp_path):
    assert run("generate", "--seeds", "1,2", "--frames", 3, "-o", tmp_path / "film.mp4") == 0
    assert read_video_provenance(tmp_path / "film.mp4")["settings"]["seeds"] == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--seed", "seven", "-o", "out"), "“seven” is no seed"),
        (("--seed", "1,2", "-o", "face.png"), "for several pictures, name a folder"),
        (("--seed", "1", "-o", "face.jpg"), "the result is a .png file, several are a folder"),
        (("--seed", "1", "--count", "17", "-o", "out"), "Count must be at most 16, not 17"),
        (("--seed", "1", "--truncation", "2", "-o", "out"), "Truncation must be"),
        (("--seeds", "1", "--frames", "3", "-o", "film.mp4"), "at least two seeds"),
        (("--seeds", "1,2", "--frames", "3", "-o", "film.png"), "the result is a .mp4 file"),
        (
            ("--task", "film", "--count", "3", "-o", "film.mp4"),
            "--count doesn't go with these options: it is for the task faces",
        ),
        (("--model", "other", "--seed", "1", "-o", "out"), "“other” are for super-resolution, not for faces"),
    ],
)
def test_wishes_for_faces_that_are_refused(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert run("generate", *arguments) == 1
    error = capsys.readouterr().err
    assert words in error
    assert one_sentence(error)
    assert {path.name for path in tmp_path.iterdir()} == {"weights"}
