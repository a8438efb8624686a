"""What goes wrong in a simulation, and when: drawn by a seed, told as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random


class Kind(str, Enum):
    """One thing that goes wrong."""

    CRASH = "crash"
    SLOW_LOOP = "slow crash loop (45 s)"
    FLAPPING = "flapping every 4 minutes"
    HANG = "hang"
    BROKEN = "200-but-broken"
    OUT_OF_MEMORY = "CUDA out of memory"
    CLEAN_EXITS = "clean exits"
    BAD_VERSION = "bad model version"
    NO_IMAGE = "image missing"
    NODE_LOSS = "node loss"
    REBOOTS = "half the cluster reboots"
    HDFS_DOWN = "HDFS down 20 minutes"
    FAILOVER = "ResourceManager failover in an action"
    KILLED = "supervisor killed in an action"
    CLOCK_JUMP = "clock jump"


#: How long each lasts, in seconds, at least and at most; one that happens in a moment lasts 0.
LASTS = {
    Kind.CRASH: (0, 0),
    Kind.SLOW_LOOP: (600, 1500),
    Kind.FLAPPING: (600, 1500),
    Kind.HANG: (0, 0),
    Kind.BROKEN: (0, 0),
    Kind.OUT_OF_MEMORY: (0, 0),
    Kind.CLEAN_EXITS: (60, 240),
    Kind.BAD_VERSION: (240, 600),
    Kind.NO_IMAGE: (300, 900),
    Kind.NODE_LOSS: (720, 1200),
    Kind.REBOOTS: (120, 300),
    Kind.HDFS_DOWN: (1200, 1200),
    # These wait for an action, and happen without one where none comes.
    Kind.FAILOVER: (300, 300),
    Kind.KILLED: (300, 300),
    Kind.CLOCK_JUMP: (0, 0),
}

#: Nothing of the service itself goes wrong by these, but with what looks after it.
OF_THE_SUPERVISOR = (Kind.KILLED, Kind.CLOCK_JUMP)

#: How often each is drawn: what concerns one replica comes more often than what concerns all.
_WEIGHTS = {
    **dict.fromkeys(Kind, 1.0),
    **dict.fromkeys((Kind.CRASH, Kind.HANG, Kind.BROKEN, Kind.KILLED), 2.0),
    **dict.fromkeys((Kind.BAD_VERSION, Kind.NO_IMAGE, Kind.NODE_LOSS, Kind.REBOOTS, Kind.HDFS_DOWN), 0.5),
}


@dataclass(frozen=True)
class Fault:
    """One fault: *at* and *lasts* are seconds; *pick* and *more* from 0 to 1 choose whom it hits and how."""

    kind: Kind
    at: float
    lasts: float
    pick: float
    more: float

    @property
    def until(self) -> float:
        """When it is over."""
        return self.at + self.lasts

    def __str__(self) -> str:
        return f"{self.kind.value} for {self.lasts:.0f} s" if self.lasts else self.kind.value


def draw(random: Random, count: int, span: float, kinds: Sequence[Kind] = tuple(Kind)) -> tuple[Fault, ...]:
    """Return *count* faults of *kinds* that begin within *span* seconds, in the order of their times."""
    weights = [_WEIGHTS[kind] for kind in kinds]
    found = []
    for _ in range(count):
        kind = random.choices(kinds, weights)[0]
        lasts = random.uniform(*LASTS[kind])
        found.append(Fault(kind, random.uniform(0, span), lasts, random.random(), random.random()))
    return tuple(sorted(found, key=lambda fault: fault.at))
