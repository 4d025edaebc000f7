import io

import av
import numpy as np
import pytest
import torch

from gan_models.checkpoints import registry
from gan_models.images.video import read_video_provenance
from gan_models.results import Results
from gan_models.stylegan2 import GenerateFaces, InterpolateFaces, MixStyles
from gan_models.stylegan2.backend import FaceGenerator, lerp, load_styles, slerp, styles_file
from gan_models.stylegan2.network import Generator

LAYERS, WIDTH = 6, 8


@pytest.fixture(scope="module")
def faces():
    """A tiny generator of 16×16 pictures with random weights."""
    torch.manual_seed(0)
    sizes = {"z_dim": 5, "c_dim": 0, "w_dim": WIDTH, "img_resolution": 16, "img_channels": 3}
    network = Generator(**sizes, num_mapping_layers=2, channel_base=128, channel_max=8).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.3)
    return FaceGenerator(network, registry.get("faces-compact"), "cpu")


def drawn(faces, **asked):
    """Return the pictures of the steps of a task, one by one."""
    return [step.drawn.image for step in faces.run(GenerateFaces.ask(**asked)) if step.drawn]


def test_a_seed_gives_the_same_face_alone_among_others_and_again(faces):
    (alone,) = drawn(faces, seed="7", count=1)
    assert alone.shape == (16, 16, 3)
    assert alone.dtype == np.uint8
    among = drawn(faces, seed="1, 7, 9")
    np.testing.assert_array_equal(among[1], alone)
    assert not np.array_equal(among[0], alone)


def test_latents_are_those_of_nvidias_code(faces):
    np.testing.assert_array_equal(faces.latents([3, 5])[1], np.random.RandomState(5).randn(5))


def test_noise(faces):
    const, none = (drawn(faces, seed="1", count=1, noise=noise)[0] for noise in ("const", "none"))
    first, again = (drawn(faces, seed="1, 2", noise="random")[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(const, none)
    assert not np.array_equal(const, first)


def test_truncation_leads_to_the_average(faces):
    z = faces.latents([1, 2])
    average = faces.network.mapping.w_avg.numpy()
    full, half, zero = (faces.styles(z, truncation) for truncation in (1, 0.5, 0))
    np.testing.assert_allclose(zero, np.broadcast_to(average, zero.shape), atol=1e-6)
    np.testing.assert_allclose(half, (full + average) / 2, atol=1e-6)


@pytest.mark.parametrize("task", [GenerateFaces, MixStyles, InterpolateFaces])
@pytest.mark.parametrize("truncation", [-0.1, 1.6, float("nan")])
def test_truncation_out_of_range(task, truncation):
    with pytest.raises(ValueError, match="Truncation must be"):
        task.ask(truncation=truncation)


def test_each_step_shows_the_newest_face(faces):
    *steps, last = faces.run(GenerateFaces(seed="1-3"))
    assert [(step.index, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    for step in steps:
        np.testing.assert_array_equal(step.preview, step.drawn.image)
    assert [step.drawn.record["seed"] for step in steps] == [1, 2, 3]
    assert last.notes == {"seed": 1, "seeds": [1, 2, 3]}
    assert last.message == "3 faces of 16 pixels"


def test_latents_go_out_and_come_back(faces, tmp_path):
    *_, last = faces.run(GenerateFaces(seed="1, 2"))
    (tmp_path / "w.npy").write_bytes(last.result["latents"])
    styles = faces.styles(faces.latents([1, 2]), 0.7)
    np.testing.assert_array_equal(faces.checked_styles(load_styles(tmp_path / "w.npy")), styles)
    np.testing.assert_array_equal(drawn(faces, latents=tmp_path / "w.npy"), drawn(faces, seed="1, 2"))


def test_a_file_of_latents_is_numpys(faces):
    styles = faces.styles(faces.latents([1]))
    np.testing.assert_array_equal(np.load(io.BytesIO(styles_file(styles))), styles)


@pytest.mark.parametrize("shape", [(WIDTH,), (2, WIDTH), (LAYERS, WIDTH), (3, LAYERS, WIDTH)])
def test_latents_of_every_usual_shape(faces, shape):
    given = np.random.default_rng(0).normal(size=shape)
    styles = faces.checked_styles(given)
    assert styles.shape == ((3 if len(shape) == 3 else 2 if shape[0] == 2 else 1), LAYERS, WIDTH)
    assert styles.dtype == np.float32
    expected = given if shape[-2:] == (LAYERS, WIDTH) else np.atleast_2d(given)[:, None]
    np.testing.assert_allclose(styles, np.broadcast_to(expected, styles.shape), rtol=1e-6)


@pytest.mark.parametrize(
    "styles",
    [
        np.zeros((LAYERS, WIDTH + 1)),
        np.zeros((1, LAYERS + 1, WIDTH)),
        np.zeros((17, LAYERS, WIDTH)),
        np.zeros((0, LAYERS, WIDTH)),
        np.zeros((1, 1, LAYERS, WIDTH)),
        np.zeros((LAYERS, WIDTH), int),
        np.full((LAYERS, WIDTH), np.nan),
        np.full((LAYERS, WIDTH), 1e300),
        np.array("text"),
        np.array(1.0),
    ],
)
def test_latents_of_a_wrong_size_or_kind(faces, styles):
    with pytest.raises(ValueError, match="These weights take"):
        faces.checked_styles(styles)


def npy(header):
    """Return a .npy file of this header and nothing else."""
    header = header.encode() + b"\n"
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"PK\3\4 no archive",
        b"\x93NUMPY\1\0",
        npy("{'descr': '|S0', 'fortran_order': False, 'shape': (600000000,), }"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1" + "0" * 30 + ",), }"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (True, 8), }"),
        npy("{[]}"),
        npy("{" * 500),
        npy("(" * 50),
    ],
)
def test_files_that_hold_no_latents(tmp_path, content):
    (tmp_path / "w.npy").write_bytes(content)
    with pytest.raises(ValueError, match="not a readable"):
        load_styles(tmp_path / "w.npy")


