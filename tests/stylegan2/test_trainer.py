from functools import partial
from math import inf

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.jobs import finish
from gan_models.nn.losses import discriminator_loss, r1_penalty
from gan_models.stylegan2 import trainer
from gan_models.stylegan2.network import Discriminator, Generator
from gan_models.stylegan2.trainer import PathLength, StyleGAN2, adam, mixed_styles, sheet
from gan_models.training.augment import AdaptiveAugment
from gan_models.training.loop import descend
from tests.trainings import cancel, checkpoint, training

CPU = torch.device("cpu")
SIZES = {"img_resolution": 8, "img_channels": 3, "channel_base": 32, "channel_max": 4}
SMALL = {"resolution": 8, "batch_size": 4, "channels": 4}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Train small networks."""
    for name, value in {"latent": 6, "mapping_layers": 2}.items():
        monkeypatch.setattr(StyleGAN2, name, value)
    monkeypatch.setattr(trainer, "SHEET", 2)


@pytest.fixture
def data(tmp_path):
    """A folder of five pictures of different sizes, yellow to red, each with a darker left half."""
    folder = tmp_path / "data"
    folder.mkdir()
    for index, (height, width) in enumerate([(8, 8), (10, 16), (16, 8), (24, 24), (9, 8)]):
        picture = np.full((height, width, 3), [250, 200 - 40 * index, 10], np.uint8)
        picture[:, : width // 2] -= 10
        Image.fromarray(picture).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def eager(monkeypatch):
    """Augment strongly from the fourth step on, so that a run's course depends on all that is random in it."""
    monkeypatch.setattr(StyleGAN2, "augmentation", partial(AdaptiveAugment, target=-2, speed=64))


def small_generator(latent=6):
    torch.manual_seed(0)
    return Generator(latent, 0, latent, num_mapping_layers=2, **SIZES)


def small_discriminator():
    torch.manual_seed(0)
    return Discriminator(0, **SIZES)


def built(data):
    """A trainer that is ready for its first step."""
    trainer = StyleGAN2(data=data, **SMALL)
    trainer.device = CPU
    trainer.build()
    return trainer


def train(data, out, **options):
    return training(StyleGAN2, out, data=data, **options)


def leaves(state, path=""):
    """Yield what a nested state holds, each with its path."""
    if isinstance(state, dict | list | tuple):
        for key, part in state.items() if isinstance(state, dict) else enumerate(state):
            yield from leaves(part, f"{path}/{key}")
    else:
        yield path, state


def differences(a, b):
    """The paths of what is not equal to the last bit."""
    a, b = dict(leaves(a)), dict(leaves(b))
    assert a.keys() == b.keys()
    return [path for path in a if not np.array_equal(a[path], b[path])]


# --- Regularisers against finite differences


@pytest.fixture
def double(monkeypatch):
    """Leave out the networks' casts to float32, so that they compute in float64."""
    monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor)


def assert_gradients(network, penalty, step=1e-6):
    """Compare the gradients that `backward` left with central differences at three places of each parameter."""
    alive = 0
    for parameter in network.parameters():
        values = parameter.data.view(-1)
        found = torch.zeros_like(values) if parameter.grad is None else parameter.grad.reshape(-1)
        for place in np.unique(np.linspace(0, len(values) - 1, 3, dtype=int)).tolist():
            before = values[place].item()
            values[place] = before + step
            above = penalty().item()
            values[place] = before - step
            below = penalty().item()
            values[place] = before
            expected = (above - below) / (2 * step)
            assert found[place].item() == pytest.approx(expected, rel=1e-4, abs=1e-7)
            alive += abs(expected) > 1e-5
    assert alive > 15


@pytest.mark.usefixtures("double")
def test_r1_is_the_squared_length_of_the_gradient_at_the_pictures():
    discriminator = small_discriminator().double().requires_grad_(False)
    pictures = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    shifts = 1e-6 * torch.eye(pictures.numel(), dtype=torch.float64).view(-1, *pictures.shape)
    slopes = [(discriminator(pictures + shift) - discriminator(pictures - shift)).sum() / 2e-6 for shift in shifts]
    expected = torch.stack(slopes).square().sum() / 2  # the mean of two pictures
    pictures.requires_grad_()
    assert r1_penalty(discriminator(pictures), pictures).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.usefixtures("double")
