"""The states of services as the JSON document that a dashboard reads (docs/supervise.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yarnserve import __version__
from yarnserve.records.journal import JournalEntry
from yarnserve.records.moments import timestamp
from yarnserve.records.supervision import ReplicaState, ServiceState

#: A change that breaks a reader raises it.
API_VERSION = "yarnserve/v1"


def state_document(states: Sequence[ServiceState], now: float) -> dict[str, Any]:
    """Return the document of *states* at the time *now* (epoch)."""
    return {
        "apiVersion": API_VERSION,
        "kind": "SupervisorState",
        "at": timestamp(now),
        "version": __version__,
        "services": [_service(each) for each in states],
    }


def _service(state: ServiceState) -> dict[str, Any]:
    return {
        "name": state.name,
        "lookedAt": timestamp(state.at) if state.seen else None,
        "mode": state.mode.value,
        "wanted": state.wanted,
        "live": state.live,
        "least": state.least,
        "hold": state.hold or None,
        "trouble": state.trouble or None,
        "actions": dict(state.actions),
        "replicas": [_replica(each) for each in state.replicas],
        "journal": [_entry(each) for each in state.last],
    }


def _replica(replica: ReplicaState) -> dict[str, Any]:
    return {
        "instance": replica.instance,
        "health": replica.health.value,
        "reason": replica.reason,
        "container": replica.container or None,
        "node": replica.node or None,
        "versions": {model: list(versions) for model, versions in replica.versions.items()},
        "liveSince": timestamp(replica.live_since),
        "failingSince": timestamp(replica.failing_since),
        "restarts": replica.restarts,
        "deaths": replica.deaths,
        "givenUpUntil": timestamp(replica.given_up_until),
        "decision": replica.decision or None,
    }


def _entry(entry: JournalEntry) -> dict[str, Any]:
    return {
        "at": timestamp(entry.at),
        "what": entry.what.value,
        "text": entry.text,
        "replica": entry.instance or None,
        "container": entry.container or None,
        "node": entry.node or None,
        "rule": entry.rule or None,
        "means": entry.means or None,
        "left": entry.left or None,
    }
