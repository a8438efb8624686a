"""The rows of ``status``: one for each replica, and one for many that wait for the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yarnserve.cli.output import age
from yarnserve.cli.replicas import versions_in_words

if TYPE_CHECKING:
    from yarnserve.records.replica import Replica

COLUMNS = ("replica", "health", "restarts", "age", "reason")
WIDE_COLUMNS = ("replica", "health", "restarts", "age", "versions", "endpoint", "node", "container", "reason")


def row(group: tuple[Replica, ...], *, wide: bool) -> tuple[str, ...]:
    """Return the cells of a group, for COLUMNS or WIDE_COLUMNS."""
    first, last = group[0], group[-1]
    name = first.instance if len(group) == 1 else f"{first.instance}..{last.instance.rpartition('-')[2]}"
    reason = first.verdict.reason if len(group) == 1 else f"{len(group)} replicas: {first.verdict.reason}"
    if first.last_exit is not None and first.last_exit.cause not in reason:
        reason += f"; last exit {first.last_exit.code}: {first.last_exit.cause}"
    start = (name, first.verdict.health.value, str(first.restarts), age(first.started_at))
    return (*start, *_wide_cells(first), reason) if wide else (*start, reason)


def _wide_cells(replica: Replica) -> tuple[str, ...]:
    endpoint = f"{replica.endpoint.host}:{replica.endpoint.rest_port}" if replica.endpoint else ""
    return tuple(cell or "-" for cell in (versions_in_words(replica), endpoint, replica.node, replica.container_id))
