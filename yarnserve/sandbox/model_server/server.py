"""Sockets of the stand-in: the gRPC port, held but mute, and the REST API over the standard library's server.

The standard library and not aiohttp, because a sandbox starts many of these: 0.06 s to import instead of 0.3 s.
"""

from __future__ import annotations

import gzip
import http.server
import socket
import sys
import threading
import zlib
from collections.abc import Callable
from typing import Any

from yarnserve.sandbox.model_server.rest import Answer

_BACKLOG = 128
#: Method, target and body in, an answer out.
Handle = Callable[[str, str, bytes], Answer]


def listening(port: int, *, reuse_port: bool) -> socket.socket:
    """Bind *port* on every address, IPv6 and IPv4 alike where there is IPv6; raises OSError."""
    sock = _bound(port, reuse_port)
    sock.listen(_BACKLOG)
    return sock


def _bound(port: int, reuse_port: bool) -> socket.socket:
    for family, host in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):  # noqa: S104 - TF Serving does so
        try:
            sock = socket.socket(family)
        except OSError:
            continue
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind((host, port))
        except OSError:
            sock.close()
            if family == socket.AF_INET:
                raise
        else:
            return sock
    raise OSError("no address family to listen on")


def hold(sock: socket.socket) -> None:
    """Accept connections and end them at once, for ever, in a thread."""

    def accept() -> None:
        while True:
            connection, _ = sock.accept()
            connection.close()

    threading.Thread(target=accept, daemon=True, name="grpc").start()


def serve_rest(sock: socket.socket, handle: Handle) -> None:
    """Answer HTTP on *sock* for ever, a thread for each connection."""
    server = _Server(sock, handle)
    threading.Thread(target=server.serve_forever, daemon=True, name="rest").start()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, sock: socket.socket, handle: Handle) -> None:
        super().__init__(sock.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.handle = handle

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a client that has gone; anything else is a mistake of ours, and is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def log_message(self, format: str, *arguments: Any) -> None:
        """TF Serving logs no requests."""

    def __getattr__(self, name: str) -> Any:
        """Answer every verb alike: the standard library looks for ``do_<verb>``."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or "Transfer-Encoding" in self.headers:
            # What follows cannot be told from a next request; chunked bodies are not read here.
            self.close_connection = True
            self._send(Answer(400, "text/html", b""))
            return
        body = self.rfile.read(int(length))
        if self.headers.get("Content-Encoding", "").lower() == "gzip":
            try:
                body = gzip.decompress(body)
            except (OSError, EOFError, zlib.error):
                body = b""
        self._send(self.server.handle(self.command, self.path, body))

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