def test_the_gradient_of_r1_is_that_of_finite_differences():
    discriminator = small_discriminator().double()
    pictures = torch.randn(4, 3, 8, 8, dtype=torch.float64).requires_grad_()

    def penalty():
        return r1_penalty(discriminator(pictures), pictures)

    penalty().backward()
    assert_gradients(discriminator, penalty)


@pytest.mark.usefixtures("double")
def test_path_length_is_how_much_pictures_change_with_w():
    generator = small_generator().double().requires_grad_(False)
    ws = torch.randn(2, generator.num_ws, 6, dtype=torch.float64)
    path_length = PathLength().double()
    path_length.mean.fill_(2)
    torch.manual_seed(3)
    noise = torch.randn_like(generator.synthesis(ws, "const")) / 8

    def projection(ws):
        return (generator.synthesis(ws, "const") * noise).sum()

    shifts = 1e-6 * torch.eye(ws.numel(), dtype=torch.float64).view(-1, *ws.shape)
    slopes = torch.stack([(projection(ws + shift) - projection(ws - shift)) / 2e-6 for shift in shifts])
    lengths = slopes.view_as(ws).square().sum((1, 2)).div(generator.num_ws).sqrt()
    average = 0.99 * 2 + 0.01 * lengths.mean()

    torch.manual_seed(3)
    ws.requires_grad_()
    found = path_length(generator.synthesis(ws, "const"), ws)
    assert found.item() == pytest.approx((lengths - average).square().mean().item(), rel=1e-6)
    assert path_length.mean.item() == pytest.approx(average.item(), rel=1e-6)


@pytest.mark.usefixtures("double")
def test_the_gradient_of_the_path_length_is_that_of_finite_differences():
    generator = small_generator().double()
    z = torch.randn(2, 6, dtype=torch.float64)
    path_length = PathLength().double()

    def drawn():
        torch.manual_seed(3)
        ws = generator.mapping(z)
        return generator.synthesis(ws, "const"), ws

    def penalty():
        """The formula, with the average as it stands."""
        pictures, ws = drawn()
        (slopes,) = torch.autograd.grad((pictures * torch.randn_like(pictures)).sum() / 8, ws)
        lengths = slopes.square().sum((1, 2)).div(generator.num_ws).sqrt()
        return (lengths - path_length.mean).square().mean()

    path_length(*drawn()).backward()
    assert_gradients(generator, penalty)


# --- Optimisers, styles, pictures


@pytest.mark.parametrize(("every", "share"), [(16, 16 / 17), (8, 8 / 9), (inf, 1)])
def test_adam_is_corrected_for_the_steps_of_a_lazy_regulariser(every, share):
    """Karras et al. 2020a, appendix B: λ' = c·λ and β' = β^c with c = k / (k + 1)."""
    network = torch.nn.Linear(2, 2)
    (group,) = adam(network, 0.002, every).param_groups
    assert group["lr"] == pytest.approx(0.002 * share)
    assert group["betas"] == (0, pytest.approx(0.99**share))
    assert group["params"] == list(network.parameters())


def test_as_many_steps_as_a_plain_adam_forget_as_much():
    betas = [adam(torch.nn.Linear(1, 1), 1.0, every).param_groups[0]["betas"][1] for every in (16, inf)]
    assert betas[0] ** 17 == pytest.approx(betas[1] ** 16)


def test_styles_change_at_a_random_layer(monkeypatch):
    monkeypatch.setattr(trainer, "STYLE_MIXING", 1)
    generator = small_generator()
    ws = mixed_styles(generator, 200, CPU)
    assert ws.shape == (200, generator.num_ws, 6)
    changes = (ws[:, 1:] != ws[:, :-1]).any(2)
    assert (changes.sum(1) == 1).all()
    assert changes.any(0).all()
    assert ws[:, 0].unique(dim=0).shape == ws[:, -1].unique(dim=0).shape == (200, 6)


