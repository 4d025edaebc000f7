import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download

from gan_models.checkpoints import WeightsError, hub
from tests.checkpoints.conftest import FILE, REPO

CONTENT = os.urandom(600_000)


class Stop(Exception):
    pass


def names_in(cache: Path, pattern: str) -> list[Path]:
    return [path for path in cache.rglob(pattern) if ".locks" not in path.parts]


@pytest.mark.parametrize("lfs", [True, False])
@pytest.mark.parametrize("repo_type", ["model", "space"])
def test_fetching_brings_the_file_into_the_ordinary_cache(server, register, cache, lfs, repo_type):
    server.add(REPO, FILE, CONTENT, lfs=lfs, repo_type=repo_type)
    model = register(hub={"repo": REPO, "file": FILE, "revision": "main", "repo_type": repo_type})
    assert hub.path(model) is None
    assert not hub.ready(model)
    seen = []
    file = hub.fetch(model, lambda done, total: seen.append((done, total)))
    assert file.read_bytes() == CONTENT
    assert hub.path(model) == file
    assert cache in file.parents
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    assert len(seen) > 2
    local = hf_hub_download(REPO, FILE, repo_type=repo_type, cache_dir=cache, local_files_only=True)
    assert Path(local) == file


def test_a_cached_file_needs_no_request(server, register, monkeypatch):
    server.add(REPO, FILE, CONTENT)
    model = register()
    file = hub.fetch(model)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    server.requests.clear()
    assert hub.fetch(model) == hub.verified(model) == file
    assert server.requests == []


def test_a_pinned_commit_is_fetched_and_found(server, register):
    commit = server.add(REPO, FILE, CONTENT).commit
    model = register(hub={"repo": REPO, "file": FILE, "revision": commit})
    assert hub.fetch(model).read_bytes() == CONTENT
    assert commit in hub.path(model).parts


def test_large_files_come_from_the_storage_without_the_token(server, register, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server.add(REPO, FILE, CONTENT)
    hub.fetch(register())
    at_hub = [request for request in server.requests if "/resolve/" in request.path]
    at_storage = [request for request in server.requests if request.path.startswith("storage/")]
    assert {request.authorization for request in at_hub} == {"Bearer hf_secret"}
    assert [request.authorization for request in at_storage] == [None]


def test_a_broken_connection_is_resumed(server, register):
    server.add(REPO, FILE, CONTENT)
    server.break_after = 250_000
    assert hub.fetch(register()).read_bytes() == CONTENT
    first, second = server.downloads()
    assert second.range == f"bytes={first.sent}-"
    assert (second.status, first.sent + second.sent) == (206, len(CONTENT))


def test_a_server_without_ranges_sends_the_file_anew(server, register):
    server.add(REPO, FILE, CONTENT)
    server.break_after, server.ranges = 250_000, False
    assert hub.fetch(register()).read_bytes() == CONTENT
    assert [request.sent for request in server.downloads()] == [250_000, len(CONTENT)]


def test_an_exception_from_progress_ends_the_download_and_the_next_call_resumes_it(server, register, cache):
    def stop(done: int, total: int) -> None:
        if done > 200_000:
            raise Stop

    server.add(REPO, FILE, CONTENT)
    model = register()
    with pytest.raises(Stop):
        hub.fetch(model, stop)
    assert not hub.ready(model)
    [incomplete] = names_in(cache, "*.incomplete")
    kept = incomplete.stat().st_size
    assert 200_000 < kept < len(CONTENT)
    assert hub.fetch(model).read_bytes() == CONTENT
    assert server.downloads()[-1].range == f"bytes={kept}-"
    assert names_in(cache, "*.incomplete") == []


@pytest.mark.parametrize("registered", [True, False])
def test_wrong_bytes_of_the_right_size_are_rejected(server, register, cache, registered):
    file = server.add(REPO, FILE, CONTENT).files[FILE]
    file.served = bytes(len(CONTENT))
    model = register(sha256=file.etag if registered else None)
    with pytest.raises(WeightsError, match=r"“tiny” can't be used: the download is not what it should be; .* aside"):
        hub.fetch(model)
    assert not hub.ready(model)
    [aside] = names_in(cache, "*.rejected")
    assert aside.read_bytes() == file.served
    file.served = CONTENT
    assert hub.fetch(model).read_bytes() == CONTENT


def test_small_files_are_checked_against_the_registry(server, register):
    server.add(REPO, FILE, CONTENT, lfs=False)
    with pytest.raises(WeightsError, match="not what it should be"):
        hub.fetch(register(sha256="0" * 64))


def test_another_file_than_the_registered_one_is_not_even_downloaded(server, register):
    server.add(REPO, FILE, CONTENT)
    with pytest.raises(WeightsError, match="now holds another file under that name"):
        hub.fetch(register(sha256="0" * 64))
    assert server.downloads() == []


def test_a_damaged_cached_file_is_moved_aside_and_fetched_afresh(server, register, cache):
    server.add(REPO, FILE, CONTENT)
    model = register()
    file = hub.fetch(model)
    file.resolve().write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="content is not what it should be; the file was moved aside"):
        hub.fetch(model)
    assert [path.read_bytes() for path in names_in(cache, "*.rejected")] == [b"damaged"]
    assert not os.path.lexists(file)
    assert not hub.ready(model)
    assert hub.fetch(model).read_bytes() == CONTENT


