"""The agents of a service: what each says of its replica, and orders to one."""

from __future__ import annotations

import json

from yarnserve.errors import AccessError, RefusedError, UnreachableError, first_line
from yarnserve.orders import Order, sign
from yarnserve.records.agent import AgentReport
from yarnserve.records.replica import Endpoint
from yarnserve.service.assigning import read_secret
from yarnserve.service.connection import Connection
from yarnserve.service.eyes import EYES, Eyes

#: Seconds that an agent has to answer: it does so from memory. For an order it may have to read its secret.
PATIENCE = 3.0
ORDER_PATIENCE = 15.0


def give_order(
    connection: Connection, name: str, instance: str, endpoint: Endpoint, order: Order, eyes: Eyes = EYES
) -> AgentReport:
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
    before = eyes.agents_at({instance: endpoint}, deadline=PATIENCE).get(instance)
    if before is None or not before.is_of(name, instance):
        raise UnreachableError(
            f"the agent of {instance} does not answer",
            where=f"{url}/status",
            why="it hangs, has ended and is started anew now, or its node cannot be reached",
            fix=f"give the order again; where it stays so, yarnserve restart {name} --replica {instance}",
            next=f"yarnserve status {name}",
        )
    place = f"{url}/orders/{order.value}"
    headers = sign(read_secret(connection, name), before.boot, order)
    status, text = eyes.post(place, headers, deadline=ORDER_PATIENCE)
    if status == 202:
        return before
    kind = AccessError if status == 403 else RefusedError
    raise kind(
        f"the agent of {instance} does not take the order",
        where=place,
        why=_told(text) or f"HTTP {status}",
        fix="it may have begun anew just now: give the order again",
    )


def _told(text: str) -> str:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return first_line(text)
    return first_line(str(document.get("what", ""))) if isinstance(document, dict) else ""
