import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from gan_models import checkpoints
from gan_models.jobs import finish
from gan_models.metrics import fid, inception_score, kid, sets, sliced_wasserstein

SIDE = 32


def measure_sets(*arguments, **options):
    return sets.measure_sets(*arguments, **{"side": SIDE, "features": "features-compact", "device": "cpu"} | options)


def squares(count, seed, *, level=0, side=SIDE):
    """Return N×side×side×3 uint8: a square of some colour on a ground of another."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 120, (count, 1, 1, 3)) + np.zeros((1, side, side, 1), int)
    pictures[:, side // 4 : -side // 4, side // 4 : -side // 4] += rng.integers(0, 100, (count, 1, 1, 3))
    return np.clip(pictures + rng.normal(0, level, pictures.shape), 0, 255).astype(np.uint8)


def archive(path, pictures):
    with zipfile.ZipFile(path, "w") as target:
        for number, picture in enumerate(pictures):
            stream = io.BytesIO()
            Image.fromarray(picture).save(stream, "PNG")
            target.writestr(f"{number:03}.png", stream.getvalue())
    return path


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return archive(tmp_path_factory.mktemp("sets") / "one.zip", squares(40, 0))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return archive(tmp_path_factory.mktemp("sets") / "other.zip", squares(33, 1, level=25))


def test_the_figures_are_those_of_the_features(one, other):
    found = finish(measure_sets([one], [other]))
    network = checkpoints.load("features-compact", "cpu")
    x, y = (torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255 for pictures in _both())
    with torch.inference_mode():
        a, b = (network.pooled(pictures) for pictures in (x, y))
        classes = network.classifier(a).softmax(1)
    assert found["fid"] == pytest.approx(fid(a.numpy(), b.numpy()), rel=1e-3)
    assert found["kid"] == pytest.approx(kid(a.numpy(), b.numpy()), rel=1e-3)
    assert found["inception_score"] == pytest.approx(inception_score(classes.numpy(), 1)[0], rel=1e-4)
    assert found["inception_score_deviation"] is None
    assert found["sliced_wasserstein"] == pytest.approx(sliced_wasserstein(*_both()).average, rel=1e-6)
    assert (found["images"], found["references"], found["features"]) == (40, 33, "features-compact")
    assert "fewer than 2,048" in found["note"]


def _both():
    return squares(40, 0), squares(33, 1, level=25)


def test_a_set_is_at_no_distance_from_itself_and_the_same_twice(one, other):
    found = finish(measure_sets([one], [one]))
    assert found["fid"] == pytest.approx(0, abs=1e-6)
    assert found["sliced_wasserstein"] == 0
    assert finish(measure_sets([one], [one])) == found


def test_more_noise_is_farther(one, tmp_path):
    noisy = [archive(tmp_path / f"{level}.zip", squares(40, 0, level=level)) for level in (10, 40)]
    near, far = (finish(measure_sets([path], [one])) for path in noisy)
    for name in ("fid", "kid", "sliced_wasserstein"):
        assert near[name] < far[name]


def test_files_and_sizes_may_be_mixed_and_small_ones_are_not_looked_at_in_detail(one, tmp_path):
    paths = [one]
    for number, size in enumerate(((80, 100), (20, 70))):
        paths.append(tmp_path / f"{number}.png")
        Image.effect_noise(size, 50).save(paths[-1])
    found = finish(measure_sets(paths, [one]))
    assert found["images"] == 42
    assert "sliced_wasserstein" not in found
    assert "smaller than the squares" in found["note"]


def test_large_sets_are_scored_in_parts_and_say_nothing_of_being_small(one, tmp_path, monkeypatch):
    monkeypatch.setattr(sets, "ENOUGH", 40)
    monkeypatch.setattr(sets, "WHOLE", 40)
    found = finish(measure_sets([one], [one]))
    assert found["inception_score_deviation"] > 0
    assert "fewer" not in found["note"]


def test_inception_sees_whole_pictures_at_its_own_size(one, other, monkeypatch):
    network, seen = torch.nn.Module(), []
    network.fc = torch.nn.Linear(3, 10)
    network.pooled = lambda pictures: seen.append(pictures.shape) or pictures.mean((2, 3))
    monkeypatch.setattr(sets.models, "get", lambda key, load: network)
    found = finish(measure_sets([one], [other], features="inception-fid"))
    assert set(seen) == {(n, 3, 299, 299) for n in (32, 8, 1)}
    assert found["features"] == "inception-fid"
    assert "published" in found["note"]


def test_steps_tell_of_each_batch_and_closing_ends_them(one, other):
    steps = measure_sets([one], [other])
    assert next(steps).message == "The first set: 32 pictures"
    steps.close()
    assert list(steps) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"features": "vgg19"}, "features-compact or inception-fid, not of “vgg19”"),
        ({"side": 48}, "32, 64, 128 pixels, not 48"),
        ({"most": 39}, "39 at most"),
    ],
)
def test_bad_options_get_one_sentence(one, other, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        finish(measure_sets([one], [other], **options))


@pytest.mark.parametrize(("count", "sentence"), [(0, "no pictures in this archive"), (1, "second set has only one")])
def test_sets_of_none_or_one_get_one_sentence(one, tmp_path, count, sentence):
    with pytest.raises(ValueError, match=sentence):
        finish(measure_sets([one], [archive(tmp_path / "a.zip", squares(count, 0))]))
    with pytest.raises(ValueError, match="second set has none"):
        finish(measure_sets([one], []))


def test_a_damaged_picture_is_named(one, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"broken\.png: This file is not a picture"):
        finish(measure_sets([one], [one, tmp_path / "broken.png"]))
