"""The agents of a service: what each says of its replica, and orders to one."""

from __future__ import annotations

import json
from collections.abc import Mapping

from yarnserve import probe
from yarnserve.errors import AccessError, RefusedError, UnreachableError, first_line
from yarnserve.orders import Order, sign
from yarnserve.records.agent import AgentReport
from yarnserve.records.replica import Endpoint
from yarnserve.service.assigning import read_secret
from yarnserve.service.connection import Connection

#: Seconds that an agent has to answer: it does so from memory. For an order it may have to read its secret.
PATIENCE = 3.0
ORDER_PATIENCE = 15.0


def reports(endpoints: Mapping[str, Endpoint], *, deadline: float = PATIENCE) -> Mapping[str, AgentReport]:
    """Return what the agents at *endpoints* say, by instance; those that say nothing usable are left out."""
    asked = {instance: place.agent_url for instance, place in endpoints.items() if place.agent_url}
    texts = probe.read_all([f"{url}/status" for url in asked.values()], deadline=deadline)
    read = {instance: _parsed(text) for instance, text in zip(asked, texts, strict=True)}
    # Whoever else listens on that port is not the replica's agent.
    return {instance: report for instance, report in read.items() if report and report.instance == instance}


def give_order(connection: Connection, name: str, instance: str, endpoint: Endpoint, order: Order) -> AgentReport:
    """Have the agent of *instance* of service *name* take *order*; return what it said of itself before.

    Raises:
        RefusedError: the replica has no agent, or it takes no orders now.
        UnreachableError: the agent does not answer.
        AccessError: it does not take our signature.
        NotFoundError: the service has no secret.
    """
    url = endpoint.agent_url
    if url is None:
        raise RefusedError(
            f"{instance} of {name} has no agent", why="its models come with delivery: native", fix="use delivery: sync"
        )
    before = reports({instance: endpoint}).get(instance)
    if before is None or before.service != name:
        raise UnreachableError(f"the agent of {instance} does not answer", where=f"{url}/status")
    place = f"{url}/orders/{order.value}"
    headers = sign(read_secret(connection, name), before.boot, order)
    status, text = probe.post(place, headers, deadline=ORDER_PATIENCE)
    if status == 202:
        return before
    kind = AccessError if status == 403 else RefusedError
    raise kind(
        f"the agent of {instance} does not take the order",
        where=place,
        why=_told(text) or f"HTTP {status}",
        fix="it may have begun anew just now: give the order again",
    )


def _parsed(text: str | None) -> AgentReport | None:
    try:
        return AgentReport.from_document(json.loads(text)) if text is not None else None
    except (ValueError, RecursionError):
        return None


def _told(text: str) -> str:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return first_line(text)
    return first_line(str(document.get("what", ""))) if isinstance(document, dict) else ""
