"""TCP relays that stand before an HDFS endpoint: one dies in the midst of its work, one turns a bit of a body over."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_PIECE = 256 * 1024

#: A piece as large as this is of a large file's body and of nothing else.
_OF_A_BODY = 32 * 1024


class Relay:
    """Passes on what *upstream* says until its work is done.

    Args:
        upstream: the endpoint's URL.
        dies_after: bytes from upstream after which nobody listens any more and every connection breaks.
        corrupts_after: bytes from upstream after which one bit, once, is another.
    """

    def __init__(self, upstream: str, *, dies_after: int | None = None, corrupts_after: int | None = None) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "", parts.port or 80)
        self._dies_after = dies_after
        self._corrupts_after = corrupts_after
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.passed = 0
        self.is_dead = False
        self.corrupted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def die(self) -> None:
        """Be gone."""
        with self._lock:
            self.is_dead = True
            ended = [self._listener, *self._open]
        for each in ended:
            # A close alone does not wake who waits for it.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._upstream) as server:
            with self._lock:
                if self.is_dead:
                    return
                self._open |= {client, server}
            threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
            self._answer(server, client)
            with self._lock:
                self._open -= {client, server}

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(_PIECE):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        piece = bytearray(_PIECE)
        view = memoryview(piece)
        while count := server.recv_into(piece):
            with self._lock:
                self.passed += count
                is_end = self._dies_after is not None and self.passed > self._dies_after
                if self._is_to_corrupt(count):
                    self.corrupted += 1
                    piece[count // 2] ^= 1
            if is_end:
                self.die()
                return
            client.sendall(view[:count])
        client.shutdown(socket.SHUT_WR)

    def _is_to_corrupt(self, count: int) -> bool:
        after = self._corrupts_after
        return after is not None and not self.corrupted and self.passed > after and count >= _OF_A_BODY


@contextmanager
def relays(upstream: str, *, dies_after: int, corrupts_after: int) -> Iterator[tuple[Relay, Relay]]:
    """One that will die, and one that will lie."""
    dying = Relay(upstream, dies_after=dies_after)
    lying = Relay(upstream, corrupts_after=corrupts_after)
    try:
        yield dying, lying
    finally:
        dying.die()
        lying.die()
