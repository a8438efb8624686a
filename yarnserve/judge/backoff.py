"""When a server that ended is started again: soon after a long life, ever later after short ones. Pure."""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds before the first start again; doubled each time.
FIRST = 1.0

#: A server that ran so long (seconds) has done nothing wrong by its start.
LONG_LIFE = 600.0


@dataclass(frozen=True)
class Backoff:
    """*ends* are the times at which the server ended by itself, oldest first, as far back as they count."""

    ends: tuple[float, ...] = ()

    def ended(self, now: float, lived: float, window: float) -> Backoff:
        """Take in an end at *now* after *lived* seconds; ends more than *window* seconds ago are forgotten."""
        before = () if lived >= LONG_LIFE else tuple(end for end in self.ends if now - end < window)
        return Backoff((*before, now))

    def pause(self, longest: float) -> float:
        """Seconds until the next start, at most *longest*."""
        return min(FIRST * 2.0 ** min(len(self.ends) - 1, 20), longest) if self.ends else 0.0

    def exhausted(self, most: int) -> bool:
        """Whether it ended more than *most* times: here it will not get well."""
        return len(self.ends) > most
