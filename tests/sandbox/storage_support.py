"""A storage on the sandbox's HDFS, and servers that stand in its way: they lose answers, or give bad ones."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.sandbox.hdfs_support import serving
from tests.support import served
from yarnserve.hadoop.authentication import SimpleAuthentication
from yarnserve.hadoop.session import HadoopSession, Timeouts
from yarnserve.sandbox.inodes import NamespaceError
from yarnserve.sandbox.namespace import Namespace
from yarnserve.storage.client import Storage

HOME = "/user/alice"


@dataclass
class Clock:
    """The NameNode's clock, moved by hand."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.now


@dataclass
class Hdfs:
    """A running sandbox: *url* is its NameNode's, or its HttpFS's."""

    namespace: Namespace
    url: str
    clock: Clock

    def names(self, directory: str) -> list[str]:
        """What lies in *directory*."""
        return [status.name for status in self.namespace.list(directory, user="hdfs")]

    def exists(self, path: str) -> bool:
        """Whether there is something at *path*."""
        try:
            self.namespace.status(path, user="hdfs")
        except NamespaceError:
            return False
        return True

    def content(self, path: str) -> bytes:
        """What a file holds."""
        with self.namespace.open(path, user="hdfs") as blob:
            return blob.read()


@contextmanager
def running_hdfs(directory: Path, *, httpfs: bool = False) -> Iterator[Hdfs]:
    """An HDFS with alice's home directory, reached through its NameNode or through HttpFS."""
    clock = Clock()
    namespace = Namespace(directory, clock=clock, superuser="hdfs")
    namespace.make_directories(HOME, user="hdfs")
    namespace.set_owner(HOME, user="hdfs", owner="alice")
    with serving(namespace) as servers:
        yield Hdfs(namespace, servers.httpfs_url if httpfs else servers.namenode_url, clock)


@contextmanager
def connected(
    *urls: str,
    user: str = "alice",
    sleep: Callable[[float], None] = lambda seconds: None,
    read_timeout: float = 10.0,
    on_wait: Callable[[str], None] = lambda text: None,
) -> Iterator[Storage]:
    """A storage that never waits between its rounds."""
    session = HadoopSession(SimpleAuthentication(user), timeouts=Timeouts(connect=2.0, read=read_timeout))
    with Storage(session, urls, sleep=sleep, on_wait=on_wait) as storage:
        yield storage


@dataclass
class Answer:
    """One HTTP answer, word by word; a *length* other than the body's makes it a broken one."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    location: str = ""
    length: int | None = None


#: Gets the operation and the path with query; None ends the connection without an answer.
Script = Callable[[str, str], Answer | None]


@dataclass
class Relay:
    """A server in front of a NameNode.

    *asked* lists the operations that came; *before* runs when one comes, *lost* names those whose answer never
    arrives, *ignored* those that do not even reach the NameNode.
    """

    upstream: str
    asked: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda operation: None
    lost: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)
    url: str = ""

    def handle(self, request: BaseHTTPRequestHandler) -> Answer | None:
        """Pass one request on."""
        operation = _operation(request.path)
        self.asked.append(operation)
        if operation in self.ignored:
            return None
        self.before(operation)
        connection = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=10)
        try:
            connection.request(request.command, request.path)
            response = connection.getresponse()
            headers = response.headers
            answer = Answer(
                response.read(), response.status, headers.get("Content-Type", ""), headers.get("Location", "")
            )
        finally:
            connection.close()
        return None if operation in self.lost else answer


@contextmanager
def relaying(upstream: str) -> Iterator[Relay]:
    """A relay in front of *upstream*."""
    relay = Relay(upstream)
    with _listening(relay.handle) as relay.url:
        yield relay


@contextmanager
def scripted(script: Script) -> Iterator[str]:
    """A server that answers what *script* says; yields its URL."""
    with _listening(lambda request: script(_operation(request.path), request.path)) as url:
        yield url


@contextmanager
def _listening(handle: Callable[[BaseHTTPRequestHandler], Answer | None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = handle(self)
            self.close_connection = True
            if answer is None:
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            if answer.location:
                self.send_header("Location", answer.location)
            length = len(answer.body) if answer.length is None else answer.length
            if length >= 0:
                self.send_header("Content-Length", str(length))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_PUT = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    with served(server) as url:
        yield url


def _operation(path: str) -> str:
    return parse_qs(urlsplit(path).query).get("op", [""])[0]


def closed_port() -> str:
    """A URL nobody listens at."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.server_close()
    return f"http://127.0.0.1:{server.server_address[1]}"
