import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from gan_models import runtime
from gan_models.classic import PictureGenerator, model, pictures, training
from gan_models.classic.families import FAMILIES
from gan_models.classic.network import Autoencoder, DCGANGenerator, ProgressiveGenerator
from gan_models.runtime import finish

SMALL = {"batch_size": 4, "z_dim": 8, "width": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def sprites():
    return pictures.sprites(16, count=40)


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_learns_and_leaves_a_model_that_draws(sprites, tmp_path, name):
    steps = list(training.train_on(sprites, name, tmp_path / "state.pt", steps=3, **SMALL))
    assert [step.index for step in steps if "FID" not in step.losses] == [1, 2, 3, 3]
    assert {"FID", "IS"} == set(steps[-2].losses)
    assert steps[-2].preview.shape == (6 * 16, 6 * 16, 3)
    path = model.save(*steps[-1].result, tmp_path / "a.safetensors")
    backend = PictureGenerator(path, "cpu")
    assert backend.kinds == (("legs", "round", "tall") if name == "cgan" else ())
    (drawn,) = backend(seeds=[5])
    assert drawn.dtype == np.uint8
    assert drawn.shape[0] in (4, 8, 16)


def test_a_training_goes_on_as_if_it_had_never_stopped(sprites, tmp_path):
    whole = finish(training.train_on(sprites, "dcgan", tmp_path / "a.pt", steps=6, **SMALL))[0].state_dict()
    course = training.train_on(sprites, "dcgan", tmp_path / "b.pt", steps=6, **SMALL)
    while next(course).index < 3:
        assert not (tmp_path / "b.pt").exists()
    course.close()
    again = list(training.train_on(sprites, "dcgan", tmp_path / "b.pt", steps=6, **SMALL))
    assert again[0].index == 4
    for name, value in again[-1].result[0].state_dict().items():
        torch.testing.assert_close(value, whole[name], msg=name)


@pytest.mark.parametrize("name", ["dcgan", "aegan"])
def test_the_average_is_normalised_by_statistics_of_its_own(sprites, tmp_path, name):
    network = finish(training.train_on(sprites, name, tmp_path / "a.pt", steps=30, lr=0.01, **SMALL))[0]
    generator = getattr(network, "generator", network)
    latents = torch.randn(training.JUDGED, 8, generator=torch.Generator().manual_seed(0))
    first, norm = generator.layers[:2]
    seen = [first(part[:, :, None, None]).mean((0, 2, 3)) for part in latents.split(32)]
    torch.testing.assert_close(norm.running_mean, torch.stack(seen).mean(0))
    if name == "aegan":
        learned = sprites.split(training.HELD_OUT)[0].pixels.float() / 127.5 - 1
        first, _, second, norm = network.encoder.layers[:4]
        seen = [second(F.leaky_relu(first(part), 0.2)).mean((0, 2, 3)) for part in learned.split(32)]
        torch.testing.assert_close(norm.running_mean, torch.stack(seen).mean(0))


def test_learning_brings_the_pictures_nearer(sprites, tmp_path):
    options = {"batch_size": 16, "z_dim": 16, "width": 8, "device": "cpu", "steps": 200, "lr": 1e-3}
    steps = training.train_on(sprites, "dcgan", tmp_path / "a.pt", **options)
    distances = [step.losses["FID"] for step in steps if "FID" in step.losses]
    assert len(distances) == 8
    assert distances[-1] < 0.8 * distances[0]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 0}, "1 to 200000 steps"),
        ({"batch_size": 2}, "batch has 4 to 128"),
        ({"family": "vae"}, "family must be one of"),
        ({"width": 300}, "width must be 1 to 256"),
        ({"z_dim": 1}, "z_dim must be 2 to 512"),
    ],
)
def test_bad_wishes_get_one_sentence(sprites, tmp_path, options, sentence):
    arguments = {"family": "gan", "steps": 3, "batch_size": 4} | options
    with pytest.raises(ValueError, match=sentence):
        training.train_on(sprites, state=tmp_path / "a.pt", **arguments)


def test_a_conditional_gan_needs_kinds(sprites, tmp_path):
    alike = pictures.Pictures(sprites.pixels, torch.zeros_like(sprites.labels), ("",))
    many = pictures.Pictures(sprites.pixels, sprites.labels, tuple(map(str, range(51))))
    for source in (alike, many):
        with pytest.raises(ValueError, match="learns 2 to 50 kinds"):
            training.train_on(source, "cgan", tmp_path / "a.pt", steps=3)


