import numpy as np
import pytest
import torch
from torch import nn

from gan_models.checkpoints import registry
from gan_models.images.facades import FACADE_LABELS
from gan_models.nn.layers import ResnetGenerator
from gan_models.restoration import filmed, several
from gan_models.translation import Translate, inputs
from gan_models.translation.backend import Translator, dropping, reduced_size


class Recorder(nn.Module):
    """Keeps what it sees and gives back a function of it."""

    multiple = 8

    def __init__(self, function=lambda x: x[:, :3]):
        super().__init__()
        self.function, self.seen = function, None

    def forward(self, x):
        self.seen = x
        return self.function(x)


def translator(network, takes=None, side=64):
    """Return the backend of a kind of model, around a network."""
    model = registry.get("horse-to-zebra").model_copy(update={"takes": takes, "side": side})
    return Translator(network, model, "cpu")


def asked(image, **options):
    return Translate.ask(image=image, **options)


@pytest.fixture
def photo():
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 255, (9, 12, 3)), np.ones((16, 16, 1))).astype(np.uint8)


def test_the_network_sees_its_side_and_the_result_has_the_pictures_own(photo):
    network = Recorder(lambda x: -x)
    result = translator(network)(asked(photo))
    assert network.seen.shape == (1, 3, 64, 88)  # 85.3 pixels, padded
    assert result.shape == photo.shape
    assert np.abs((255 - result).astype(int) - photo)[8:-8:16, 8:-8:16].mean() < 6


@pytest.mark.parametrize(
    ("side", "sentence"), [(63, "be 64 to 1024, or 0 for the usual"), (1025, "at most 1024"), (-1, "at least 0")]
)
def test_impossible_sides_are_refused(photo, side, sentence):
    with pytest.raises(ValueError, match=sentence):
        asked(photo, side=side)
    with pytest.raises(ValueError, match=sentence):
        filmed(Translate).ask(film="a.mp4", side=side)
    assert asked(photo, side=64).side == 64


@pytest.mark.parametrize(("size", "seen"), [((100, 100), (64, 64)), ((1, 9000), (4096, 1)), ((30, 60), (128, 64))])
def test_sizes_are_bounded(size, seen):
    assert reduced_size(*size, 64) == seen
    width, height = reduced_size(5000, 5000, 1024)
    assert width == height == 1024


def test_labels_are_made_exact_and_drawings_black_and_white():
    window = np.full((64, 64, 3), FACADE_LABELS["window"], np.uint8)
    network = Recorder()
    translator(network, "labels")(asked(np.clip(window.astype(int) + 9, 0, 255).astype(np.uint8)))
    expected = torch.tensor(FACADE_LABELS["window"]) / 127.5 - 1
    assert torch.allclose(network.seen, expected.view(1, 3, 1, 1).expand_as(network.seen), atol=0.01)
    drawing = np.full((64, 64, 4), 255, np.uint8)
    drawing[10:12] = (30, 60, 90, 255)
    drawing[40:] = (0, 0, 0, 0)  # transparent is paper
    translator(network, "edges")(asked(drawing))
    assert (network.seen[0, :, 10:12] == -1).all()
    assert (network.seen[0, :, 13:] == 1).all()


def test_a_photo_is_drawn_first_if_it_is_said_to_be_one(photo):
    network = Recorder()
    translator(network, "edges", side=144)(asked(photo, from_photo=True))
    assert torch.equal(network.seen > 0, torch.from_numpy(inputs.line_drawing(photo)).permute(2, 0, 1)[None] > 0)


def test_of_a_grey_picture_only_the_colours_are_made(photo):
    grey = inputs.grey(photo)
    red = torch.tensor([0.6, -0.6, -0.6]).view(1, 3, 1, 1)
    result = translator(Recorder(lambda x: (x * 0 + red)[:, :3]), "grey")(asked(grey))
    assert (result[:, :, 0] >= result[:, :, 1]).all()
    middle = (grey[:, :, 0] > 60) & (grey[:, :, 0] < 130)
    assert np.abs(inputs.grey(result).astype(int) - grey)[middle].max() <= 2


