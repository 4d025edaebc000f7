"""Files come from the folder of uploads and in no other way, whatever a caller says of them."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

META = {"_type": "gradio.FileData"}
FILMS = ("dehaze_film", "deblur_film", "fast_stylize_film", "translate_film")


@pytest.fixture(scope="module")
def client(app):
    return Client(app.url, verbose=False)


@pytest.fixture
def listener():
    """Yield an address that nobody may reach."""
    reached = []

    def accept():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:  # closed
                return
            reached.append(connection.recv(1000))
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/a.mp4"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert reached == []


def ways(address):
    """Return what a caller may say of a file at `address`."""
    return {
        "stream": {"path": address, "is_stream": True, "meta": META},
        "stream with an address": {"path": "a.mp4", "url": address, "is_stream": True, "meta": META},
        "address": {"path": address, "url": address, "meta": META},
        "no file": {"path": address},
        "other meta": {"path": address, "is_stream": True, "meta": {}},
    }


def call(app, endpoint, data):
    """Call `endpoint` without a client, which would see to it that files are uploads; return the error."""
    url = f"{app.url.rstrip('/')}/gradio_api/call/{endpoint}"
    event = httpx.post(url, json={"data": data}).raise_for_status().json()["event_id"]
    *_, last = [line for line in httpx.get(f"{url}/{event}", timeout=60).text.split("\n\n") if line.strip()]
    kind, answer = last.split("\n")
    assert kind == "event: error", last
    return json.loads(answer.removeprefix("data: "))["error"]


@pytest.fixture(scope="module")
def parameters(client):
    """Return of each parameter that takes a file: endpoint, data of a call, place in it, whether it is a list."""
    found = []
    for name, endpoint in client.view_api(print_info=False, return_format="dict")["named_endpoints"].items():
        data = [parameter.get("parameter_default") for parameter in endpoint["parameters"]]
        for place, parameter in enumerate(endpoint["parameters"]):
            kind = parameter["python_type"]["type"]
            if kind in ("filepath", "list[filepath]"):
                found.append((name.strip("/"), data, place, kind.startswith("list")))
    return found


def rest(parameters, endpoint):
    """Return what a call of `endpoint` holds after the file that it begins with."""
    return next(data[1:] for name, data, place, _ in parameters if (name, place) == (endpoint, 0))


@pytest.mark.parametrize("way", ways(""))
@pytest.mark.parametrize("endpoint", [*FILMS, "upscale"])
def test_an_address_is_not_opened(app, parameters, listener, endpoint, way):
    error = call(app, endpoint, [ways(listener)[way], *rest(parameters, endpoint)])
    assert error.startswith("A file is ")
    assert "127.0.0.1" not in error


def test_no_parameter_of_any_endpoint_opens_a_stream(app, parameters, listener):
    stream = ways(listener)["stream"]

    def refusal(parameter):
        name, data, place, many = parameter
        return call(app, name, [*data[:place], [stream] if many else stream, *data[place + 1 :]])

    with ThreadPoolExecutor(8) as pool:
        assert [error for error in pool.map(refusal, parameters) if "sent as an upload" not in error] == []
    seen = {name for name, *_ in parameters}
    assert {*FILMS, "dehaze", "dehaze_pictures", "edit_face", "measure_sets", "train_gan"} <= seen
    assert len(parameters) >= 50


@pytest.mark.parametrize("meta", [{"meta": META}, {}])
def test_a_picture_elsewhere_on_the_server_is_not_read(app, parameters, tmp_path, meta):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    error = call(app, "upscale", [{"path": str(tmp_path / "a.png"), **meta}, *rest(parameters, "upscale")])
    assert error.startswith("A file is ")
    assert str(tmp_path) not in error


@pytest.mark.parametrize("endpoint", FILMS)
def test_a_film_that_asks_for_an_address_is_refused(client, listener, tmp_path, endpoint):
    (tmp_path / "a.mp4").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{listener}\n#EXT-X-ENDLIST\n")
    with pytest.raises(AppError, match="not a film") as problem:
        client.predict(film=handle_file(tmp_path / "a.mp4"), api_name=f"/{endpoint}")
    assert "Traceback" not in str(problem.value)
