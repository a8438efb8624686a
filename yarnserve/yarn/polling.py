"""How often the services API may be asked, so that whoever looks never hurts the ResourceManager (design: polling)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from yarnserve.errors import RequestTimeoutError, UnreachableError
from yarnserve.records.version import Version

#: Seconds without a GET of a service after one that timed out: the first time, and at most.
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0


def leaks_per_call(version: Version) -> bool:
    """Whether each call of the services API costs a ResourceManager of *version* memory for good (YARN-9067)."""
    if version.at_least(3, 2):
        return not version.at_least(3, 2, 1)
    return not version.at_least(3, 1, 2)


@dataclass
class _Turn:
    """The state of one service's GETs; *not_before* is on the clock of its Turns."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    pause: float = 0.0
    not_before: float = 0.0


class Turns:
    """Admits one GET per service at a time, and none for a growing pause after one that timed out.

    A GET that meets a dying ApplicationMaster keeps a thread of the ResourceManager for up to 15 minutes, long
    after we have given up (yarn-services.md 1.5); asking again at once would only take the next thread.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._turns: dict[str, _Turn] = {}

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Wait until nobody else asks for service *name*, and ask inside the block.

        Raises:
            UnreachableError: it is too early to ask again.
        """
        with self._guard:
            turn = self._turns.setdefault(name, _Turn())
        with turn.lock:
            early = turn.not_before - self._clock()
            if early > 0:
                raise UnreachableError(
                    f"service {name} is not asked for right now",
                    why=f"YARN did not answer in time; asking again in {early:.0f} s",
                    fix="wait: its ApplicationMaster may be ending or starting",
                )
            try:
                yield
            except RequestTimeoutError:
                turn.pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, turn.pause * 2))
                turn.not_before = self._clock() + turn.pause
                raise
            turn.pause = 0.0