def test_only_the_hole_is_filled(photo):
    network = Recorder(lambda x: torch.ones_like(x[:, :3]))
    mask = np.zeros((*photo.shape[:2], 3), np.uint8)
    mask[40:90, 50:120] = 255
    result = translator(network, "masked")(asked(photo, mask=mask))
    assert (network.seen[0, 3] > 0).sum() == 50 * 70
    assert (result[mask[:, :, 0] == 0] == photo[mask[:, :, 0] == 0]).all()
    assert (result[55:75, 70:100] == 255).all()
    clear = translator(network, "masked")(asked(np.dstack([photo, 255 - mask[:, :, 0]])))
    assert (clear == result).mean() > 0.98  # but near the seam, which what is hidden shines through
    assert clear.shape == photo.shape
    faint = np.dstack([photo, np.full(photo.shape[:2], 200, np.uint8)])
    assert (translator(network, "masked")(asked(faint, mask=mask))[:, :, 3] == 200).all()


def test_a_hole_is_seen_with_its_surroundings_as_large_as_the_network_sees_across():
    photo, hole = np.zeros((1200, 1600, 3), np.uint8), np.zeros((1200, 1600, 3), np.uint8)
    hole[600:620, 700:760] = 255  # ten pixels deep
    network = Recorder()
    backend = translator(network, "masked")
    backend(asked(photo, mask=hole))
    assert network.seen.shape == (1, 4, 152, 192)  # at its own size: 20 + 2·64 and 60 + 2·64, padded
    hole[400:800, 500:1100] = 255  # two hundred
    backend(asked(photo, mask=hole))
    assert network.seen.shape == (1, 4, 192, 224)  # at 0.16: 1200 pixels, and 600 + 2·400
    backend(asked(photo, mask=hole, side=600))
    assert network.seen.shape == (1, 4, 328, 432)  # twice as small: 200 + 2·64 and 300 + 2·64


def test_holes_that_are_none_are_refused(photo):
    for options, sentence in (
        ({}, "no hole"),
        ({"mask": np.zeros_like(photo)}, "black"),
        ({"mask": np.full_like(photo, 255)}, "whole picture"),
        ({"mask": np.zeros((4, 5, 3), np.uint8)}, "192×144 pixels, not 5×4"),
        ({"mask": np.zeros((4, 5))}, "A picture is"),
    ):
        with pytest.raises(ValueError, match=sentence):
            translator(Recorder(), "masked")(asked(photo, **options))
    with pytest.raises(ValueError, match="whole picture"):
        translator(Recorder(), "masked")(asked(np.dstack([photo, 0 * photo[:, :, 0]])))
    with pytest.raises(ValueError, match="takes no mask"):
        translator(Recorder(), "grey")(asked(photo, mask=photo))


def test_the_narrowest_pictures_go_through_a_real_network():
    torch.manual_seed(0)
    backend = translator(ResnetGenerator(ngf=2, n_blocks=1).eval())
    for shape in ((1, 2000, 3), (4, 5000, 3), (1, 1, 3)):
        assert backend(asked(np.zeros(shape, np.uint8))).shape == shape


def test_alpha_is_kept_where_it_is_no_hole(photo):
    clear = np.dstack([photo, np.full(photo.shape[:2], 90, np.uint8)])
    assert (translator(Recorder())(asked(clear))[:, :, 3] == 90).all()


def test_dropout_goes_on_and_depends_on_the_seed_alone(photo):
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout(0.5), nn.Tanh()).eval()
    backend = translator(network)
    state = torch.get_rng_state()
    first, again, other = (backend(asked(photo, seed=seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert torch.equal(torch.get_rng_state(), state)
    x = torch.ones(1, 3, 40, 40)
    with dropping(network[1:2], 0):
        dropped = network[1](x)
    assert set(dropped.unique().tolist()) == {0, 2}
    assert dropped.mean() == pytest.approx(1, abs=0.1)
    assert torch.equal(network[1](x), x)


def test_a_film_is_translated_picture_by_picture(photo):
    ask = filmed(Translate).ask(film="a.mp4")
    frames = list(translator(Recorder(lambda x: -x)).video(ask, [photo, 255 - photo]))
    assert [frame.shape for frame in frames] == [photo.shape] * 2
    assert np.abs(frames[0].astype(int) - (255 - frames[1].astype(int))).mean() < 3


def test_only_weights_of_the_task_are_taken():
    with pytest.raises(ValueError, match="for super-resolution, not for translation"):
        Translator.load("sr-psnr-compact")


def test_what_is_drawn_by_hand_becomes_a_generated_picture(photo):
    for model, generated in (("translate-edges-compact", True), ("translate-grey-compact", False)):
        assert asked(photo, model=model).generated is generated
        assert filmed(Translate).ask(film="a.mp4", model=model).generated is generated
        assert several(Translate).ask(images=["a.png"], model=model).generated is generated