def test_a_file_is_hashed_once(server, register, monkeypatch):
    server.add(REPO, FILE, CONTENT)
    hashed = []
    monkeypatch.setattr(hub, "file_hash", lambda file, real=hub.file_hash: hashed.append(file) or real(file))
    model = register()
    for _ in range(3):
        hub.fetch(model)
    assert len(hashed) == 1
    hub._right.clear()  # as in a new process
    for _ in range(3):
        hub.fetch(model)
    assert len(hashed) == 2


@pytest.mark.parametrize(
    ("hub_file", "problem"),
    [
        ({"file": "other.bin"}, "atelier/tiny on the Hub has no file “other.bin”"),
        ({"revision": "v9"}, "atelier/tiny on the Hub has no revision “v9”"),
        ({"repo": "atelier/other"}, "There is no repository atelier/other on the Hub, or it is private"),
        ({"repo_type": "space"}, "There is no repository atelier/tiny"),
    ],
)
def test_what_is_missing_is_named(server, register, hub_file, problem):
    server.add(REPO, FILE, CONTENT)
    with pytest.raises(WeightsError, match=rf"^[^.]*{problem}[^.]*\.$"):
        hub.fetch(register(hub={"repo": REPO, "file": FILE, "revision": "main"} | hub_file))


@pytest.mark.parametrize("status", [401, 403])
def test_gated_files_ask_for_the_licence_and_the_token(server, register, status):
    server.add(REPO, FILE, CONTENT).gated = status
    with pytest.raises(WeightsError, match="accept it on the model's page and set HF_TOKEN"):
        hub.fetch(register())


def test_a_server_that_is_no_hub_is_named(server, register, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.storage + "/elsewhere?")
    with pytest.raises(WeightsError, match="isn't a Hugging Face Hub"):
        hub.fetch(register())


@pytest.mark.parametrize("listening", [True, False])
def test_a_dead_endpoint_is_given_up_within_seconds(register, monkeypatch, listening):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listening:
            silent.listen()  # accepts, and never answers
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(hub, "PROBE_TIMEOUT", 0.5)
        started = time.monotonic()
        with pytest.raises(WeightsError, match="the Hugging Face Hub doesn't answer"):
            hub.fetch(register())
        assert time.monotonic() - started < 2


def test_a_hub_that_falls_silent_is_given_up(server, register, monkeypatch):
    server.add(REPO, FILE, CONTENT)
    server.pause = 3
    monkeypatch.setattr(hub, "TIMEOUT", 0.2)
    started = time.monotonic()
    with pytest.raises(WeightsError, match=r"The connection to the Hub broke .* try again"):
        hub.fetch(register())
    assert time.monotonic() - started < 2


