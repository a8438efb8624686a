"""Why a replica's process ended -> which class of death that is, and what is done about it. Pure.

The causes are those of :mod:`yarnserve.judge.explain`; here is only what follows from them for a supervisor. To hold
a replica at once takes a cause of which explain is certain that trying again cannot help.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from yarnserve.errors import first_line
from yarnserve.judge.explain import LONGEST, NO_START, Explanation, Kind, explain_exit, hardware_rule, rule_of_exit


class Death(str, Enum):
    """Class of a death; what is done about each is in TREATMENTS."""

    FREE = "free"
    NODE = "node"
    RESOURCE = "resource"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    CLEAN_EARLY = "clean-early"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Treatment:
    """A row of the table of classes.

    Attributes:
        death: the class.
        what: what is done, in words.
        cost: how much of the replica's budget the death takes.
        node_cost: how many strikes its node gets.
        most: starts in its place until the replica is held; None: as many as its budget allows.
        reason: why so.
    """

    death: Death
    what: str
    cost: int
    node_cost: int
    most: int | None
    reason: str


TREATMENTS = (
    Treatment(
        Death.FREE,
        "wait: YARN replaces it",
        0,
        0,
        None,
        "a lost node, preemption or an act of ours is no fault of the replica; half a cluster that reboots must not "
        "use up budgets (marathon#1456)",
    ),
    Treatment(
        Death.NODE,
        "start it elsewhere, suspect the node",
        0,
        1,
        None,
        "elsewhere it may be well, so its node pays and not the replica",
    ),
    Treatment(
        Death.RESOURCE,
        "start it again twice at most, then hold it and say what to raise",
        1,
        0,
        2,
        "memory that was short for a moment comes back; a model that does not fit never will (serving#1215)",
    ),
    Treatment(
        Death.TRANSIENT,
        "start it again after a growing pause",
        1,
        0,
        None,
        "HDFS, a registry or a port comes back by itself, and is not helped by a crowd that asks",
    ),
    Treatment(
        Death.PERMANENT,
        "hold it at once and alert with the fix; where the model has changed in the last hour, its version before",
        1,
        0,
        0,
        "the same image, flag or model fails the same way each time (pai#1793)",
    ),
    Treatment(
        Death.CLEAN_EARLY,
        "start it again after a growing pause",
        1,
        0,
        None,
        "a server does not end by itself; one that does at once would be started for ever (marathon#1470)",
    ),
    Treatment(
        Death.UNKNOWN,
        "start it again after a growing pause",
        1,
        0,
        None,
        "most causes that leave no trace pass; the budget bounds those that do not",
    ),
)

#: Seconds: a process that ends with 0 after a longer life has served, and its end is of no known kind.
SHORT_LIFE = 60.0

#: What YARN's own codes mean for the replica (yarn-services.md 4.2), whatever was written before.
_GIVEN = {
    **dict.fromkeys((-100, -102, -105, -106, -107, -108, 154), Death.FREE),
    -101: Death.NODE,
    **dict.fromkeys((-103, -104), Death.RESOURCE),
}

#: What has to change -> class; where explain is certain and it is not the node, that is PERMANENT.
_OF_KIND = {
    Kind.NODE: Death.NODE,
    Kind.CAPACITY: Death.RESOURCE,
    Kind.TRANSIENT: Death.TRANSIENT,
}

#: Kinds whose suspicion becomes certainty when it happens again: an upload may have been under way, or a node alone
#: without the image.
_CONFIRMED_BY_REPETITION = (Kind.IMAGE, Kind.MODEL)

#: Codes of a server that crashed by itself (SIGABRT, SIGSEGV): once may be chance, again is the program or the model.
_CRASHES = (134, 139)

#: SIGKILL without a word: by hand, or by the kernel because memory ran out, which happens again.
_KILLED = 137

#: Characters of the text that the evidence quotes.
_QUOTED = 200


@dataclass(frozen=True)
class DeathClass:
    """One death, classed.

    Attributes:
        death: its class.
        cause: why it ended, a clause without a full stop; *fix* what to do about it.
        evidence: what that rests on: the exit code, and the line of text that decided where one did.
        is_hardware: a GPU or its driver is broken: the node stays quarantined until somebody releases it.
    """

    death: Death
    cause: str
    fix: str
    evidence: str
    is_hardware: bool = False

    @property
    def treatment(self) -> Treatment:
        """What is done about it, and what that costs."""
        return treatment(self.death)


def treatment(death: Death) -> Treatment:
    """Return the row of the table for *death*."""
    return next(row for row in TREATMENTS if row.death is death)


def treatment_of(kind: str) -> Treatment:
    """Return the row for the class called *kind*; for one that only a newer yarnserve knows, that of the unknown."""
    return next((row for row in TREATMENTS if row.death.value == kind), treatment(Death.UNKNOWN))


def classify(code: int, text: str, *, lived: float | None, ours: bool, repeated: int = 0) -> DeathClass:
    """Class one death. Total: any code with any text has a class.

    Args:
        code: the exit code as a NodeManager reports it; negative ones are YARN's own.
        text: the container's diagnostics and the end of its log, as far as they are known.
        lived: how long the process ran, in seconds; None where nobody knows.
        ours: we ended it, so that it is no evidence against anything but broken hardware.
        repeated: deaths of the same replica with the same code before this one that still count. It turns a
            suspicion (an image, a model, a crash, a kill) into a certainty.
    """
    text = text[-LONGEST:]
    if hardware := hardware_rule(text):
        found = hardware.explanation
        return DeathClass(Death.NODE, found.cause, found.fix, _evidence(code, hardware.sign(text)), is_hardware=True)
    if ours:
        return DeathClass(Death.FREE, "yarnserve ended it", "nothing; YARN replaces it", _evidence(code))
    found = explain_exit(code, text)
    rule = rule_of_exit(code, text)
    evidence = _evidence(code, rule.sign(text) if rule else "", repeated)
    return DeathClass(_death(code, found, lived, repeated), found.cause, found.fix, evidence)


def _death(code: int, found: Explanation, lived: float | None, repeated: int) -> Death:
    if code in _GIVEN:
        return _GIVEN[code]
    if code == 0:
        # Of unknown age it is taken for young: both wait the same, and only this one says why.
        return Death.CLEAN_EARLY if lived is None or lived < SHORT_LIFE else Death.UNKNOWN
    if found.kind in _OF_KIND and (found.kind is Kind.NODE or not found.certain):
        return _OF_KIND[found.kind]
    if found.certain:
        return Death.PERMANENT
    if repeated > 0 and (code in _CRASHES or (found.kind in _CONFIRMED_BY_REPETITION and found != NO_START)):
        return Death.PERMANENT
    if repeated > 0 and code == _KILLED:
        return Death.RESOURCE
    return Death.UNKNOWN


def _evidence(code: int, line: str = "", repeated: int = 0) -> str:
    again = f", {repeated + 1} times" if repeated > 0 else ""
    told = f": {first_line(line, _QUOTED)}" if line.strip() else ""
    return f"exit code {code}{again}{told}"
