"""A small Hugging Face Hub on this machine, for tests: it speaks as much of the protocol as downloads need.

    with Hub() as hub:
        hub.add("owner/name", "model.safetensors", content)
        ...  # with HF_ENDPOINT set to hub.endpoint

Large ("LFS") files are redirected to a second server, as the Hub does, so that clients can be seen to keep their
token to themselves. `hub.requests` is the log of all requests.
"""

import hashlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

PREFIXES = {"model": "", "space": "spaces/", "dataset": "datasets/"}


@dataclass
class Request:
    """One request: what was asked, and the bytes of content sent."""

    method: str
    path: str
    range: str | None
    authorization: str | None
    status: int = 0
    sent: int = 0


@dataclass
class File:
    """One file: its true content names it; `served` is what is sent under that name."""

    content: bytes
    served: bytes
    lfs: bool

    @property
    def etag(self) -> str:
        """The SHA-256 of large files, and the hash that Git gives small ones."""
        if self.lfs:
            return hashlib.sha256(self.content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()


@dataclass
class Repo:
    """One repository, at one commit."""

    commit: str
    revisions: set[str]
    files: dict[str, File] = field(default_factory=dict)
    gated: int = 0


class Hub:
    """The server. Attributes may be changed between requests.

    Attributes:
        endpoint: The address for HF_ENDPOINT.
        storage: The address of the server that large files lie on.
        requests: All requests so far.
        break_after: If set, the next download's connection breaks after that many bytes, once.
        pause: Seconds for which each download pauses before its last byte.
        ranges: Whether parts of files can be asked for.
    """

    def __init__(self):
        self.requests: list[Request] = []
        self.break_after: int | None = None
        self.pause = 0.0
        self.ranges = True
        self._repos: dict[str, Repo] = {}
        handler = type("Handler", (_Handler,), {"hub": self})
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
        # Another host too: some versions of the client follow redirects that stay on the Hub's own.
        self.endpoint, self.storage = (
            f"http://{host}:{server.server_port}"
            for host, server in zip(("127.0.0.1", "localhost"), self._servers, strict=True)
        )

    def __enter__(self) -> "Hub":
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def add(self, repo: str, file: str, content: bytes, *, repo_type: str = "model", lfs: bool = True) -> Repo:
        """Put `content` into a repository, which is made if need be, with the branch "main"."""
        key = PREFIXES[repo_type] + repo
        commit = hashlib.sha1(key.encode()).hexdigest()
        entry = self._repos.setdefault(key, Repo(commit, {"main", commit}))
        entry.files[file] = File(content, content, lfs)
        return entry

    def downloads(self) -> list[Request]:
        """Return the requests that brought content or a part of it."""
        return [request for request in self.requests if request.sent]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Say nothing on the terminal; the log is `Hub.requests`."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        self.request_log = Request(self.command, path, self.headers["Range"], self.headers["Authorization"])
        self.hub.requests.append(self.request_log)
        if path.startswith("storage/"):
            _, key, name = path.split("/", 2)
            self._send_content(next(r for r in self.hub._repos.values() if r.commit == key).files[name])
        elif "/resolve/" in path:
            repo, _, rest = path.partition("/resolve/")
            self._resolve(repo, *rest.split("/", 1))
        else:
            self._send(200, {"Content-Length": "0"})

    def _resolve(self, key: str, revision: str, name: str) -> None:
        repo = self.hub._repos.get(key)
        if repo is None:
            self._fail(404, "RepoNotFound")
        elif repo.gated:
            self._fail(repo.gated, "GatedRepo")
        elif revision not in repo.revisions:
            self._fail(404, "RevisionNotFound")
        elif name not in repo.files:
            self._fail(404, "EntryNotFound", {"X-Repo-Commit": repo.commit})
        elif repo.files[name].lfs:
            file = repo.files[name]
            self._send(
                302,
                {
                    "X-Repo-Commit": repo.commit,
                    "X-Linked-Etag": f'"{file.etag}"',
                    "X-Linked-Size": str(len(file.content)),
                    "Location": f"{self.hub.storage}/storage/{repo.commit}/{name}",
                    "Content-Length": "0",
                },
            )
        else:
            file = repo.files[name]
            self._send_content(file, {"X-Repo-Commit": repo.commit, "ETag": f'"{file.etag}"'})

    def _send_content(self, file: File, headers: dict[str, str] | None = None) -> None:
        body, status, headers = file.served, 200, headers or {}
        if self.headers["Range"] and self.hub.ranges:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            headers |= {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            body, status = body[start:], 206
        self._send(status, headers | {"Content-Length": str(len(body))})
        if self.command == "HEAD":
            return
        if self.hub.break_after is not None:
            body, self.hub.break_after = body[: self.hub.break_after], None
            self.close_connection = True
        self.wfile.write(body[:-1])
        time.sleep(self.hub.pause)
        self.wfile.write(body[-1:])
        self.request_log.sent = len(body)

    def _fail(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        self._send(status, {"X-Error-Code": code, "Content-Length": "0"} | (headers or {}))

    def _send(self, status: int, headers: dict[str, str]) -> None:
        self.request_log.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
