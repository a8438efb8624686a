"""Whether a model server that runs has to be started anew: what it answers, look by look. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from yarnserve.judge.busy import Count, Ours, follow
from yarnserve.records.replica import Prediction


@dataclass(frozen=True)
class Pulse:
    """What was seen of a server so far.

    *proved* once it has answered rightly since it was started: before that, failing is no news. *failures* in a row
    since, *why* the last; *count* is what the server's own count of predictions is compared with from then on.
    """

    proved: bool = False
    failures: int = 0
    why: str = ""
    count: Count | None = None


def beat(pulse: Pulse, why: str, prediction: Prediction | None, counted: float | None, ours: Ours) -> Pulse:
    """Take in one look.

    Args:
        pulse: what was known.
        why: why the look proves nothing good; empty when it does.
        prediction: the one that failed, or None where not even the status came.
        counted: predictions that the server has answered by its own count; None where it does not tell.
        ours: what was asked for in this look of what it counts there.
    """
    if not why:
        return Pulse(proved=True)
    if not pulse.proved:
        return replace(pulse, why=why)
    found_no_room = prediction is None or prediction.found_no_room
    count, is_busy = follow(pulse.count, counted, ours)
    # One that is slow, and works: callers get their answers, and a restart would make it slower.
    return Pulse(True, 1 if found_no_room and is_busy else pulse.failures + 1, why, count)


def is_wedged(pulse: Pulse, failures: int) -> bool:
    """Whether it has failed so often that only a new start will help."""
    return pulse.failures >= failures
