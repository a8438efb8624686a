"""The model versions that a service's agents follow: which came last, and back to one before it."""

from __future__ import annotations

from collections.abc import Callable

from yarnserve.config import hdfs_path
from yarnserve.errors import ConflictError
from yarnserve.judge.decisions import FreshModel
from yarnserve.repository.channels import Channels
from yarnserve.service.changing import Held
from yarnserve.service.connection import Connection
from yarnserve.service.state import Revision


def roll_back(held: Held, change: FreshModel) -> None:
    """Make the version before *change* the stable one again.

    Raises:
        ConflictError: a person has said another since.
    """
    channels = _channels(held.connection, held.revision(), change.model, now=held.changing.now)
    latest = channels.latest()
    if latest is None or latest.channel.stable != change.version:
        raise ConflictError(f"a person has changed the stable version of {change.model} meanwhile", why="theirs counts")
    channels.rollback(change.before, why="the supervisor: replicas failed with it")


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
        # Only to lower numbers, so that there is an end: what was gone back from is never come back to.
        before = channels.previous(below=latest.channel.stable)
        if before is not None:
            changes.append(FreshModel(model.name, latest.channel.stable, before, latest.channel.at))
    return max(changes, key=lambda change: change.at, default=None)


def _channels(connection: Connection, revision: Revision, model: str, *, now: Callable[[], float]) -> Channels:
    base = next(each.base_path for each in revision.spec.models if each.name == model)
    return Channels(connection.storage_at(base), hdfs_path(base), who=connection.actor, now=now)
