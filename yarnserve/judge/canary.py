"""Whether a version that some replicas serve first is good enough for all: the canary beside the others. Pure."""

from __future__ import annotations

from dataclasses import dataclass

#: So many failed requests are no chance any more.
LEAST_FAILED = 3

#: A canary may fail twice as often as the others do, and of a hundred requests one more.
FACTOR = 2.0
ALLOWANCE = 0.01


@dataclass(frozen=True)
class Tally:
    """Requests of some replicas in the time that is looked at, and those of them that failed."""

    requests: float = 0.0
    failed: float = 0.0

    @property
    def rate(self) -> float:
        """The part of the requests that failed."""
        return self.failed / self.requests if self.requests else 0.0

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(self.requests + other.requests, self.failed + other.failed)


def objection(canary: Tally, others: Tally) -> str:
    """Why the canary is worse than the *others*; empty while nothing speaks against it."""
    allowed = FACTOR * others.rate + ALLOWANCE
    if canary.failed < LEAST_FAILED or canary.rate <= allowed:
        return ""
    return (
        f"{canary.failed:.0f} of its {canary.requests:.0f} requests failed ({canary.rate:.1%}), of the others' "
        f"{others.requests:.0f} {others.failed:.0f} ({others.rate:.1%})"
    )
