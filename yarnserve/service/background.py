"""Blocking reads in threads of their own, so that one that hangs delays neither the others nor Ctrl-C.

Daemon threads, not a pool: Python waits for a pool's threads before it exits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_background(read: Callable[[], T]) -> Future[T]:
    """Start *read* now and return its future result, or exception."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(read())
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=run, name="background", daemon=True).start()
    return future
