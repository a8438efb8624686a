"""How often the process in one container has ended, as far as its NodeManager tells. Pure.

A NodeManager that starts a process again in place tells nobody: the services API goes on saying READY
(yarn-services.md 4.1). What it does show is the last exit code and, in the diagnostics, a line with a time for each
end; both are cut or gone soon, so they are added up from look to look.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from yarnserve.judge.explain import explain_exit
from yarnserve.records.yarn import NodeContainer

#: NodeManager states in which the container goes on after its process has ended.
_GOES_ON = ("RUNNING", "RELAUNCHING")

#: Characters of the diagnostics that are kept: the cause stands in the last lines.
_KEPT = 1000

_DEATH = re.compile(
    r"\[(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})\]"
    r"(?:Exception from container-launch|Diagnostic message from attempt|Container exited with a non-zero exit code)"
)

#: Seconds: lines nearer to each other than a NodeManager's shortest retry interval tell of the same end.
_SAME_DEATH = 0.9


@dataclass(frozen=True)
class Exits:
    """What is known of the ends of one container's process.

    *deaths* counts them, *relaunches* those after which the NodeManager started it again; both are lower bounds.
    *code* is the newest exit code, *cause*, *fix* and *certain* its explanation; *last_at* the time of the newest
    end on the NodeManager's clock, in its own writing; *text* the end of its diagnostics.
    """

    deaths: int
    relaunches: int
    code: int
    cause: str
    fix: str
    certain: bool
    last_at: str = ""
    text: str = ""


def exits_after(before: Exits | None, process: NodeContainer) -> Exits | None:
    """Return the exits of a container after its NodeManager reported *process*; None while it never ended."""
    goes_on = process.state in _GOES_ON
    # A process that ends with 0 is not started again, so a running one with 0 has not ended.
    if not process.has_exited or (goes_on and process.exit_code == 0):
        return before
    told = _deaths(process.diagnostics)
    last_at = before.last_at if before else ""
    new = sum(not last_at or _apart(last_at, at) for at in told)
    deaths = (before.deaths if before else 0) + new or 1
    found = explain_exit(process.exit_code, process.diagnostics)
    return Exits(
        deaths,
        # The end after which a container is over for good was no start in place.
        deaths if goes_on else max(before.relaunches if before else 0, deaths - 1),
        process.exit_code,
        found.cause,
        found.fix,
        found.certain,
        told[-1] if new else last_at,
        process.diagnostics[-_KEPT:],
    )


def _deaths(diagnostics: str) -> list[str]:
    """The time of each end that *diagnostics* tell of, in order, once for each."""
    kept: list[str] = []
    for found in _DEATH.finditer(diagnostics):
        at = found["at"]
        if _seconds(at) is not None and (not kept or _apart(kept[-1], at)):
            kept.append(at)
    return kept


def _apart(earlier: str, later: str) -> bool:
    """Whether *later* is so much later that it belongs to another end."""
    first, second = _seconds(earlier), _seconds(later)
    return first is not None and second is not None and second - first > _SAME_DEATH


def _seconds(at: str) -> float | None:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (moment - datetime.min).total_seconds()
