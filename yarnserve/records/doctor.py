"""What ``doctor`` looks at on behalf of one service.yaml, and what it says of each thing it has looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(str, Enum):
    """How a check ended. SKIPPED: there was nothing to look at, or what it stands on has failed."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One thing looked at: *what* was found, *why* that matters, *fix*: the setting and the file to change."""

    name: str
    outcome: Outcome
    what: str
    why: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Needs:
    """What a service wants of a cluster; memory is MiB of one replica, as are *vcores* and *gpus*.

    *one_per_host*: two replicas cannot share a node, or must not. *constrained*: YARN is told where they may run,
    which takes a placement constraint handler. *node_label*: the partition they run in, empty for the default one.
    """

    queue: str
    replicas: int
    memory_mb: int
    vcores: int
    gpus: int
    one_per_host: bool = False
    constrained: bool = False
    node_label: str = ""
