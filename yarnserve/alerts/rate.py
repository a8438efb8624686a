"""How many alerts a receiver is told at a time: when half a cluster goes, nobody reads two hundred messages. Pure."""

from __future__ import annotations

from collections import deque

#: Alerts, and within how many seconds.
MOST = 20
WITHIN = 600.0


class Rate:
    """At most *most* within *within* seconds; those beyond are held back, and counted by their key."""

    def __init__(self, most: int = MOST, within: float = WITHIN) -> None:
        self.most = most
        self.within = within
        self._told: deque[float] = deque()
        self._held: set[str] = set()

    @property
    def held(self) -> int:
        """How many different alerts were held back since ``release``."""
        return len(self._held)

    def has_room(self, now: float) -> bool:
        """Whether one more may be told."""
        # A clock that was set back must not close it for ever.
        while self._told and not 0 <= now - self._told[0] < self.within:
            self._told.popleft()
        return len(self._told) < self.most

    def count(self, now: float) -> None:
        """One was told."""
        self._told.append(now)

    def hold(self, key: str) -> bool:
        """*key* is held back; return whether it is the first."""
        is_first = not self._held
        self._held.add(key)
        return is_first

    def release(self) -> int:
        """Return how many were held back, and begin anew."""
        held = len(self._held)
        self._held.clear()
        return held
