"""Which of a pair of daemons is active, and what the other is, over time (real-hadoop-ha.md 3 and 5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Standing(Enum):
    """What one daemon of a pair is."""

    ACTIVE = "ACTIVE"
    STANDBY = "STANDBY"
    #: It knows that it is elected, and still reads what the other has left.
    LOADING = "LOADING"
    #: It answers, and nothing of it is there yet but its web server.
    BOOTING = "BOOTING"
    #: It answers, and is not ready for anything.
    STARTING = "STARTING"
    #: Its process is gone: connections are refused.
    DOWN = "DOWN"


@dataclass(frozen=True)
class Times:
    """Seconds of a fail-over.

    Attributes:
        takeover: from the death of the active one until the other is active.
        loading: the end of that, when the other knows it already.
        down: from a daemon's death until it is started again.
        starting: from its start until it is a standby.
    """

    takeover: float
    loading: float
    down: float
    starting: float


class Election:
    """Two daemons, the first of them active at the start; one that dies is started again after a while."""

    def __init__(self, times: Times) -> None:
        self._times = times
        self._active: int | None = 0
        self._elected_at = 0.0
        self._starts_at = [0.0, 0.0]
        self._ready_at = [0.0, 0.0]

    @property
    def active(self) -> int | None:
        """The active one, None while there is none."""
        return self._active

    def standing(self, index: int, now: float) -> Standing:
        """Return what daemon *index* is."""
        if now < self._starts_at[index]:
            return Standing.DOWN
        if now < self._ready_at[index]:
            is_early = now < (self._starts_at[index] + self._ready_at[index]) / 2
            return Standing.BOOTING if is_early else Standing.STARTING
        if index == self._active:
            return Standing.ACTIVE
        is_next = self._active is None and index == self._next(now)
        return Standing.LOADING if is_next and now >= self._due(index) - self._times.loading else Standing.STANDBY

    def kill(self, index: int, now: float, *, takeover: float | None = None) -> None:
        """End daemon *index*; *takeover* stands in for the usual time until the other is active."""
        self._starts_at[index] = now + self._times.down
        self._ready_at[index] = self._starts_at[index] + self._times.starting
        if index == self._active:
            self._active = None
            self._elected_at = now + (self._times.takeover if takeover is None else takeover)

    def advance(self, now: float) -> bool:
        """Elect who is due by *now*; return whether one has become active."""
        if self._active is not None:
            return False
        chosen = self._next(now)
        if chosen is None or now < self._due(chosen):
            return False
        self._active = chosen
        return True

    def _due(self, index: int) -> float:
        """Return when it becomes active: who has just come back is a standby first (`rm_both_down`)."""
        return max(self._elected_at, self._ready_at[index] + self._times.loading)

    def _next(self, now: float) -> int | None:
        """Return who will be elected: who is ready, and of two the one that has been longer."""
        ready = [index for index in (0, 1) if now >= self._ready_at[index]]
        return min(ready, key=lambda index: self._ready_at[index], default=None)