def test_a_share_of_the_latents_changes_its_style(monkeypatch):
    generator = small_generator()
    for share in (0, 0.5, 0.9):
        monkeypatch.setattr(trainer, "STYLE_MIXING", share)
        ws = mixed_styles(generator, 1000, CPU)
        mixed = (ws[:, 0] != ws[:, -1]).any(1).float().mean().item()
        assert mixed == pytest.approx(share, abs=0.06)


def test_drawing_styles_tracks_their_average():
    generator = small_generator()
    for _ in range(400):
        mixed_styles(generator, 64, CPU)
    expected = generator.mapping(torch.randn(20_000, 6))[:, 0].mean(0)
    share = 1 - 0.995**400
    torch.testing.assert_close(generator.mapping.w_avg, share * expected, atol=0.02, rtol=0)
    assert not generator.mapping.w_avg.requires_grad


def test_styles_reach_the_mapping_with_their_gradient():
    generator = small_generator()
    mixed_styles(generator, 4, CPU).square().sum().backward()
    assert generator.mapping.fc0.weight.grad.abs().sum() > 0


def test_batches_hold_the_pictures_and_their_mirrors(data):
    learning = built(data)
    batch = learning.real_batch(200)
    assert batch.shape == (200, 3, 8, 8)
    originals = learning.reals.batch(torch.arange(5)) / 127.5 - 1
    either = torch.cat([originals, originals.flip(3)])
    kinds = (batch[:, None] - either[None]).abs().amax((2, 3, 4)) < 1e-6
    assert (kinds.sum(1) == 1).all()
    assert (kinds.sum(0) > 5).all()


def test_a_sheet_shows_the_pictures_of_its_seed_row_by_row():
    generator = small_generator()
    picture = sheet(generator, seed=3, truncation=0.8)
    assert picture.shape == (16, 16, 3)
    assert picture.dtype == np.uint8
    z = torch.randn(4, 6, generator=torch.Generator().manual_seed(3))
    for index, one in enumerate(generator(z, None, 0.8, noise_mode="const")):
        top, left = 8 * (index // 2), 8 * (index % 2)
        expected = (one.detach().permute(1, 2, 0).numpy() * 127.5 + 127.5).clip(0, 255)
        assert np.abs(picture[top : top + 8, left : left + 8] - expected).max() <= 1
    assert not np.array_equal(sheet(generator, seed=4), sheet(generator, seed=3))


# --- Learning


def test_the_discriminator_learns_to_tell_noise_from_pictures(data):
    discriminator, learning = small_discriminator(), built(data)
    optimizer = adam(discriminator, 0.01, 16)
    losses = []
    for _ in range(40):
        loss = discriminator_loss(discriminator(learning.real_batch(8)), discriminator(torch.randn(8, 3, 8, 8)))
        descend(optimizer, loss)
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.3 * np.mean(losses[:5])


def test_the_generator_learns_the_colours_of_the_pictures(data, tmp_path):
    sheets = [finish(train(data, tmp_path / "out", steps=steps, lr=0.01, **SMALL)) for steps in (1, 100)]
    before, after = (picture[:, :, 0].mean() - picture[:, :, 2].mean() for picture in sheets)
    assert before < 60  # red less blue
    assert after > 150


# --- Runs


def test_a_run_leaves_weights_that_load_strictly(data, tmp_path):
    steps = list(train(data, tmp_path / "out", steps=3, **SMALL))
    assert [step.index for step in steps] == sorted(step.index for step in steps)
    assert (steps[-1].index, steps[-1].total) == (3, 3)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"checkpoint.pt", "sheet.png", "generator.safetensors"}
    state = load_state_dict_file(tmp_path / "out" / "generator.safetensors", "safetensors")
    assert all(value.dtype == torch.float16 for value in state.values())
    network = Generator(6, 0, 6, 8, 3, num_mapping_layers=2, channel_base=256, channel_max=4)
    network.load_state_dict(state, strict=True)
    written = cv2.imread(str(tmp_path / "out" / "sheet.png"))[:, :, ::-1]
    assert np.array_equal(written, steps[-1].result)
    assert np.abs(sheet(network.eval()).astype(int) - steps[-1].result).max() <= 2