def test_whether_the_hub_is_reachable_is_asked_once_in_a_while(server, monkeypatch):
    assert hub.reachable()
    assert hub.reachable()
    assert [request.method for request in server.requests] == ["HEAD"]
    monkeypatch.setattr(hub, "PROBE_LIFE", 0)
    assert hub.reachable()
    assert len(server.requests) == 2


def test_reachable_never_takes_longer_than_its_timeout(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(2))
    started = time.monotonic()
    assert not hub.reachable(timeout=0.2)
    assert not hub.reachable(timeout=0.2)
    assert time.monotonic() - started < 0.4


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "GAN_ATELIER_OFFLINE"])
def test_offline_nothing_is_asked(server, register, monkeypatch, variable):
    server.add(REPO, FILE, CONTENT)
    monkeypatch.setenv(variable, "1")
    assert not hub.reachable()
    with pytest.raises(WeightsError, match="are not on this machine, and the app is offline"):
        hub.fetch(register())
    with pytest.raises(WeightsError, match="`python -m gan_models weights fetch tiny` fetches them"):
        hub.verified(register())
    assert server.requests == []


def test_the_cache_may_follow_from_hf_home(server, register, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    server.add(REPO, FILE, CONTENT)
    assert tmp_path / "home" / "hub" in hub.fetch(register()).parents


def test_concurrent_fetches_make_one_download(server, register):
    server.add(REPO, FILE, CONTENT)
    server.pause = 0.6
    model = register()
    seen = {number: [] for number in range(4)}
    together = threading.Barrier(4)

    def fetch(number: int) -> Path:
        together.wait()
        return hub.fetch(model, lambda done, total: seen[number].append((done, total)))

    with ThreadPoolExecutor(4) as pool:
        files = set(pool.map(fetch, range(4)))
    assert [file.read_bytes() for file in files] == [CONTENT]
    assert [request.sent for request in server.downloads()] == [len(CONTENT)]
    assert all(total == len(CONTENT) for reports in seen.values() for _, total in reports)
    assert all(seen.values()), "those who wait see progress too, and so can be cancelled"


def test_two_processes_make_one_download(server, register, tmp_path):
    server.add(REPO, FILE, CONTENT)
    server.pause = 0.6
    register()
    code = (
        "import sys; from pathlib import Path; from gan_models.checkpoints import hub, registry;"
        "registry.REGISTRY = Path(sys.argv[1]); print(hub.fetch(registry.get('tiny')))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "registry.toml")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    shown = {process.communicate(timeout=20)[0] for process in running}
    assert len(shown) == 1
    assert Path(shown.pop().strip()).read_bytes() == CONTENT
    assert [request.sent for request in server.downloads()] == [len(CONTENT)]


def test_too_little_disk_is_seen_before_the_download(server, register, monkeypatch):
    server.add(REPO, FILE, CONTENT)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(WeightsError, match=r"The disk is full: “tiny” needs 0.6 MB, and 0.0 MB are free"):
        hub.fetch(register())
    assert server.downloads() == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up_is_named(server, register, cache):
    etag = server.add(REPO, FILE, CONTENT).files[FILE].etag
    incomplete = cache / "models--atelier--tiny" / "blobs" / f"{etag}.incomplete"
    incomplete.parent.mkdir(parents=True)
    incomplete.symlink_to("/dev/full")
    with pytest.raises(WeightsError, match=r"The disk is full: “tiny” needs 0.1 MB"):
        hub.fetch(register())


def test_a_cache_that_cant_be_written_is_named(server, register, cache):
    server.add(REPO, FILE, CONTENT)
    cache.write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match="“tiny” can't be stored: "):
        hub.fetch(register())


def test_embedded_files_are_found_and_checked_and_stay_where_they_are(embed, tmp_path):
    model = embed()
    assert hub.fetch(model) == hub.path(model) == tmp_path / "embedded.safetensors"
    hub.path(model).write_bytes(b"damaged")
    with pytest.raises(WeightsError, match=r"“embedded” can't be used: their content is not what it should be\.$"):
        hub.fetch(model)
    assert hub.path(model).read_bytes() == b"damaged"
    hub.path(model).unlink()
    with pytest.raises(WeightsError, match=r"there is no weights/embedded.safetensors"):
        hub.fetch(model)
