from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

from gan_models.classic import GeneratePictures, evaluation, model, pictures, trainer
from gan_models.classic.backend import PictureGenerator
from gan_models.classic.families import FAMILIES
from gan_models.classic.network import NORMS, Autoencoder, DCGANGenerator, ProgressiveGenerator
from gan_models.classic.progressive import Progressive
from gan_models.classic.trainer import Classic
from gan_models.device import training_precision
from gan_models.jobs import finish
from gan_models.training.loop import fit
from tests.trainings import built, cancel, training

SMALL = {"batch_size": 4, "z_dim": 8, "width": 2}


@pytest.fixture(scope="module")
def sprites():
    return pictures.sprites(16, count=40)


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_learns_and_leaves_a_model_that_draws(sprites, tmp_path, name):
    steps = list(training(Classic, pictures=sprites, family=name, steps=3, **SMALL))
    assert [step.index for step in steps if "FID" not in step.losses] == [1, 2, 3]
    assert {"FID", "IS"} == set(steps[-1].losses)
    assert steps[-1].preview.shape == (6 * 16, 6 * 16, 3)
    path = model.save(*steps[-1].result, tmp_path / "a.safetensors")
    backend = PictureGenerator.load(path, "cpu")
    assert backend.kinds == (("legs", "round", "tall") if name == "cgan" else ())
    step, _ = backend.run(GeneratePictures.ask(seed="5", count=1))
    assert step.drawn.image.dtype == np.uint8
    assert step.drawn.image.shape[0] in (4, 8, 16)


@pytest.mark.parametrize(("name", "first"), [("dcgan", 6), ("dcgan", 4), ("progressive", 6)])
def test_a_training_goes_on_as_if_it_had_never_stopped(sprites, tmp_path, name, first):
    """Also where fewer steps were asked for at first, as long as rates haven't begun to fall."""
    options = {"pictures": sprites, "family": name, **SMALL}
    whole = finish(training(Classic, steps=6, **options))[0].state_dict()
    cancel(training(Classic, tmp_path, steps=first, **options), 3)
    again = list(training(Classic, tmp_path, resume=True, steps=6, **options))
    assert again[0].index == 4
    for key, value in again[-1].result[0].state_dict().items():
        torch.testing.assert_close(value, whole[key], msg=key)


@pytest.mark.parametrize("steps", [3, 2])
def test_a_training_that_has_had_its_steps_is_not_begun_again(sprites, tmp_path, steps):
    options = {"pictures": sprites, "family": "dcgan", **SMALL}
    finish(training(Classic, tmp_path, steps=3, **options))
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(ValueError, match="has had 3 steps"):
        finish(training(Classic, tmp_path, resume=True, steps=steps, **options))
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_a_grown_training_that_goes_on_does_not_shrink(sprites, tmp_path):
    for steps in (8, 30):
        growing = Classic(pictures=sprites, family="progressive", steps=steps, **SMALL)
        course = fit(growing, tmp_path, resume=steps == 30, device="cpu")
        grown = [float(growing.gan.generator.grown) for _ in course]
        assert grown == sorted(grown)
        assert grown[-1] == 2  # as far as 16 pixels go
    assert grown[0] == 2


@pytest.mark.parametrize(("steps", "last"), [(310, 0.33), (1000, 3), (20_000, 3)])
def test_a_training_that_goes_on_leaves_out_no_level(steps, last):
    gan, seen = Progressive.of_pictures(32, z_dim=4, width=2), []
    for done in range(300):  # of 2000
        gan.advance(done, 2000)
    for done in range(300, steps):
        gan.advance(done, steps)
        seen.append(float(gan.generator.grown))
    assert seen[0] < 0.1
    assert max(b - a for a, b in pairwise(seen)) <= 2 * (3 + 2) / steps + 1e-6
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(last, abs=0.01)


def test_the_averaged_generator_is_there_as_soon_as_it_is_shown(sprites, tmp_path):
    target, latents = tmp_path / "model.safetensors", torch.randn(4, 8)
    learning = Classic(pictures=sprites, family="dcgan", steps=60, **SMALL)
    steps = fit(learning, tmp_path, device="cpu")
    while (step := next(steps)).preview is None:
        assert not target.exists()
    steps.close()
    averaged = learning.ema.network
    torch.testing.assert_close(model.load(target)[0](latents), averaged(latents), atol=0.02, rtol=0)
    assert step.index == trainer.LEAST_BETWEEN


@pytest.mark.parametrize("name", ["dcgan", "aegan"])
def test_the_average_is_normalised_by_statistics_of_its_own(sprites, name):
    network = finish(training(Classic, pictures=sprites, family=name, steps=30, lr=0.01, **SMALL))[0]
    generator = getattr(network, "generator", network)
    latents = torch.randn(evaluation.SAMPLES, 8, generator=torch.Generator().manual_seed(0))
    first, norm = generator.layers[:2]
    seen = [first(part[:, :, None, None]).mean((0, 2, 3)) for part in latents.split(32)]
    torch.testing.assert_close(norm.running_mean, torch.stack(seen).mean(0))
    if name == "aegan":
        learned = sprites.split(evaluation.HELD_OUT)[0].pixels.float() / 127.5 - 1
        first, _, second, norm = network.encoder.layers[:4]
        seen = [second(F.leaky_relu(first(part), 0.2)).mean((0, 2, 3)) for part in learned.split(32)]
        torch.testing.assert_close(norm.running_mean, torch.stack(seen).mean(0))


