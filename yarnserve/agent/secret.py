"""The service's secret: a file on HDFS that only its owner can read; whoever has it may give orders."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from yarnserve.errors import YarnserveError
from yarnserve.storage.client import Storage

#: Seconds between two reads: orders come seldom, and who has no secret must not make us ask HDFS for ever.
READ_EVERY = 5.0

#: Bytes of the file that count.
_LONGEST = 1024


class SecretFile:
    """Reads the file at *path* when it is needed; while HDFS is away the last one that was read counts."""

    def __init__(self, storage: Storage, path: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._secret = ""

    def __call__(self) -> str:
        """Return the secret; empty while it could never be read."""
        with self._lock:
            now = self._clock()
            if self._read_at is None or now - self._read_at >= READ_EVERY:
                self._read_at = now
                try:
                    self._secret = self._storage.read(self._path)[:_LONGEST].decode("ascii", "replace").strip()
                except YarnserveError:
                    return self._secret
            return self._secret
