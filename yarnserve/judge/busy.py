"""Whether a server that keeps us waiting works for others, or for nobody but us. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from yarnserve.records.replica import Contact, Prediction


@dataclass(frozen=True)
class Ours:
    """Predictions that we asked for in one look: those *answered* in time, and *late* ones.

    Whoever is slow goes on with a late one that nobody waits for any more, and counts it. What was refused is not
    counted (tf-serving.md 3.4).
    """

    answered: int = 0
    late: int = 0


@dataclass(frozen=True)
class Count:
    """How many predictions a server had *answered* by its own count, and what its next counts may have of *ours*.

    *answered* None: it has not told yet.
    """

    answered: float | None
    ours: int


def ours_of(predictions: Iterable[Prediction | None]) -> Ours:
    """Sum up what became of our *predictions* in one look; None: none could be asked for."""
    asked = [each for each in predictions if each is not None]
    late = sum(each.contact is Contact.TIMED_OUT for each in asked)
    return Ours(sum(each.contact is not Contact.TIMED_OUT and each.status == 200 for each in asked), late)


def is_busy(before: float | None, after: float | None, ours: int) -> bool:
    """Whether its own count of predictions moved from *before* to *after* by more than *ours*, while one timed out.

    Then it is slow, and a restart would take from its callers what they still get. Where it moved by *ours* alone
    nobody gets anything in time. A count that went back is that of a server that has just begun anew. None: it did not
    tell, and nothing is known; a server of before 2.5 counts nothing (tf-serving.md 3.4), and one without a monitoring
    file shows nothing.
    """
    if before is None or after is None:
        return False
    return after < before or after - before > ours


def follow(known: Count | None, answered: float | None, ours: Ours) -> tuple[Count, bool]:
    """Take in one look in which a prediction of ours timed out, or found no room.

    Args:
        known: of the look before, if that was late, too.
        answered: what the server has answered by its own count; None where it does not tell.
        ours: what we asked for in this look.

    Returns:
        What the next look is compared with, and whether the server is busy.
    """
    if known is None or known.answered is None:
        # What we got in time is in the first count already.
        return Count(answered, ours.late + (known.ours if known is not None else 0)), False
    # Not from look to look: some are answered several looks later, and then together.
    mine = known.ours + ours.answered + ours.late
    if is_busy(known.answered, answered, mine):
        return Count(answered, 0), True
    return Count(known.answered, mine), False
