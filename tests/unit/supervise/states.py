"""States of services, as supervisors put them up."""

from __future__ import annotations

from yarnserve.records.journal import JournalEntry, What
from yarnserve.records.replica import Health
from yarnserve.records.supervision import Mode, ReplicaState, ServiceState

NOW = 1_800_000_000.0


def live(number: int) -> ReplicaState:
    """A replica that is well."""
    return ReplicaState(
        f"serve-{number}",
        Health.LIVE,
        "digits version 1 answered the example in 3 ms",
        f"container_1_0001_01_00000{number + 2}",
        f"node{number}",
        {"digits": (1,)},
        live_since=NOW - 3600,
    )


def failing(number: int) -> ReplicaState:
    """One that hangs, is given up for an hour, and was restarted twice."""
    return ReplicaState(
        f"serve-{number}",
        Health.FAILING,
        "no answer for 60 s",
        node="node9",
        failing_since=NOW - 60,
        restarts=2,
        deaths=1,
        given_up_until=NOW + 3600,
        decision="given up: 2 restarts have not helped",
    )


def service(name: str = "digits", *replicas: ReplicaState, hold: str = "", trouble: str = "") -> ServiceState:
    """A service of *replicas*, or of one that is well and one that is not."""
    last = JournalEntry(NOW - 5, name, What.DECIDED, "give it up", "serve-1", rule="given up")
    shown = replicas or (live(0), failing(1))
    actions = {"restart": 2, "drain": 1}
    return ServiceState(name, NOW - 2, Mode.ACTING, len(shown), 1, shown, hold, trouble, actions, (last,), seen=True)
