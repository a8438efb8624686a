"""How a command that runs for long ends in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ending(stop: threading.Event) -> Iterator[None]:
    """Set *stop* at SIGTERM and at Ctrl-C, so that the work is ended in order; Ctrl-C goes on as KeyboardInterrupt."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    try:
        yield
    except KeyboardInterrupt:
        stop.set()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
