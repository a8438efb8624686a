"""Servers that speak HTTP badly, endlessly, or not at all, on real sockets."""

from __future__ import annotations

import gzip
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, repeat
from socket import SO_LINGER, SOL_SOCKET

from yarnserve.records.replica import Endpoint

_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_PIECE = b"x" * 65536
_MANY = 1000
#: Little to send, and 100 MB of a beginning of JSON.
_BOMB = gzip.compress(b"{" + b" " * 100_000_000, compresslevel=1)

#: What a server says to a request, in pieces; the connection ends with them.
RUDE: dict[str, Callable[[], Iterable[bytes]]] = {
    "endless status line": lambda: chain([b"HTTP/1.1 200 "], repeat(_PIECE)),
    "endless headers": lambda: chain([_OK], repeat(b"X-Header: value\r\n" * _MANY)),
    "one endless header": lambda: chain([_OK + b"X-Header: "], repeat(_PIECE)),
    "endless interim answers": lambda: repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * _MANY),
    "endless body": lambda: chain([_OK + b"\r\n{"], repeat(_PIECE)),
    "a gigabyte": lambda: chain([_OK + b"Content-Length: 1073741824\r\n\r\n{"], repeat(_PIECE)),
    "endless chunks": lambda: chain([_CHUNKED], repeat(b"10000\r\n" + _PIECE + b"\r\n")),
    "endless tiny chunks": lambda: chain([_CHUNKED], repeat(b"1\r\nx\r\n" * _MANY)),
    "endless length of a chunk": lambda: chain([_CHUNKED], repeat(b"0" * 65536)),
    "endless trailers": lambda: chain([_CHUNKED + b"0\r\n"], repeat(b"X-Trailer: value\r\n" * _MANY)),
    "a bomb of gzip": lambda: [_OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_BOMB) + _BOMB],
    "HTTP/0.9": lambda: [b"<html>hello</html>\n"],
    "SSH": lambda: [b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"],
    "a TLS alert": lambda: [b"\x15\x03\x01\x00\x02\x02\x46"],
    "gRPC": lambda: [b"\x00\x00\x18\x04\x00\x00\x00\x00\x00\x00\x04\x00?\xff\xff\x00\x03\x7f\xff\xff\xff"],
    "nothing": list,
    "two lengths": lambda: [_OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}\n"],
    "half of it": lambda: [_OK + b"Content-Length: 100\r\n\r\n{"],
    "half of a chunk": lambda: [_CHUNKED + b"10\r\n{"],
    "NaN alone": lambda: [_OK + b"Content-Length: 3\r\n\r\nNaN"],
    "no UTF-8": lambda: [_OK + b"Content-Length: 4\r\n\r\n\xff\xfe\xfd{"],
    "a lone surrogate": lambda: [_OK + b'\r\n{"model_version_status": "\\ud800"}'],
    "an endless number": lambda: [_OK + b'\r\n{"predictions": ' + b"9" * 60000 + b"}"],
    "another service": lambda: [_OK + b'Content-Type: application/json\r\n\r\n{"name": "es-1", "tagline": "search"}'],
}


@dataclass
class Manners:
    """How a server answers.

    Attributes:
        says: its answer, in pieces, made anew for each request.
        pause: seconds between two pieces.
        resets: whether it resets the connection at the end.
        is_polite: which requests, by their first line, it answers properly: with the value.
    """

    says: Callable[[], Iterable[bytes]]
    pause: float = 0.0
    resets: bool = False
    polite: dict[bytes, bytes] = field(default_factory=dict)
    ending: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: bytes) -> Iterable[bytes]:
        """What is said to *request*."""
        for begin, body in self.polite.items():
            if request.startswith(begin):
                return [_OK + b"Content-Length: %d\r\n\r\n" % len(body) + body]
        return self.says()


@contextmanager
def rude(manners: Manners) -> Iterator[Endpoint]:
    """A server of such *manners*."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                request = self.request.recv(65536)
                for piece in manners.answer(request):
                    self.request.sendall(piece)
                    if manners.pause and manners.ending.wait(manners.pause):
                        return
                if manners.resets:
                    self.request.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))

        def finish(self) -> None:
            if manners.resets:
                self.request.close()

    with _serving(Handler) as endpoint:
        try:
            yield endpoint
        finally:
            manners.ending.set()


@contextmanager
def tls() -> Iterator[Endpoint]:
    """A server that speaks TLS alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                context.wrap_socket(self.request, server_side=True).close()

    with _serving(Handler) as endpoint:
        yield endpoint


@contextmanager
def _serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[Endpoint]:
    class Server(socketserver.ThreadingTCPServer):
        request_queue_size = 128
        daemon_threads = True

    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Endpoint("127.0.0.1", server.server_address[1], 1)
        finally:
            server.shutdown()
            thread.join()
