"""Files of models: where they lie, whether their content is right, and fetching them from the Hugging Face Hub.

Downloads live in the Hub client's ordinary cache, under its ordinary names and locks. Its own download neither
checks what it receives nor keeps what an interrupted one had received, so the bytes are streamed here: into
`<etag>.incomplete`, which the next attempt continues, and into the cache only once their hash is right.
"""

import errno
import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from filelock import Timeout
from huggingface_hub import constants, get_session, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,  # the base of all errors of the HTTP client, which is not the same in all versions
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import HfFileMetadata, get_hf_file_metadata, repo_folder_name
from huggingface_hub.utils import WeakFileLock, build_hf_headers, hf_raise_for_status

from gan_models import settings
from gan_models.checkpoints import registry
from gan_models.checkpoints.errors import WeightsError
from gan_models.checkpoints.registry import Model, PackageFile

Progress = Callable[[int, int], None]

TIMEOUT = 10.0  # seconds without a byte after which a connection counts as broken
PROBE_TIMEOUT = 2.0
PROBE_LIFE = 30.0  # seconds for which an answer to “is the Hub there?” is good

_probes: dict[str, tuple[float, bool]] = {}  # endpoint -> when it was probed, and whether it answered
_right: set[tuple] = set()  # signature and hash of each file whose content was right


def path(model: Model) -> Path | None:
    """Return the local file of `model`, or None if it must be fetched first or there is none. Asks nobody."""
    if model.formula:
        return None
    if model.embedded:
        file = registry.REGISTRY.parent / model.file
        return file if file.is_file() else None
    if model.package:
        return _in_package(model.package)
    cached = try_to_load_from_cache(
        model.hub.repo,
        model.hub.file,
        cache_dir=_cache(),
        revision=model.hub.revision,
        repo_type=model.hub.repo_type,
    )
    return Path(cached) if isinstance(cached, str) else None


def ready(model: Model) -> bool:
    """Say whether `model` can be loaded without fetching anything."""
    return model.formula or path(model) is not None


def listing(task: str | None = None) -> list[dict[str, str | float | bool]]:
    """Return name, task, source, licence, size_mb and ready of each model of `task`, or of all."""
    return [
        {
            "name": model.name,
            "task": model.task,
            "source": model.source,
            "licence": model.licence,
            "size_mb": model.size_mb,
            "ready": ready(model),
        }
        for model in registry.models(task)
    ]


def verified(model: Model) -> Path:
    """Return the local file of `model` once its content is known to be right: hashed once, then remembered.

    The hash is the registry's, else the one under which the Hub keeps large files. Small files of the Hub have
    neither.

    Raises:
        WeightsError: The file is not here, or its content is wrong; a wrong download is moved aside.
    """
    if model.formula:
        raise WeightsError(f"“{model.name}” is a formula: it has no weights.")
    file = path(model)
    if file is None and model.embedded:
        raise WeightsError(f"The embedded weights “{model.name}” are missing: there is no weights/{model.file}.")
    if file is None and model.package:
        raise WeightsError(
            f"The weights “{model.name}” come with a Python package that is not installed, or not as it should be; "
            f"`pip install {model.package.name}` brings it."
        )
    if file is None:
        raise WeightsError(
            f"The weights “{model.name}” are not on this machine yet; "
            f"`python -m gan_models weights fetch {model.name}` fetches them."
        )
    expected = model.sha256 or _sha256_in(_blob(file).name)
    if expected and (signature(file), expected) not in _right:
        if file_hash(file) != expected:
            raise rejected(model, file, "their content is not what it should be")
        _right.add((signature(file), expected))
    return file


def content_hash(model: Model) -> str | None:
    """Return the SHA-256 of the weights of `model`: the registry's, else that of the local file, if there is one."""
    file = path(model)
    if model.sha256 or file is None:
        return model.sha256
    return _sha256_in(_blob(file).name) or _hash_once(file, signature(file))


def fetch(model: Model, progress: Progress | None = None) -> Path:
    """Return the verified local file of `model`, downloading it first if need be.

    An interrupted download is continued by the next call. Of several callers that want the same file, in this
    process or another, one downloads and the others wait.

    Args:
        model: The model.
        progress: Called several times a second with the bytes that are here and the bytes in all. An exception
            that it raises ends the download.

    Raises:
        WeightsError: The file can't be had, or its content is wrong.
    """
    if model.hub and not ready(model):
        _download(model, progress or (lambda done, total: None))
    return verified(model)


