"""A limit of bytes a second, shared by several threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Seconds by which a transfer may run ahead of its rate after a pause.
BURST = 0.25


class RateLimit:
    """Lets through *rate* bytes a second, all who share it together.

    Args:
        rate: bytes a second; None for no limit.
        clock: monotonic seconds.
        sleep: how to wait.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rate = rate
        self._clock = clock
        self._sleep = sleep
        self._free_at = clock()
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Wait until *count* bytes more may pass."""
        if self.rate is None:
            return
        with self._lock:
            now = self._clock()
            begins = max(self._free_at, now - BURST)
            self._free_at = begins + count / self.rate
            wait = self._free_at - now
        if wait > 0:
            self._sleep(wait)
