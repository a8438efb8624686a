"""What every tier of tests shares: the one way to wait, and the recorded transcripts of real clusters."""

from __future__ import annotations

import gzip
import json
import random
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

REPOSITORY = Path(__file__).resolve().parent.parent


#: Seconds between two questions of `wait_until`: each costs a real ResourceManager 15 ms, which others wait for.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25


def wait_until(condition: Callable[[], T], deadline: float = 60.0, what: str | Callable[[], str] = "") -> T:
    """Ask *condition* again and again until it is true, for at most *deadline* seconds; return its value.

    Raises:
        AssertionError: it stayed false; *what* says what was awaited; called, what was found at the end too.
    """
    ends = time.monotonic() + deadline
    never = threading.Event()
    pause = _FIRST_PAUSE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= ends:
            raise AssertionError(f"not within {deadline} s: {(what() if callable(what) else what) or condition}")
        never.wait(pause)
        pause = min(pause * 1.1, _LONGEST_PAUSE)


@contextmanager
def served(server: socketserver.BaseServer) -> Iterator[str]:
    """Have *server* answer until the end of the block, in a thread; its address as a URL."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    host, port = server.server_address[:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


#: Ports that the kernel gives nobody who asks for any (those begin at 32768), in blocks; the last of each is its claim.
PORT_BLOCK = 64
PORT_BLOCKS = range(12000, 32000, PORT_BLOCK)


@contextmanager
def claimed_ports() -> Iterator[int]:
    """The first of PORT_BLOCK - 1 ports that are free, and nobody else's who asks here, until the end of the block."""
    with ExitStack() as claim:
        yield next(base for base in random.sample(PORT_BLOCKS, len(PORT_BLOCKS)) if _claim(base, claim))


def _claim(base: int, claim: ExitStack) -> bool:
    try:
        claim.enter_context(socket.create_server(("127.0.0.1", base + PORT_BLOCK - 1)))
        for port in range(base, base + PORT_BLOCK - 1):
            with socket.socket() as probe:
                # Without SO_REUSEADDR: free of what the last owner's connections left behind (TIME_WAIT), too.
                probe.bind(("", port))
    except OSError:
        return False
    return True


def golden(name: str) -> Iterator[dict[str, Any]]:
    """Yield the recorded exchanges of ``tests/golden/<name>.jsonl.gz``, in order."""
    with gzip.open(REPOSITORY / "tests" / "golden" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
