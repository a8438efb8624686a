"""The model versions that a service's agents follow: which came last, and back to one before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile

from yarnserve.config import hdfs_path
from yarnserve.errors import ConflictError
from yarnserve.judge.decisions import FreshModel
from yarnserve.repository.channels import ChannelEntry, Channels
from yarnserve.service.changing import Held
from yarnserve.service.connection import Connection
from yarnserve.service.state import Revision
from yarnserve.yarn.resource_managers import OUTCOME_UNKNOWN


def roll_back(held: Held, change: FreshModel) -> None:
    """Make the version before *change* the stable one again.

    Raises:
        ConflictError: a person has said another since.
    """
    channels = _channels(held.connection, held.revision(), change.model, now=held.changing.now)
    latest = channels.latest()
    if latest is None or latest.channel.stable != change.version:
        raise ConflictError(f"a person has changed the stable version of {change.model} meanwhile", why="theirs counts")
    held.lease.check()
    try:
        channels.rollback(change.before, why="the supervisor: replicas failed with it", after=latest)
    except OUTCOME_UNKNOWN:
        held.orders.has_begun = True
        raise
    held.orders.has_begun = True


def newest_change(
    connection: Connection, revision: Revision, *, since: float, now: Callable[[], float]
) -> FreshModel | None:
    """The newest change of what is stable since then (epoch), of all models that agents follow; None for none.

    Older ones are not looked into: the history of a model is long, and each of its entries costs reads of HDFS.
    """
    if not revision.spec.has_agent:
        return None
    changes = []
    for model in revision.spec.models:
        channels = _channels(connection, revision, model.name, now=now)
        latest = channels.latest()
        if latest is None or model.pinned is not None or latest.channel.at < since:
            continue
        changes.append(_change(model.name, latest.channel.stable, channels.history()))
    return max((each for each in changes if each is not None and each.at >= since), key=_when, default=None)


def _change(model: str, stable: int, history: Sequence[ChannelEntry]) -> FreshModel | None:
    """How *stable* came to be what it is, by what was said since: a canary beside it makes it no fresher."""
    said = list(reversed(history))
    came = [_came_at(entry) for entry in takewhile(lambda entry: entry.channel.stable == stable, said)]
    # Only to lower numbers, so that there is an end: what was gone back from is never come back to.
    before = next((entry.channel.stable for entry in said if entry.channel.stable < stable), None)
    return FreshModel(model, stable, before, came[-1]) if came and before is not None else None


def _came_at(entry: ChannelEntry) -> float:
    # Whoever promotes may do so where the clock is ahead: then what it has broken would seem to have been so before.
    return min(entry.channel.at, entry.written_at)


def _when(change: FreshModel) -> float:
    return change.at


def _channels(connection: Connection, revision: Revision, model: str, *, now: Callable[[], float]) -> Channels:
    base = next(each.base_path for each in revision.spec.models if each.name == model)
    return Channels(connection.storage_at(base), hdfs_path(base), who=connection.actor, now=now)
