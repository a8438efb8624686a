"""What the models of one server have in common."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from yarnserve.sandbox.model_server.loading import Job, Loading, inline
from yarnserve.sandbox.model_server.serving_map import ServingMap
from yarnserve.sandbox.model_server.source import LocalSource, Source


class Changes:
    """Counts what happens to versions and configuration, and wakes whoever waits for it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    @property
    def count(self) -> int:
        """How many there have been."""
        return self._count

    def note(self) -> None:
        """Say that there was one."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def wait(self, seen: int, seconds: float | None) -> None:
        """Wait until there are others than those *seen*, for so many seconds at most."""
        self.wait_for(lambda: self._count != seen, seconds)

    def wait_for(self, condition: Callable[[], bool], seconds: float | None = None) -> None:
        """Wait until a change makes *condition* true, for so many seconds at most."""
        with self._condition:
            self._condition.wait_for(condition, seconds)


@dataclass(frozen=True)
class Shared:
    """How versions are found and loaded (*start* takes a job that loads one), and what they answer to."""

    loading: Loading
    source: Callable[[str], Source] = LocalSource
    start: Callable[[Job], None] = inline
    serving: ServingMap = field(default_factory=ServingMap)
    changes: Changes = field(default_factory=Changes)