def test_learning_brings_the_pictures_nearer(sprites):
    options = {"batch_size": 16, "z_dim": 16, "width": 8, "steps": 200, "lr": 1e-3}
    steps = training(Classic, pictures=sprites, family="dcgan", **options)
    distances = [step.losses["FID"] for step in steps if "FID" in step.losses]
    assert len(distances) == 8
    assert distances[-1] < 0.9 * distances[0]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 0}, "1 to 200000 steps"),
        ({"batch_size": 2}, "batch has 4 to 128"),
        ({"family": "vae"}, "family must be one of"),
        ({"width": 300}, "width must be 1 to 256"),
        ({"z_dim": 1}, "z_dim must be 2 to 512"),
        ({"lr": 0.0}, "rate must be above 0"),
        ({"lr_d": 0.2}, "at most 0.1, not 0.2"),
        ({"lr_d": float("nan")}, "at most 0.1, not nan"),
        ({"norm": "layer"}, "must be one of spectral, batch, none"),
        *(({"family": name, "norm": "batch"}, "bears no normalisation") for name in ("wgan-gp", "progressive")),
    ],
)
def test_bad_wishes_get_one_sentence(sprites, options, sentence):
    arguments = {"family": "gan", "steps": 3, "batch_size": 4} | options
    with pytest.raises(ValueError, match=sentence):
        Classic(pictures=sprites, **arguments)


@pytest.mark.parametrize("family", ["gan", "dcgan", "aegan"])
def test_rates_and_the_discriminators_norm_can_be_chosen(sprites, family):
    options = SMALL | {"lr": 3e-3, "lr_d": 4e-3}
    for norm in NORMS:
        gan = built(Classic, pictures=sprites, family=family, norm=norm, **options).gan
        assert [gan.optimizers[part].defaults["lr"] for part in "gd"] == [3e-3, 4e-3]
        parts = list(gan.discriminator.modules())
        assert any(isinstance(part, torch.nn.BatchNorm2d) for part in parts) == (norm == "batch")
        assert any(hasattr(part, "parametrizations") for part in parts) == (norm == "spectral")


def test_a_conditional_gan_needs_kinds(sprites):
    alike = pictures.Pictures(sprites.pixels, torch.zeros_like(sprites.labels), ("",))
    many = pictures.Pictures(sprites.pixels, sprites.labels, tuple(map(str, range(51))))
    for source in (alike, many):
        with pytest.raises(ValueError, match="learns 2 to 50 kinds"):
            Classic(pictures=source, family="cgan", steps=3)


def test_a_checkpoint_of_another_family_is_refused(sprites, tmp_path):
    finish(training(Classic, tmp_path, pictures=sprites, family="dcgan", steps=1, **SMALL))
    for name in ("aegan", "gan"):  # the latter has the same networks
        with pytest.raises(ValueError, match="other data or options"):
            finish(training(Classic, tmp_path, resume=True, pictures=sprites, family=name, steps=2, **SMALL))


def test_numbers_that_run_away_are_named(sprites, tmp_path):
    options = {"pictures": sprites, "family": "wgan", **SMALL}
    finish(training(Classic, tmp_path, steps=1, **options))
    before = (tmp_path / "checkpoint.pt").read_bytes()
    learning = Classic(steps=9, **options)
    steps = fit(learning, tmp_path, resume=True, device="cpu")
    step = next(steps)
    with torch.no_grad():
        next(learning.gan.generator.parameters()).fill_(torch.nan)
    with pytest.raises(ValueError, match="diverged at step 3"):
        finish(steps)
    assert step.index == 2
    assert (tmp_path / "checkpoint.pt").read_bytes() == before, "what was good is written over"


def test_each_of_the_critics_steps_sees_the_weights_of_the_one_before(sprites):
    """Copies of weights in half precision must not outlive a step."""
    torch.manual_seed(0)
    gan, batch = FAMILIES["wgan"].of_pictures(16, z_dim=8, width=4, lr=1e-3), sprites.batch(8)
    latents = torch.randn(8, 8)
    gan.latents = lambda count: latents
    with training_precision(torch.device("cpu")):
        losses = [gan.train_discriminator(*batch)["discriminator"] for _ in range(4)]
    assert len(set(losses)) == 4


def test_a_training_on_a_folder_leaves_a_model_and_a_sheet(tmp_path):
    (tmp_path / "data").mkdir()
    for number, pixels in enumerate(pictures.sprites(20, count=10).pixels):
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(tmp_path / "data" / f"{number}.png")
    sizes = {"side": 16, "batch_size": 4, "z_dim": 5, "width": 2}
    options = {"steps": 2, "trim": True, "lr": 1e-3, "lr_d": 1e-4} | sizes
    finish(training(trainer.train_wgan_gp, tmp_path / "out", data=tmp_path / "data", **options))
    network, _ = model.load(tmp_path / "out" / "wgan-gp.safetensors")
    assert isinstance(network, DCGANGenerator)
    assert (network.z_dim, network.width) == (5, 2)
    assert Image.open(tmp_path / "out" / "sheet.png").size == (96, 96)
    with pytest.raises(ValueError, match="side must be one of"):
        trainer.train_gan(data=tmp_path / "data", side=20)
    with pytest.raises(FileNotFoundError):
        finish(training(trainer.train_gan, tmp_path / "other", resume=True, data=tmp_path / "data"))


# --- Files


@pytest.mark.parametrize(
    "network", [DCGANGenerator(4, 16, 2, classes=2), Autoencoder(4, 16, 2), ProgressiveGenerator(4, 16, 2)]
)
def test_a_file_says_how_it_is_built(network, tmp_path):
    config = trainer.config_of(network, 16)
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
    path = model.save(network, trainer.config_of(network, 16), (), tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="not a generator"):
        model.load(path)
