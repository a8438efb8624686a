"""What is printed of one replica, wherever it runs: as a document, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yarnserve.cli.output import age, timestamp

if TYPE_CHECKING:
    from yarnserve.records.agent import AgentReport
    from yarnserve.records.replica import Endpoint, Replica


def replica_document(replica: Replica) -> dict[str, Any]:
    """Return what ``-o json`` says of a replica (docs/status-json.md)."""
    exit = replica.last_exit
    return {
        "instance": replica.instance,
        "health": replica.verdict.health.value,
        "reason": replica.verdict.reason,
        "fix": replica.verdict.fix or None,
        "restarts": replica.restarts,
        "lastExit": {"code": exit.code, "cause": exit.cause} if exit else None,
        "container": replica.container_id or None,
        "node": replica.node or None,
        "endpoint": _endpoint_document(replica.endpoint) if replica.endpoint else None,
        "versions": {model: list(versions) for model, versions in (replica.versions or {}).items()},
        "startedAt": timestamp(replica.started_at),
        "agent": _agent_document(replica.agent) if replica.agent else None,
    }


def versions_in_words(replica: Replica) -> str:
    """Say which versions it serves, and since when where its agent tells: ``digits:2 (5m)``; empty for none."""
    since = {model.name: model.since for model in replica.agent.models} if replica.agent else {}
    return ", ".join(
        f"{model}:{'+'.join(map(str, numbers))}" + (f" ({age(since[model])})" if since.get(model) else "")
        for model, numbers in (replica.versions or {}).items()
        if numbers
    )


def _endpoint_document(endpoint: Endpoint) -> dict[str, Any]:
    ports = {"rest": endpoint.rest_port, "grpc": endpoint.grpc_port, "agent": endpoint.agent_port}
    return {"host": endpoint.host, **ports}


def _agent_document(agent: AgentReport) -> dict[str, Any]:
    models = [
        {
            "name": model.name,
            "version": model.version,
            "since": timestamp(model.since),
            "wanted": model.wanted,
            "canary": model.is_canary,
            "trial": model.trial,
            "refused": model.refused or None,
            "trouble": model.trouble or None,
        }
        for model in agent.models
    ]
    return {"state": agent.state, "why": agent.why, "serverStarts": agent.server_starts, "models": models}
