"""A connection to the sandbox, and a relay in front of its ResourceManager that loses answers on purpose."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.support import served
from yarnserve.config import Flags, resolve
from yarnserve.sandbox import Sandbox
from yarnserve.service.connection import Connection, connect


def connection_to(
    sandbox: Sandbox,
    resource_manager: str | None = None,
    namenode: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Connection:
    """The clients of the sandbox, through other addresses where they are given."""
    flags = Flags(resource_manager=resource_manager, namenode=namenode)
    return connect(resolve(flags, sandbox.environment), sleep=sleep)


@dataclass
class YarnRelay:
    """Passes requests on to *upstream*; requests whose method is in *lost* are carried out, and never answered.

    *before* runs when a request comes, *rewrite* changes the answers, *written* lists the writes that came.
    """

    upstream: str
    lost: set[str] = field(default_factory=set)
    before: Callable[[str, str], None] = lambda method, path: None
    rewrite: Callable[[bytes], bytes] = lambda content: content
    written: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def relaying_yarn(upstream: str) -> Iterator[YarnRelay]:
    """A relay in front of the ResourceManager at *upstream*."""
    relay = YarnRelay(upstream)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.command != "GET":
                relay.written.append(self.command)
            relay.before(self.command, self.path)
            status, content_type, content = _forward(relay.upstream, self.command, self.path, body)
            if self.command in relay.lost:
                return
            content = relay.rewrite(content)
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    with served(server) as relay.url:
        yield relay


def _forward(upstream: str, method: str, path: str, body: bytes) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=20)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", "Accept": "application/json"})
        response = connection.getresponse()
        return response.status, response.headers.get("Content-Type", ""), response.read()
    finally:
        connection.close()