def reachable(timeout: float = PROBE_TIMEOUT) -> bool:
    """Say whether the Hub answers, within `timeout` seconds; the answer is kept for half a minute."""
    if settings.offline():
        return False
    when, answered = _probes.get(_endpoint(), (-PROBE_LIFE, False))
    return answered if time.monotonic() - when < PROBE_LIFE else _probe(timeout)


def rejected(model: Model, file: Path, problem: str) -> WeightsError:
    """Move a download that is of no use aside, so that the next fetch starts afresh, and return what to raise.

    Args:
        model: The model that `file` belongs to; files that are no downloads stay where they are.
        file: Its local file.
        problem: What is wrong, to follow a colon.
    """
    if not model.hub:
        return WeightsError(f"The weights “{model.name}” can't be used: {problem}.")
    blob = _blob(file)
    with suppress(FileNotFoundError):  # somebody else was faster
        os.replace(blob, _aside(blob))
    file.unlink(missing_ok=True)
    return WeightsError(f"The weights “{model.name}” can't be used: {problem}; the file was moved aside.")


def signature(file: Path) -> tuple[str, int, int]:
    """Return what tells one state of `file` from another without reading it."""
    status = file.stat()
    return str(file.resolve()), status.st_mtime_ns, status.st_size


def _endpoint() -> str:
    # The Hub's client reads its variables once, when it is imported; ours count whenever they are set.
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def _cache() -> Path:
    if folder := os.environ.get("HF_HUB_CACHE"):
        return Path(os.path.expandvars(folder)).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(os.path.expandvars(home)).expanduser() / "hub"
    return Path(constants.HF_HUB_CACHE)


def _probe(timeout: float) -> bool:
    """Ask the endpoint for any answer at all, in a thread of its own since name look-ups know no timeout."""
    endpoint, answered = _endpoint(), threading.Event()

    def ask() -> None:
        with suppress(Exception):
            get_session().head(endpoint, timeout=timeout, follow_redirects=False)
            answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    _probes[endpoint] = time.monotonic(), answered.is_set()
    return answered.is_set()


def _download(model: Model, progress: Progress) -> None:
    """Bring the file of `model` into the Hub's cache."""
    if settings.offline():
        raise WeightsError(f"The weights “{model.name}” are not on this machine, and the app is offline.")
    if not _probe(PROBE_TIMEOUT):  # the Hub's client would try again for half a minute
        raise WeightsError(f"The weights “{model.name}” can't be fetched: the Hugging Face Hub doesn't answer.")
    source = {"repo_type": model.hub.repo_type, "endpoint": _endpoint()}
    with _one_sentence(model):
        url = hf_hub_url(model.hub.repo, model.hub.file, revision=model.hub.revision, **source)
        metadata = get_hf_file_metadata(url, timeout=TIMEOUT, endpoint=_endpoint())
        _check_offer(model, metadata)
        folder = repo_folder_name(repo_id=model.hub.repo, repo_type=model.hub.repo_type)
        blob = _cache() / folder / "blobs" / metadata.etag
        with _alone(_cache() / ".locks" / folder / f"{metadata.etag}.lock", blob, metadata, progress):
            if not blob.exists():
                url = hf_hub_url(model.hub.repo, model.hub.file, revision=metadata.commit_hash, **source)
                _fill(model, url, blob, metadata, progress)
        # The bytes are there already: this only gives them their names in the cache.
        hf_hub_download(
            model.hub.repo,
            model.hub.file,
            revision=model.hub.revision,
            cache_dir=_cache(),
            etag_timeout=TIMEOUT,
            **source,
        )


def _check_offer(model: Model, metadata: HfFileMetadata) -> None:
    if metadata.etag is None or metadata.commit_hash is None or metadata.size is None:
        raise WeightsError(f"The weights “{model.name}” can't be fetched: the server isn't a Hugging Face Hub.")
    offered = _sha256_in(metadata.etag)
    if model.sha256 and offered and offered != model.sha256:
        raise WeightsError(
            f"The weights “{model.name}” can't be used: {model.hub.repo} now holds another file under that name."
        )