def test_losses_are_told_every_twenty_steps(data, tmp_path):
    steps = [step for step in train(data, tmp_path / "out", steps=41, **SMALL) if step.losses]
    assert [step.index for step in steps] == [20, 40, 41]
    for step in steps:
        assert step.losses.keys() == {"generator", "discriminator", "augmentation"}
        assert np.isfinite(list(step.losses.values())).all()


@pytest.mark.usefixtures("eager")
def test_one_seed_gives_one_result(data, tmp_path):
    for out, seed in (("a", 5), ("b", 5), ("c", 6)):
        finish(train(data, tmp_path / out, steps=5, seed=seed, **SMALL))
    a, b, c = (checkpoint(tmp_path / out) for out in "abc")
    assert differences(a, b) == []
    assert len(differences(a, c)) > 50


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("path_weight", [0, 2])
@pytest.mark.parametrize("stop", [4, 8, 12])
def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(data, tmp_path, monkeypatch, stop, path_weight):
    monkeypatch.setattr(StyleGAN2, "report_every", 1)
    options = {**SMALL, "path_weight": path_weight}
    finish(train(data, tmp_path / "through", steps=18, **options))
    cancel(train(data, tmp_path / "in parts", steps=18, **options), after=stop)
    finish(train(data, tmp_path / "in parts", steps=18, resume=True, **options))
    assert differences(checkpoint(tmp_path / "through"), checkpoint(tmp_path / "in parts")) == []


def test_a_run_that_is_not_resumed_begins_anew(data, tmp_path):
    finish(train(data, tmp_path / "out", steps=2, **SMALL))
    first = checkpoint(tmp_path / "out")
    finish(train(data, tmp_path / "out", steps=2, **SMALL))
    assert differences(checkpoint(tmp_path / "out"), first) == []


def test_a_finished_run_can_be_resumed(data, tmp_path):
    result = finish(train(data, tmp_path / "out", steps=2, **SMALL))
    (tmp_path / "out" / "generator.safetensors").unlink()
    assert np.array_equal(finish(train(data, tmp_path / "out", steps=2, resume=True, **SMALL)), result)
    assert (tmp_path / "out" / "generator.safetensors").exists()


@pytest.mark.usefixtures("eager")
def test_augmentation_follows_the_pictures_seen(data, tmp_path):
    """Aimed below every sign it rises by one in 64 pictures, of which a step takes four."""
    rates = []
    for steps in (3, 4, 11, 20):
        finish(train(data, tmp_path / "out", steps=steps, **SMALL))
        rates.append(checkpoint(tmp_path / "out")["augment"]["p"].item())
    assert rates == [3 / 16, 4 / 16, 11 / 16, 1]


def test_the_path_length_counts_when_it_is_asked_for(data, tmp_path):
    for weight, name in ((0, "without"), (2, "with")):
        finish(train(data, tmp_path / name, steps=1, path_weight=weight, **SMALL))
    without, with_it = checkpoint(tmp_path / "without"), checkpoint(tmp_path / "with")
    assert without["path_length"]["mean"] == 0
    assert with_it["path_length"]["mean"] > 0
    assert differences(without["discriminator"], with_it["discriminator"]) == []
    assert differences(without["generator"], with_it["generator"]) != []


def test_resuming_needs_a_checkpoint(data, tmp_path):
    with pytest.raises(FileNotFoundError):
        finish(train(data, tmp_path / "nothing", steps=2, resume=True, **SMALL))


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="No pictures"):
        finish(train(tmp_path / "empty", tmp_path / "out", steps=1, **SMALL))


def test_an_odd_resolution_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="power of 2"):
        finish(train(data, tmp_path / "out", steps=1, resolution=12))
