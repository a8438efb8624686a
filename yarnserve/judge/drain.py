"""When a server that gets no new callers has let the last of them go. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Drain:
    """A draining that began at *since*.

    *counted* answers were seen last, at *seen_at*, and as many at each look since *still_since*.
    """

    since: float
    why: str
    counted: float | None = None
    still_since: float = 0.0
    seen_at: float = 0.0

    def observe(self, counted: float | None, at: float) -> Drain:
        """Take in how many predictions the server had answered by the look that began at *at*; None: it did not tell.

        What was seen before the draining began says nothing of what came since.
        """
        if counted is None or at < self.since:
            return self
        if counted != self.counted:
            return replace(self, counted=counted, still_since=at, seen_at=at)
        return replace(self, seen_at=at)

    def is_settled(self, now: float, *, quiet: float, longest: float) -> bool:
        """Whether no prediction was seen for *quiet* seconds, or *longest* have passed."""
        return now - self.since >= longest or self.seen_at - self.still_since >= quiet
