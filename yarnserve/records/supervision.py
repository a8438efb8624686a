"""How a supervisor stands: what its table, its metrics and its JSON state are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from yarnserve.records.journal import JournalEntry
from yarnserve.records.replica import Health


class Mode(str, Enum):
    """What a supervisor does for a service."""

    ACTING = "acting"
    OBSERVING = "observing"
    PAUSED = "paused"
    STANDBY = "standby"


@dataclass(frozen=True)
class ReplicaState:
    """One wanted component instance.

    Attributes:
        instance: its name.
        health: how it is, and *reason* why, in words.
        container: its container's id; empty while it has none.
        node: where it runs.
        versions: what is AVAILABLE, by model.
        live_since: since when it has been live without a break (epoch); None while it is not.
        failing_since: when evidence against it began; None while there is none.
        restarts: ours, that count against its budget now.
        deaths: its own, as far as they count now.
        given_up_until: it is given up until then (epoch); None while it is not.
        decision: what is decided of it, in words; empty while it is well.
    """

    instance: str
    health: Health
    reason: str
    container: str = ""
    node: str = ""
    versions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    live_since: float | None = None
    failing_since: float | None = None
    restarts: int = 0
    deaths: int = 0
    given_up_until: float | None = None
    decision: str = ""


@dataclass(frozen=True)
class ServiceState:
    """One service.

    Attributes:
        name: its name.
        at: when it was last looked at (epoch); until it has been *seen*, when this supervisor began with it.
        mode: what is done for it.
        wanted: how many replicas a person wants.
        least: how many of them have to stay live beside one that is restarted.
        replicas: all of them.
        hold: why nothing is done now; empty while there is no hold.
        trouble: why it could not be looked at the last time; empty when it could.
        actions: how many restarts and other actions were carried out since this supervisor began, by their means.
        last: the newest entries of its journal, oldest first.
    """

    name: str
    at: float
    mode: Mode
    wanted: int = 0
    least: int = 0
    replicas: tuple[ReplicaState, ...] = ()
    hold: str = ""
    trouble: str = ""
    actions: Mapping[str, int] = field(default_factory=dict)
    last: tuple[JournalEntry, ...] = ()
    seen: bool = False

    @property
    def live(self) -> int:
        """How many replicas are live."""
        return sum(each.health is Health.LIVE for each in self.replicas)
