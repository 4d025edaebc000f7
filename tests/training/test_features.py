import numpy as np
import pytest
import torch
from PIL import Image

from gan_models.checkpoints import registry
from gan_models.checkpoints.loading import load_state_dict_file
from gan_models.jobs import finish
from gan_models.nn.features.network import VGG
from gan_models.training import features
from gan_models.training.features import Features
from tests.trainings import cancel, same, training

SMALL = {"batch_size": 8, "epochs": 1, "settling": 0}
COLOURS = {"a-red": (200, 40, 40), "b-blue": (40, 40, 200)}


def write_mosaic(path, colour, rows=3, columns=4):
    """A mosaic of noisy tiles; the tile in row r and column c is darker by 10·(r·columns + c)."""
    shade = 10 * np.arange(rows * columns).reshape(rows, columns)
    shade = shade.repeat(features.TILE, 0).repeat(features.TILE, 1)
    noise = np.random.default_rng(0).integers(0, 8, (*shade.shape, 3))
    picture = np.clip(np.array(colour) - shade[..., None] // 4 + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=95)


@pytest.fixture
def data(tmp_path):
    """Two classes of twelve pictures each to train on, and two to test with."""
    for name, colour in COLOURS.items():
        write_mosaic(tmp_path / "data" / "train" / name / "0.jpg", colour)
        write_mosaic(tmp_path / "data" / "test" / name / "0.jpg", colour, 1, 2)
    return tmp_path / "data"


def train(data, out, **options):
    return training(Features, out, data=data, **options)


def weights(folder):
    return load_state_dict_file(folder / "features.safetensors", "safetensors")


def test_a_run_leaves_weights_that_load_strictly(data, tmp_path):
    steps = list(train(data, tmp_path / "out", **SMALL))
    assert (steps[-1].index, steps[-1].total) == (3, 3)
    assert steps[-1].result in (0.0, 0.25, 0.5, 0.75, 1.0)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"checkpoint.pt", "features.safetensors"}
    network = VGG(**registry.get("features-compact").config | {"num_classes": 2})
    network.load_state_dict(weights(tmp_path / "out"), strict=True)
    assert all(value.dtype == torch.float16 for value in weights(tmp_path / "out").values())
    assert network.probe().isfinite().all()


def test_one_seed_gives_one_result(data, tmp_path):
    for out, seed in (("a", 5), ("b", 5), ("c", 6)):
        finish(train(data, tmp_path / out, seed=seed, **SMALL))
    a, b, c = (weights(tmp_path / out) for out in "abc")
    assert same(a, b)
    assert not same(a, c)


def test_an_interrupted_run_goes_on_as_if_it_had_never_stopped(data, tmp_path, monkeypatch):
    finish(train(data, tmp_path / "unbroken", batch_size=8, epochs=1, settling=1))
    cancel(train(data, tmp_path / "broken", batch_size=8, epochs=1, settling=1), after=3)
    seen, changed = [], features.changed
    monkeypatch.setattr(features, "changed", lambda *given: seen.append(len(given[0])) or changed(*given))
    finish(train(data, tmp_path / "broken", batch_size=8, epochs=1, settling=1, resume=True))
    assert seen == [8, 8, 8]
    assert same(weights(tmp_path / "broken"), weights(tmp_path / "unbroken"))


def test_a_finished_run_can_be_resumed(data, tmp_path):
    share = finish(train(data, tmp_path / "out", **SMALL))
    before = weights(tmp_path / "out")
    assert finish(train(data, tmp_path / "out", resume=True, **SMALL)) == share
    assert same(weights(tmp_path / "out"), before)


def test_the_learning_rate_keeps_step(data, tmp_path):
    finish(train(data, tmp_path / "out", **SMALL))
    state = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    assert state["step"] == state["schedule"]["last_epoch"] == 3


def test_training_learns_to_tell_two_colours_apart(data, tmp_path, monkeypatch):
    monkeypatch.setattr(
        features, "compact_network", lambda *given: VGG((8, 8), (1, 1), "average", given[0], num_classes=given[1])
    )
    assert finish(train(data, tmp_path / "out", batch_size=8, epochs=7, settling=1)) == 1


def test_too_few_pictures_are_refused_in_words(data, tmp_path):
    with pytest.raises(ValueError, match="24 pictures"):
        finish(train(data, tmp_path / "out", batch_size=25, epochs=1))


def test_the_learning_rate_rises_falls_and_settles():
    rates = [features.rate(step, 100, 120) for step in range(120)]
    assert max(rates) == rates[20] == features.LEARNING_RATE
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:100] == sorted(rates[20:100], reverse=True)
    assert rates[100] == features.SETTLING_RATE
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert 0 < rates[-1] < 0.001


def test_the_last_epochs_are_at_the_pictures_own_size(data, tmp_path, monkeypatch):
    sizes, changed, changes = [], features.changed, features.changes
    monkeypatch.setattr(features, "changed", lambda *given: sizes.append((given[2], zooms[-1])) or changed(*given))
    zooms = []
    monkeypatch.setattr(features, "changes", lambda count, zoom: zooms.append(zoom) or changes(count, zoom))
    monkeypatch.setattr(features, "SIZES", (40,))
    finish(train(data, tmp_path / "out", batch_size=8, epochs=1, settling=1))
    assert sizes == [(40, features.ZOOM)] * 3 + [(32, 1)] * 3


def test_mosaics_are_cut_into_tiles_row_by_row(tmp_path):
    write_mosaic(tmp_path / "b" / "0.jpg", (200, 120, 40))
    write_mosaic(tmp_path / "a" / "0.jpg", (40, 120, 200), 1, 1)
    pictures, labels = features.load_mosaics(tmp_path)
    assert pictures.shape == (13, 3, 32, 32)
    assert pictures.dtype == torch.uint8
    assert labels.tolist() == [0] + [1] * 12
    red, _, blue = pictures.float().mean((2, 3)).T
    assert blue[0] > red[0] + 100
    expected = torch.tensor([200 - 10 * index // 4 + 3.5 for index in range(12)])
    torch.testing.assert_close(red[1:], expected, rtol=0, atol=2)


def test_a_folder_without_mosaics_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match="No pictures"):
        features.load_mosaics(tmp_path)


def test_augmented_pictures_stay_pictures_and_differ():
    torch.manual_seed(0)
    pictures = torch.rand(8, 3, 32, 32) * torch.linspace(0.2, 1, 32)
    for size in (32, 40, 48):
        changed = features.changed(pictures, features.changes(8, 1.25), size)
        assert changed.shape == (8, 3, size, size)
        assert 0 <= changed.min() <= changed.max() <= 1 + 1e-6
    brighter_right = (changed[..., 16:].mean((1, 2, 3)) > changed[..., :16].mean((1, 2, 3))).tolist()
    assert len(set(brighter_right)) == 2


def test_accuracy_is_the_share_of_right_answers():
    torch.manual_seed(0)
    network = features.compact_network(batch_norm=False).eval()
    pictures = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        labels = network.logits(pictures / 255).argmax(1)
    labels = labels.clone()
    assert features.accuracy(network.logits, pictures, labels) == 1
    labels[:2] = (labels[:2] + 1) % 10
    assert features.accuracy(network.logits, pictures, labels) == pytest.approx(4 / 6)
