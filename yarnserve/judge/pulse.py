"""Whether a model server that runs has to be started anew: what it answers, look by look. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from yarnserve.judge.busy import is_busy
from yarnserve.records.replica import Contact, Prediction


@dataclass(frozen=True)
class Pulse:
    """What was seen of a server so far.

    *proved* once it has answered rightly since it was started: before that, failing is no news. *failures* in a row
    since, *why* the last; *counted* is how many predictions the server had answered by its own count at the first of
    them, None where it does not count.
    """

    proved: bool = False
    failures: int = 0
    why: str = ""
    counted: float | None = None


def beat(pulse: Pulse, why: str, prediction: Prediction | None, counted: float | None) -> Pulse:
    """Take in one look.

    Args:
        pulse: what was known.
        why: why the look proves nothing good; empty when it does.
        prediction: the one that failed, or None where not even the status came.
        counted: predictions that the server has answered by its own count; None where it does not tell.
    """
    if not why:
        return Pulse(proved=True)
    if not pulse.proved:
        return replace(pulse, why=why)
    timed_out = prediction is None or prediction.contact is Contact.TIMED_OUT
    if timed_out and pulse.failures and is_busy(pulse.counted, counted):
        # It is slow, and works: callers get their answers, and a restart would make it slower.
        return replace(pulse, failures=1, why=why, counted=counted)
    first = pulse.failures == 0
    return Pulse(True, pulse.failures + 1, why, counted if first else pulse.counted)


def is_wedged(pulse: Pulse, failures: int) -> bool:
    """Whether it has failed so often that only a new start will help; a 4xx never gets here (failure_of)."""
    return pulse.failures >= failures
