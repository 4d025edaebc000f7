import av
import numpy as np
import pytest

from gan_models.checkpoints import registry
from gan_models.images.video import read_video_provenance
from gan_models.jobs import finish
from gan_models.stylegan2.backend import FaceGenerator, lerp, load_styles, save_styles, slerp
from tests.tiny_models import embed

LAYERS, WIDTH = 6, 8


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A tiny generator of 16×16 pictures with random weights."""
    folder = tmp_path_factory.mktemp("weights")
    sizes = {"z_dim": 5, "c_dim": 0, "w_dim": WIDTH, "img_resolution": 16, "img_channels": 3}
    kind = "gan_models.stylegan2.network:Generator"
    embed(folder, "tiny", kind, task="faces", num_mapping_layers=2, channel_base=128, channel_max=8, **sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "REGISTRY", folder / "registry.toml")
        generator = FaceGenerator("tiny", "cpu")
    for name, parameter in generator.network.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.3)
    return generator


def test_a_seed_gives_the_same_face_alone_among_others_and_again(faces):
    alone = faces(seeds=[7])[0]
    assert alone.shape == (16, 16, 3)
    assert alone.dtype == np.uint8
    among = faces(seeds=[1, 7, 9])
    np.testing.assert_array_equal(among[1], alone)
    assert not np.array_equal(among[0], alone)


def test_latents_are_those_of_nvidias_code(faces):
    np.testing.assert_array_equal(faces.latents([3, 5])[1], np.random.RandomState(5).randn(5))


def test_noise(faces):
    const, none = faces(seeds=[1])[0], faces(seeds=[1], noise="none")[0]
    first, again = (faces(seeds=[1, 2], noise="random")[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(const, none)
    assert not np.array_equal(const, first)


def test_truncation_leads_to_the_average(faces):
    z = faces.latents([1, 2])
    average = faces.network.mapping.w_avg.numpy()
    full, half, zero = (faces.styles(z, truncation) for truncation in (1, 0.5, 0))
    np.testing.assert_allclose(zero, np.broadcast_to(average, zero.shape), atol=1e-6)
    np.testing.assert_allclose(half, (full + average) / 2, atol=1e-6)


@pytest.mark.parametrize("truncation", [-0.1, 1.6, float("nan")])
def test_truncation_out_of_range(faces, truncation):
    with pytest.raises(ValueError, match="Truncation must be between 0 and"):
        faces.styles(faces.latents([1]), truncation)


def test_each_step_shows_the_newest_face(faces):
    *steps, last = faces.steps(seeds=[1, 2, 3])
    assert [(step.index, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    for step, picture in zip(steps, last.result, strict=True):
        np.testing.assert_array_equal(step.preview, picture)


def test_latents_go_out_and_come_back(faces, tmp_path):
    styles = faces.styles(faces.latents([1, 2]), 0.7)
    back = faces.checked_styles(load_styles(save_styles(tmp_path / "w.npy", styles)))
    np.testing.assert_array_equal(back, styles)
    np.testing.assert_array_equal(faces(styles=back), faces(seeds=[1, 2], truncation=0.7))


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
        ([1, 2], {"frames": 0}, "1 to 1199 frames"),
        ([1, 2, 3], {"frames": 600}, "1 to 599 frames"),
        ([1, 2], {"frames": 4, "space": "x"}, "w or z"),
    ],
)
def test_interpolations_that_are_refused(faces, seeds, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        faces.between(seeds, **options)


def test_a_film_shows_the_pictures(faces, tmp_path):
    path = faces.between([1, 2], frames=3)
    film = finish(faces.film(path, tmp_path / "a.mp4", fps=10, task="faces", seeds=[1, 2]))
    with av.open(film) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 4
    for frame, w in zip(frames, path, strict=True):
        assert np.abs(frame.astype(int) - faces.draw(w)).mean() < 25  # of noise, with colours at half the resolution
    assert read_video_provenance(film)["settings"] == {"seeds": [1, 2], "noise": "const", "fps": 10}


def test_a_film_that_is_cancelled_leaves_nothing(faces, tmp_path):
    steps = faces.film(faces.between([1, 2], frames=3), tmp_path / "a.mp4", task="faces")
    next(steps)
    steps.close()
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_fails_leaves_what_was_there(faces, tmp_path):
    (tmp_path / "a.mp4").write_text("another film")
    with pytest.raises(ValueError, match="pictures a second"):
        finish(faces.film(faces.between([1, 2], frames=3), tmp_path / "a.mp4", fps=0, task="faces"))
    assert (tmp_path / "a.mp4").read_text() == "another film"


def test_lines_and_circles():
    a, b = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
    np.testing.assert_allclose(slerp(a, b, 1 / 3), [np.cos(np.pi / 6), np.sin(np.pi / 6), 0])
    np.testing.assert_allclose(lerp(a, b, 0.25), [0.75, 0.25, 0])
    np.testing.assert_array_equal(slerp(a, b, 0), a)
    np.testing.assert_allclose(slerp(a, 2 * a, 0.5), 1.5 * a)
