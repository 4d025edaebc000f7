"""Face control as other people's code calls it."""

import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from gan_models.images import decode, read_provenance


@pytest.fixture(scope="module")
def client(app):
    return Client(app.url, verbose=False)


def test_a_face_is_drawn_as_it_is_asked_for(client):
    path, _ = client.predict(seed="3", controls={"age": 65, "light": 1}, api_name="/control_face")
    record = read_provenance(path)
    assert (record["task"], record["seed"], record["weights"]) == ("face-control", 3, "faces-control-compact")
    assert record["settings"]["controls"] == {"age": 65, "light": 1}
    young, *_ = client.predict(seed="3", controls={"age": 8, "light": -1}, api_name="/control_face")
    found, other = (read_provenance(one)["settings"]["measured"] for one in (path, young))
    assert found["age"] > other["age"] + 20
    assert found["light"] > other["light"] + 0.5
    assert decode(path).shape == (64, 64, 3)


def test_nothing_asked_for_gives_the_seeds_own_face(client):
    first, *_ = client.predict(seed="5", api_name="/control_face")
    again, *_ = client.predict(seed="5", controls={}, api_name="/control_face")
    np.testing.assert_array_equal(decode(first), decode(again))


def test_a_sheet_has_a_row_for_each_face(client):
    path, *_ = client.predict(seeds="1-3", control="pose", columns=4, api_name="/control_sheet")
    assert decode(path).shape == (3 * 64, 4 * 64, 3)
    settings = read_provenance(path)["settings"]
    assert settings["values"] == pytest.approx([-2, -2 / 3, 2 / 3, 2])


@pytest.mark.parametrize(
    ("endpoint", "options", "problem"),
    [
        ("/control_face", {"controls": {"beard": 1}}, "no control “beard”"),
        ("/control_face", {"controls": {"age": 900}}, "from 5 to 80"),
        ("/control_face", {"controls": [60]}, "Controls must be numbers by name"),
        ("/control_face", {"model": "faces-compact"}, "are for faces"),
        ("/control_face", {"seed": "somebody"}, "is no seed"),
        ("/control_sheet", {"control": "beard"}, "beard"),
        ("/control_sheet", {"seeds": "1-9"}, "1 to 6 faces"),
    ],
)
def test_what_cannot_be_asked_for_gets_one_sentence(client, endpoint, options, problem):
    with pytest.raises(AppError, match=problem):
        client.predict(api_name=endpoint, **options)
