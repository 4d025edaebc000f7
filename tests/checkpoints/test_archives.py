"""Weights that come as an archive of checkpoints: the published face controller."""

import pytest
import torch

from gan_models import checkpoints
from gan_models.checkpoints import WeightsError, hub
from gan_models.gan_control.convert import from_published
from tests.checkpoints.conftest import FILE, REPO
from tests.gan_control import published

NETWORK, CONVERT = "gan_models.gan_control.model:ControlledGenerator", "gan_models.gan_control.convert:from_published"


@pytest.fixture
def contents():
    return published.files()


def test_the_archive_loads_from_the_hub(server, register, contents):
    server.add(REPO, FILE, published.archive(contents))
    register(format="archive", network=NETWORK, convert=CONVERT, config=published.CONFIG)
    loaded = checkpoints.load("tiny", "cpu")
    expected = from_published(contents)
    assert loaded.state_dict().keys() == expected.keys()
    for name, value in loaded.state_dict().items():
        torch.testing.assert_close(value, expected[name])


def test_an_archive_without_a_generator_is_moved_aside(server, register, contents):
    del contents["controller/generator/checkpoint/800000.pt"]
    server.add(REPO, FILE, published.archive(contents))
    model = register(format="archive", network=NETWORK, convert=CONVERT, config=published.CONFIG)
    with pytest.raises(WeightsError, match="the parameter 'generator' is missing; the file was moved aside"):
        checkpoints.load("tiny", "cpu")
    assert not hub.ready(model)


def test_what_is_no_archive_is_moved_aside(server, register):
    server.add(REPO, FILE, b"\x1f\x8b" + b"nothing" * 99)
    model = register(format="archive", network=NETWORK, convert=CONVERT, config=published.CONFIG)
    with pytest.raises(WeightsError, match="is damaged or no archive file"):
        checkpoints.load("tiny", "cpu")
    assert not hub.ready(model)


def test_an_archive_that_unpacks_to_far_more_is_refused(server, register, contents):
    contents["controller/x/checkpoint/1.pt"] = {"zeros": torch.zeros(2_000_000)}
    server.add(REPO, FILE, published.archive(contents))
    register(format="archive", network=NETWORK, convert=CONVERT, config=published.CONFIG)
    with pytest.raises(WeightsError, match="would unpack to more than 20 times its size"):
        checkpoints.load("tiny", "cpu")