def test_objects_and_archives_are_never_unpacked(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(ValueError, match="not a readable"):
        load_styles(tmp_path / "objects.npy")
    np.savez(tmp_path / "archive.npz", w=np.zeros(3))
    with pytest.raises(ValueError, match="not a readable"):
        load_styles(tmp_path / "archive.npz")


def test_a_header_that_claims_more_than_there_is(tmp_path):
    np.save(tmp_path / "w.npy", np.zeros((2, 3)))
    content = (tmp_path / "w.npy").read_bytes().replace(b"(2, 3)", b"(2, 9999999999)")[: 128 + 48]
    (tmp_path / "w.npy").write_bytes(content)
    with pytest.raises(ValueError, match="not a readable"):
        load_styles(tmp_path / "w.npy")


def test_a_mixture_takes_some_layers_of_the_second_face(faces):
    content, style, mixture = faces.mixed(1, 2, first=2, last=3, truncation=1)
    np.testing.assert_array_equal(mixture[[0, 1, 4, 5]], content[[0, 1, 4, 5]])
    np.testing.assert_array_equal(mixture[[2, 3]], style[[2, 3]])
    np.testing.assert_array_equal(faces.mixed(1, 2, first=0)[2], faces.mixed(1, 2, first=0)[1])


def test_a_mixture_is_shown_with_both_faces(faces):
    *steps, last = faces.run(MixStyles(content_seed=1, style_seed=2, crossover=2, last_layer=3))
    assert [step.drawn.caption for step in steps] == ["Shape: seed 1", "Colours: seed 2", "Mixture"]
    assert [step.drawn.record["seed"] for step in steps] == [1, 2, None]
    np.testing.assert_array_equal(last.result["image"], steps[-1].drawn.image)
    np.testing.assert_array_equal(last.result["image"], faces.draw(faces.mixed(1, 2, first=2, last=3)[2]))


@pytest.mark.parametrize(("first", "last"), [(-1, 2), (6, 6), (3, 2), (2, 6)])
def test_layers_that_are_not_there(faces, first, last):
    with pytest.raises(ValueError, match="layers 0 to 5"):
        faces.mixed(1, 2, first=first, last=last)


@pytest.mark.parametrize("space", ["w", "z"])
@pytest.mark.parametrize("loop", [False, True])
def test_an_interpolation_goes_exactly_through_its_faces(faces, space, loop):
    seeds = [1, 2, 3]
    path = faces.between(seeds, frames=4, truncation=0.7, space=space, loop=loop)
    assert len(path) == (12 if loop else 9)
    keys = faces.styles(faces.latents(seeds), 0.7)
    np.testing.assert_array_equal(path[:9:4], keys)
    steps = np.abs(np.diff([*path, path[0]] if loop else path, axis=0)).mean((1, 2))
    assert steps.min() > 0
    if space == "w":
        np.testing.assert_allclose(steps[:4], steps[0], rtol=1e-4)


@pytest.mark.parametrize(
    ("seeds", "options", "sentence"),
    [
        ([1], {"frames": 4}, "at least two seeds"),
        ([1, 2, 3], {"frames": 600}, "1 to 599 frames"),
    ],
)
def test_interpolations_that_are_refused(faces, seeds, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        faces.between(seeds, **options)


@pytest.mark.parametrize(
    ("asked", "sentence"), [({"frames": 0}, "at least 1, not 0"), ({"space": "x"}, "one of w, z, not “x”")]
)
def test_interpolations_out_of_bounds_are_refused(asked, sentence):
    with pytest.raises(ValueError, match=sentence):
        InterpolateFaces.ask(**asked)


def filmed(faces, folder, **asked):
    """Return the results of an interpolation, of which a video is written, and its steps."""
    ask = InterpolateFaces(seeds="1, 2", frames=3, loop=False, **asked)
    return Results(ask, lambda name: folder / name).follow(faces.run(ask))


def test_a_film_shows_the_pictures(faces, tmp_path):
    *_, last = filmed(faces, tmp_path, fps=10)
    with av.open(last.result["video"]) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    path = faces.between([1, 2], frames=3)
    assert len(frames) == 4
    for frame, w in zip(frames, path, strict=True):
        assert np.abs(frame.astype(int) - faces.draw(w)).mean() < 25  # of noise, with colours at half the resolution
    settings = read_video_provenance(last.result["video"])["settings"]
    assert (settings["seeds"], settings["frames"], settings["fps"]) == ([1, 2], 3, 10)


def test_a_film_that_is_cancelled_leaves_nothing(faces, tmp_path):
    steps = filmed(faces, tmp_path)
    next(steps)
    steps.close()
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_fails_leaves_what_was_there(faces, tmp_path, monkeypatch):
    (tmp_path / "interpolate-faces-compact.mp4").write_text("another film")
    steps = filmed(faces, tmp_path)
    next(steps)
    monkeypatch.setattr(FaceGenerator, "draw", lambda *arguments, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(steps)
    (kept,) = tmp_path.iterdir()
    assert kept.read_text() == "another film"


def test_lines_and_circles():
    a, b = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
    np.testing.assert_allclose(slerp(a, b, 1 / 3), [np.cos(np.pi / 6), np.sin(np.pi / 6), 0])
    np.testing.assert_allclose(lerp(a, b, 0.25), [0.75, 0.25, 0])
    np.testing.assert_array_equal(slerp(a, b, 0), a)
    np.testing.assert_allclose(slerp(a, 2 * a, 0.5), 1.5 * a)
