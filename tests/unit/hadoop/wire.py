"""A server of exact bytes on a real socket: answers, half answers, rubbish, silence."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

#: What a responder returns to keep the connection open and say nothing.
SILENCE = None


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.split("?")[0]


Responder = Callable[[Asked], bytes | None]


def answer(status: int, body: Any = b"", content_type: str = "application/json;charset=utf-8", **headers: str) -> bytes:
    """A whole HTTP answer; a *body* that is no bytes or text is sent as JSON."""
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [f"HTTP/1.1 {status} Text", f"Content-Type: {content_type}", f"Content-Length: {len(raw)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + raw


@dataclass(frozen=True)
class Wire:
    """A running server; *asked* grows with every request."""

    url: str
    asked: list[Asked]


@contextmanager
def serving(respond: Responder) -> Iterator[Wire]:
    """Serve with *respond* on a free port, one request per connection, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    wire = Wire(f"http://127.0.0.1:{listener.getsockname()[1]}", [])
    silent: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            asked = _read(connection)
            wire.asked.append(asked)
            raw = respond(asked)
            if raw is SILENCE:
                silent.append(connection)
                continue
            with connection, suppress(OSError):
                connection.sendall(raw)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        for connection in silent:
            connection.close()


def _read(connection: socket.socket) -> Asked:
    with connection.makefile("rb") as stream:
        method, target, _ = stream.readline().decode().split(" ")
        headers = {}
        while line := stream.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Asked(method, target, headers, stream.read(int(headers.get("content-length", 0))))


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
