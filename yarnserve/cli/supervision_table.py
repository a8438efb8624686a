"""What ``supervise`` shows on a terminal: services, first those that are not well, and the newest of the journal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from yarnserve.cli.events import entry_line
from yarnserve.cli.output import age, table_lines
from yarnserve.errors import first_line

if TYPE_CHECKING:
    from yarnserve.records.supervision import ReplicaState, ServiceState

COLUMNS = ("replica", "health", "for", "restarts", "deaths", "node", "why")

#: Entries of the journal below the table.
LAST_ENTRIES = 8


def supervision_lines(states: Sequence[ServiceState], now: float | None = None) -> list[str]:
    """Return the picture of *states* at the time *now* (epoch), for ``screen.draw``.

    Of several services those that are well are one line each.
    """
    now = time.time() if now is None else now
    if not states:
        return ["no service has been looked at yet"]
    lines: list[str] = []
    for state in sorted(states, key=lambda state: (_is_well(state), state.name)):
        lines += _service(state, now, is_short=len(states) > 1 and _is_well(state))
    entries = sorted((entry for state in states for entry in state.last), key=lambda entry: entry.at)
    told = [entry_line(entry) for entry in entries[-LAST_ENTRIES:]]
    return [*lines, *([""] if told else []), *told]


def _is_well(state: ServiceState) -> bool:
    return not (state.trouble or state.hold) and state.live >= state.wanted and all(map(_is_quiet, state.replicas))


def _service(state: ServiceState, now: float, *, is_short: bool) -> list[str]:
    lines = [_head(state, now)]
    if state.trouble:
        lines.append(f"  {click.style('trouble', fg='red')}: {first_line(state.trouble)}")
    if state.hold:
        lines.append(f"  {click.style('held', fg='yellow')}: {first_line(state.hold)}")
    if is_short or not state.replicas:
        return lines
    rows = [_row(group, now) for group in _folded(state.replicas)]
    return [*lines, "", *table_lines(COLUMNS, rows), ""]


def _head(state: ServiceState, now: float) -> str:
    parts = [state.mode.value]
    if state.seen:
        parts.append(f"{state.live} of {state.wanted} replicas live")
    parts += [f"{count} x {means}" for means, count in sorted(state.actions.items())]
    if state.seen:
        parts.append(f"looked at {age(state.at, now)} ago")
    elif state.trouble:
        parts.append(f"not seen for {age(state.at, now)}")
    return f"{click.style(state.name, bold=True)}: {', '.join(parts)}"


def _is_quiet(replica: ReplicaState) -> bool:
    return replica.health.value == "live" and not (replica.decision or replica.restarts or replica.deaths)


def _folded(replicas: Sequence[ReplicaState]) -> list[list[ReplicaState]]:
    """Replicas that stand one after the other and are simply live are one row."""
    groups: list[list[ReplicaState]] = []
    for replica in replicas:
        if groups and _is_quiet(replica) and _is_quiet(groups[-1][-1]):
            groups[-1].append(replica)
        else:
            groups.append([replica])
    return groups


def _row(group: Sequence[ReplicaState], now: float) -> tuple[str, ...]:
    first, last = group[0], group[-1]
    name = first.instance if len(group) == 1 else f"{first.instance}..{last.instance.rpartition('-')[2]}"
    since = max((each.live_since for each in group if each.live_since is not None), default=first.failing_since)
    node = first.node if len(group) == 1 else f"{len({each.node for each in group})} nodes"
    counts = (str(first.restarts), str(first.deaths))
    return (name, first.health.value, age(since, now), *counts, node or "-", _why(first, now))


def _why(replica: ReplicaState, now: float) -> str:
    why = first_line(replica.reason)
    if replica.decision:
        why += f"; {first_line(replica.decision)}"
    if replica.given_up_until is not None and replica.given_up_until > now:
        why += f" (given up for another {age(now, replica.given_up_until)})"
    return why