@contextmanager
def _alone(lock: Path, blob: Path, metadata: HfFileMetadata, progress: Progress) -> Iterator[None]:
    """Hold the cache's own lock of a file; while another holds it, report how far that one's download is."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(WeakFileLock(lock, timeout=0.2))
                break
            except Timeout:
                progress(_size(_incomplete(blob)), metadata.size)
        yield


def _fill(model: Model, url: str, blob: Path, metadata: HfFileMetadata, progress: Progress) -> None:
    """Download `url`, and let it become `blob` if its content is right."""
    incomplete = _incomplete(blob)
    incomplete.parent.mkdir(parents=True, exist_ok=True)
    if (missing := metadata.size - _size(incomplete)) > (free := shutil.disk_usage(blob.parent).free):
        raise WeightsError(
            f"The disk is full: “{model.name}” needs {missing / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free."
        )
    _receive(url, incomplete, metadata.size, progress)
    expected = model.sha256 or _sha256_in(metadata.etag)
    if _size(incomplete) != metadata.size or (expected and file_hash(incomplete) != expected):
        raise rejected(model, incomplete, "the download is not what it should be")
    os.replace(incomplete, blob)
    _right.add((signature(blob), expected))


def _receive(url: str, incomplete: Path, size: int, progress: Progress) -> None:
    """Bring `incomplete` to its `size`, over several connections as long as each of them brings something."""
    while (before := _size(incomplete)) != size:
        try:
            return _stream(url, incomplete, size, progress)
        except HfHubHTTPError:
            raise
        except HTTPError:
            if _size(incomplete) <= before:
                raise


def _stream(url: str, incomplete: Path, size: int, progress: Progress) -> None:
    """Request what is missing of `incomplete`, or all of it where the server knows no ranges, and append it."""
    done = _size(incomplete)
    headers = build_hf_headers() | {"Accept-Encoding": "identity"}
    if 0 < done < size:
        headers["Range"] = f"bytes={done}-"
    with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as response:
        hf_raise_for_status(response)
        done = done if response.status_code == 206 else 0
        with incomplete.open("ab" if done else "wb") as file:
            progress(done, size)
            for chunk in response.iter_bytes():
                file.write(chunk)
                done += len(chunk)
                progress(done, size)


@contextmanager
def _one_sentence(model: Model) -> Iterator[None]:
    """Say in one sentence what went wrong on the way to the Hub or to the disk."""
    hub = model.hub
    try:
        yield
    except RevisionNotFoundError:
        raise WeightsError(f"The repository {hub.repo} on the Hub has no revision “{hub.revision}”.") from None
    except RemoteEntryNotFoundError:
        raise WeightsError(f"The repository {hub.repo} on the Hub has no file “{hub.file}”.") from None
    except HfHubHTTPError as problem:
        status = problem.response.status_code
        if isinstance(problem, RepositoryNotFoundError) and not isinstance(problem, GatedRepoError):
            raise WeightsError(f"There is no repository {hub.repo} on the Hub, or it is private.") from None
        if status in (401, 403):
            raise WeightsError(
                f"The Hub keeps {hub.repo} behind a licence: accept it on the model's page "
                "and set HF_TOKEN to a token of that account."
            ) from None
        raise WeightsError(f"The Hub answered with error {status} when asked for {hub.repo}/{hub.file}.") from None
    except (HTTPError, LocalEntryNotFoundError):
        raise WeightsError(
            f"The connection to the Hub broke while fetching “{model.name}”; try again, and it goes on from there."
        ) from None
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WeightsError(f"The disk is full: “{model.name}” needs {model.size_mb:g} MB.") from None
        raise WeightsError(f"The weights “{model.name}” can't be stored: {problem.strerror or problem}.") from None


def _in_package(source: PackageFile) -> Path | None:
    """Return a file that an installed package brings, if it is there; the package isn't imported."""
    try:
        file = Path(distribution(source.name).locate_file(source.file))
    except PackageNotFoundError:
        return None
    return file if file.is_file() else None


def _blob(file: Path) -> Path:
    """Return the file that a name in the Hub's cache stands for; its own name is the Hub's ETag."""
    # One step only: in a shared cache the blob may in turn be a link to a file of some other name.
    return file.parent / os.readlink(file) if file.is_symlink() else file


def _incomplete(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}.incomplete")


def _aside(blob: Path) -> Path:
    return blob.with_name(f"{blob.name.removesuffix('.incomplete')}.rejected")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def file_hash(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@lru_cache(maxsize=64)
def _hash_once(file: Path, _signature: tuple) -> str:
    return file_hash(file)


def _sha256_in(etag: str) -> str | None:
    """Return the SHA-256 that is the ETag of a large file; those of small ones are Git's and shorter."""
    return etag if re.fullmatch("[0-9a-f]{64}", etag) else None