def test_a_checkpoint_of_another_family_is_refused(sprites, tmp_path):
    finish(training.train_on(sprites, "dcgan", tmp_path / "a.pt", steps=1, **SMALL))
    for name in ("aegan", "gan"):  # the latter has the same networks
        with pytest.raises(ValueError, match="another family or size"):
            finish(training.train_on(sprites, name, tmp_path / "a.pt", steps=2, **SMALL))


def test_numbers_that_run_away_are_named(sprites, tmp_path):
    finish(training.train_on(sprites, "wgan", tmp_path / "a.pt", steps=1, **SMALL))
    before = (tmp_path / "a.pt").read_bytes()
    course = training.train_on(sprites, "wgan", tmp_path / "a.pt", steps=9, **SMALL)
    step = next(course)
    game = course.gi_frame.f_locals["game"]
    with torch.no_grad():
        next(game.generator.parameters()).fill_(torch.nan)
    with pytest.raises(ValueError, match="diverged at step 3"):
        finish(course)
    assert step.index == 2
    assert (tmp_path / "a.pt").read_bytes() == before, "what was good is written over"


def test_each_of_the_critics_steps_sees_the_weights_of_the_one_before(sprites, tmp_path):
    """Copies of weights in half precision must not outlive a step."""
    torch.manual_seed(0)
    game, batch = FAMILIES["wgan"].of_pictures(16, z_dim=8, width=4, lr=1e-3), sprites.batch(8)
    latents = torch.randn(8, 8)
    game.latents = lambda count: latents
    with runtime.training_precision(torch.device("cpu")):
        losses = [game.train_discriminator(*batch)["discriminator"] for _ in range(4)]
    assert len(set(losses)) == 4


def test_the_command_leaves_a_model_and_a_sheet(tmp_path):
    from PIL import Image

    (tmp_path / "data").mkdir()
    for number, pixels in enumerate(pictures.sprites(20, count=10).pixels):
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(tmp_path / "data" / f"{number}.png")
    options = {"steps": 2, "side": 16, "batch_size": 4, "z_dim": 5, "width": 2}
    path = finish(training.train_wgan_gp(tmp_path / "data", tmp_path / "out", **options))
    network, _ = model.load(path)
    assert isinstance(network, DCGANGenerator)
    assert (network.z_dim, network.width) == (5, 2)
    assert Image.open(tmp_path / "out" / "sheet.png").size == (96, 96)
    with pytest.raises(ValueError, match="side must be one of"):
        finish(training.train_gan(tmp_path / "data", tmp_path / "out", side=20))
    with pytest.raises(FileNotFoundError):
        finish(training.train_gan(tmp_path / "data", tmp_path / "other", resume=True))


# --- Files


@pytest.mark.parametrize(
    "network", [DCGANGenerator(4, 16, 2, classes=2), Autoencoder(4, 16, 2), ProgressiveGenerator(4, 16, 2)]
)
def test_a_file_says_how_it_is_built(network, tmp_path):
    config = training.config_of(network, 16)
    named = ("cat", "dog")[: network.classes]
    path = model.save(network, config, named, tmp_path / "a.safetensors")
    loaded, kinds = model.load(path)
    assert kinds == named
    with pytest.raises(ValueError, match="not a generator"):
        model.load(model.save(network, config, (*named, "cow"), tmp_path / "b.safetensors"))
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "about",
    [
        None,
        "{",
        '{"network": "Tensor", "config": {}, "kinds": []}',
        '{"network": "DCGANGenerator", "config": {"z_dim": 1000000}, "kinds": []}',
        '{"network": "DCGANGenerator", "config": {"depth": 1}, "kinds": []}',
        '{"network": "DCGANGenerator", "config": {"side": Infinity}, "kinds": []}',
        '{"network": "DCGANGenerator", "config": {"side": 256, "width": 256}, "kinds": []}',
        '{"network": "DCGANGenerator", "config": {}, "kinds": 3}',
        "[]",
    ],
)
def test_files_that_are_no_generators_are_refused(about, tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(2)}, path, {"about": about} if about else None)
    with pytest.raises(ValueError, match="not a generator that this app has trained"):
        model.load(path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"no")
    for name in ("a.safetensors", "none.safetensors"):
        with pytest.raises(ValueError, match="not a generator"):
            model.load(tmp_path / name)


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    network = DCGANGenerator(4, 16, 2)
    with torch.no_grad():
        network.layers[0].weight[0] = torch.nan
    path = model.save(network, training.config_of(network, 16), (), tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="not a generator"):
        model.load(path)
