"""What a supervisor works with: eyes, clocks, whom it tells. Each with a default."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from yarnserve.alerts.records import Alarm, Alert
from yarnserve.records.journal import JournalEntry
from yarnserve.records.supervision import ServiceState
from yarnserve.service.eyes import EYES, Eyes
from yarnserve.storage.lease import boot_clock


def _nobody(entry: JournalEntry) -> None:
    """No journal."""


def _unseen(state: ServiceState) -> None:
    """Nobody looks at the state."""


class Silence:
    """Nobody is told."""

    def fire(self, alert: Alert) -> None:
        """Nothing."""

    def resolve(self, key: str, summary: str = "") -> None:
        """Nothing."""

    def settle(self, prefix: str, lasting: Collection[str]) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Tools:
    """What a supervisor works with.

    Attributes:
        eyes: how replicas are looked at.
        journal: gets every entry.
        alarm: whom troubles are told.
        board: told how the service stands, after every step.
        narrate: told, in words for people, what an act waits for.
        clock: monotonic seconds, those of a sleeping machine too: leases go by it.
        now: seconds since the epoch.
        pause: waits that many seconds.
        draw: a random number from 0 to 1.
        acts: False for one that only says what it would do.
    """

    eyes: Eyes = EYES
    journal: Callable[[JournalEntry], None] = _nobody
    alarm: Alarm = field(default_factory=Silence)
    board: Callable[[ServiceState], None] = _unseen
    narrate: Callable[[str], None] = lambda text: None
    clock: Callable[[], float] = boot_clock
    now: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random
    acts: bool = True
