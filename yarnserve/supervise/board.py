"""How every supervised service stands: supervisors write on it, the table, the metrics and the watchdog read it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from yarnserve.records.supervision import ServiceState

#: Seconds within which every service has to be stepped. A step that acts waits for a replica to let its callers out.
PATIENCE = 600.0


class Board:
    """The newest state of each service. Whoever reads never waits for a supervisor's I/O.

    Args:
        patience: seconds after which a service that was not stepped counts as stuck.
        clock: monotonic seconds.
    """

    def __init__(self, *, patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._states: dict[str, ServiceState] = {}
        self._stepped_at: dict[str, float] = {}

    def __call__(self, state: ServiceState) -> None:
        """Put *state* up: its service was stepped now."""
        with self._lock:
            self._states[state.name] = state
            self._stepped_at[state.name] = self._clock()

    def expect(self, name: str) -> None:
        """Service *name* is supervised from now on: its first step is due."""
        with self._lock:
            self._stepped_at.setdefault(name, self._clock())

    def forget(self, name: str) -> None:
        """Service *name* is supervised no more."""
        with self._lock:
            self._states.pop(name, None)
            self._stepped_at.pop(name, None)

    def states(self) -> tuple[ServiceState, ...]:
        """The newest state of each service, by their names."""
        with self._lock:
            return tuple(self._states[name] for name in sorted(self._states))

    def stuck(self) -> Mapping[str, float]:
        """The services that were not stepped for too long, and for how many seconds."""
        with self._lock:
            now = self._clock()
            silent = {name: now - at for name, at in sorted(self._stepped_at.items())}
        return {name: seconds for name, seconds in silent.items() if seconds > self._patience}
