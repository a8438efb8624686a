"""What the supervisors of one user know of nodes together: strikes against them, and which are quarantined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Strike:
    """A death that speaks against the node it happened on.

    Attributes:
        at: when, in seconds since the epoch.
        service: whose replica died.
        instance: which one.
        death: its class by its word, as in docs/supervise.md.
        why: its cause, in words.
        is_hardware: a GPU or its driver is broken.
    """

    at: float
    service: str
    instance: str
    death: str
    why: str
    is_hardware: bool = False


@dataclass(frozen=True)
class Quarantine:
    """A node that replicas are moved away from.

    Attributes:
        at: since when, in seconds since the epoch.
        until: until then; None: until somebody releases it.
        level: how often in a row it was quarantined by evidence; 0 where only a person did.
        by: who did it: ``user@host``, or a service's supervisor.
        why: in words.
    """

    at: float
    until: float | None
    level: int
    by: str
    why: str


@dataclass(frozen=True)
class NodeLedger:
    """Both by the node's host name. A quarantine that is over stays for a while: the next one is longer."""

    strikes: Mapping[str, tuple[Strike, ...]] = field(default_factory=dict)
    quarantines: Mapping[str, Quarantine] = field(default_factory=dict)
