"""The model versions that a service's agents follow: which came last, and back to the one before."""

from __future__ import annotations

from yarnserve.config import hdfs_path
from yarnserve.errors import ConflictError, NotFoundError
from yarnserve.judge.decisions import FreshModel
from yarnserve.repository.channels import Channels
from yarnserve.service.connection import Connection
from yarnserve.service.state import Revision


def roll_back(connection: Connection, name: str, fresh: FreshModel) -> None:
    """Make the version before *fresh* the stable one again.

    Raises:
        ConflictError: a person has said another since.
    """
    revision = connection.store(name).revisions.latest()
    if revision is None:
        raise NotFoundError(f"there is no service {name!r} any more")
    channels = _channels(connection, revision.record, fresh.model)
    latest = channels.latest()
    if latest is None or latest.channel.stable != fresh.version:
        raise ConflictError(f"a person has changed the stable version of {fresh.model} meanwhile", why="theirs counts")
    channels.rollback(fresh.before, why="the supervisor: replicas failed with it")


def newest_change(connection: Connection, revision: Revision, *, since: float) -> FreshModel | None:
    """The newest change of what is stable since then (epoch), of all models that agents follow; None for none.

    Older ones are not looked into: the history of a model is long, and each of its entries costs reads of HDFS.
    """
    if not revision.spec.has_agent:
        return None
    changes = []
    for model in revision.spec.models:
        channels = _channels(connection, revision, model.name)
        latest = channels.latest()
        if latest is None or model.pinned is not None or latest.channel.at < since:
            continue
        before = channels.previous()
        # Back to a higher number would undo a roll-back.
        if before is not None and before < latest.channel.stable:
            changes.append(FreshModel(model.name, latest.channel.stable, before, latest.channel.at))
    return max(changes, key=lambda change: change.at, default=None)


def _channels(connection: Connection, revision: Revision, model: str) -> Channels:
    base = next(each.base_path for each in revision.spec.models if each.name == model)
    return Channels(connection.storage_at(base), hdfs_path(base), who=connection.actor)
