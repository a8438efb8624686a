"""HDFS endpoints that are honest in everything but a model's bytes: there each lies in its own way."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.support import served

#: What a server may do with a file's bytes in place of giving them.
LIES = (
    "truncated",
    "truncated without a word",
    "corrupt",
    "stalling",
    "dripping",
    "standby",
    "unknown DataNode",
    "longer than it says",
    "longer than the file",
    "an HTML page",
    "HTTP 404 of a proxy",
    "reset",
)

_STANDBY = {"RemoteException": {"exception": "StandbyException", "javaClassName": "", "message": "state standby"}}


@dataclass
class Liar:
    """A relay of *upstream* that tells *lie* for the first *times* reads of files.

    *reads* counts them, *connections* those that were ever made.
    """

    upstream: str
    lie: str
    times: int = 1_000_000
    reads: int = 0
    connections: int = 0
    url: str = ""
    ending: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        asked = urlsplit(request.path)
        status, headers, body = _relayed(self.upstream, request)
        is_of_model = parse_qs(asked.query).get("op") == ["OPEN"] and not asked.path.endswith(".json")
        if is_of_model and self._lies():
            _LIARS[self.lie](self, request, body)
            request.close_connection = True
            return
        _answer(request, status, body, headers)

    def _lies(self) -> bool:
        with self._lock:
            self.reads += 1
            return self.reads <= self.times


def _relayed(upstream: str, request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
    netloc, path = urlsplit(upstream).netloc, request.path
    sent = request.rfile.read(int(request.headers.get("Content-Length") or 0))
    while True:
        connection = http.client.HTTPConnection(netloc, timeout=10)
        try:
            connection.request(request.command, path, sent or None, {"Content-Type": "application/octet-stream"})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        location = response.headers.get("Location", "")
        if request.command == "GET" and response.status == 307:
            parts = urlsplit(location)
            netloc, path = parts.netloc, f"{parts.path}?{parts.query}"
            continue
        named = {name: value for name in ("Content-Type", "Location") if (value := response.headers.get(name))}
        return response.status, named, body


def _answer(
    request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str], length: int | None = None
) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    if length != -1:
        request.send_header("Content-Length", str(len(body) if length is None else length))
    request.end_headers()
    request.wfile.write(body)
    request.wfile.flush()


_BINARY = {"Content-Type": "application/octet-stream"}


def _slowly(liar: Liar, request: BaseHTTPRequestHandler, body: bytes, pause: float) -> None:
    _answer(request, 200, body[: len(body) // 2], _BINARY, len(body))
    for index in range(len(body) // 2, len(body)):
        if liar.ending.wait(pause):
            return
        request.wfile.write(body[index : index + 1])
        request.wfile.flush()


def _reset(liar: Liar, request: BaseHTTPRequestHandler, body: bytes) -> None:
    request.connection.close()


_LIARS: dict[str, Callable[[Liar, BaseHTTPRequestHandler, bytes], None]] = {
    "truncated": lambda liar, request, body: _answer(request, 200, body[: len(body) // 2], _BINARY, len(body)),
    "truncated without a word": lambda liar, request, body: _answer(
        request, 200, body[: len(body) // 2], {**_BINARY, "Connection": "close"}, -1
    ),
    "corrupt": lambda liar, request, body: _answer(request, 200, bytes([body[0] ^ 1]) + body[1:], _BINARY),
    "stalling": lambda liar, request, body: _slowly(liar, request, body, 3600.0),
    "dripping": lambda liar, request, body: _slowly(liar, request, body, 0.05),
    "standby": lambda liar, request, body: _answer(
        request, 403, json.dumps(_STANDBY).encode(), {"Content-Type": "application/json"}
    ),
    "unknown DataNode": lambda liar, request, body: _answer(
        request, 307, b"", {"Location": "http://datanode.invalid:9864/webhdfs/v1/x?op=OPEN"}
    ),
    "longer than it says": lambda liar, request, body: _answer(request, 200, body, _BINARY, max(len(body) - 1, 0)),
    "longer than the file": lambda liar, request, body: _answer(request, 200, body + b"more", _BINARY),
    "an HTML page": lambda liar, request, body: _answer(request, 200, b"<html>login</html>", _BINARY),
    "HTTP 404 of a proxy": lambda liar, request, body: _answer(request, 404, b"no such page", {}),
    "reset": _reset,
}


@contextmanager
def lying(upstream: str, lie: str, *, times: int = 1_000_000) -> Iterator[Liar]:
    """A liar in front of *upstream*."""
    liar = Liar(upstream, lie, times)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            liar.connections += 1
            super().setup()

        def answer(self) -> None:
            try:
                liar.handle(self)
            except OSError:
                self.close_connection = True

        do_GET = do_PUT = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with served(server) as liar.url:
        try:
            yield liar
        finally:
            liar.ending.set()
