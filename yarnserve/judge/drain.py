"""When a server that gets no new callers has let the last of them go. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Drain:
    """A draining that began at *since*; *counted* answers were seen last, unchanged since *still_since*."""

    since: float
    why: str
    counted: float | None = None
    still_since: float | None = None

    def observe(self, counted: float | None, now: float) -> Drain:
        """Take in how many predictions the server has answered; None where it does not tell."""
        if counted is None:
            return self
        if counted != self.counted or self.still_since is None:
            return replace(self, counted=counted, still_since=now)
        return self

    def is_settled(self, now: float, *, quiet: float, longest: float) -> bool:
        """Whether no request came for *quiet* seconds, or *longest* have passed."""
        if now - self.since >= longest:
            return True
        return self.still_since is not None and now - max(self.still_since, self.since) >= quiet
