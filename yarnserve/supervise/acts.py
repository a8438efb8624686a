"""Decisions carried out: by the acts of a person's verbs, under the service's lease, and never against a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from yarnserve.config import hdfs_path
from yarnserve.errors import ConflictError, NotFoundError
from yarnserve.judge.decisions import Do, FreshModel
from yarnserve.records.version import Version
from yarnserve.repository.channels import Channels
from yarnserve.service.actions import Actions
from yarnserve.service.connection import Connection
from yarnserve.service.means import Decision as Wish
from yarnserve.service.means import Means, means_for
from yarnserve.service.state import Revision, Wanted
from yarnserve.service.store import ServiceStore

#: Seconds that an act may have waited, for a lease, YARN or a fail-over, until it ends a replica for what was seen.
RECENT = 15.0

#: What each decision asks of the table of means.
WISHES: Mapping[Do, Wish] = {
    Do.RESTART: Wish.RESTART_REPLICA,
    Do.MOVE: Wish.MOVE_REPLICA,
    Do.TAKE_OUT: Wish.TAKE_OUT,
    Do.READMIT: Wish.RESIZE,
    Do.RESIZE: Wish.RESIZE,
    Do.ROLL_BACK: Wish.ROLL_BACK,
    Do.START: Wish.START,
    Do.RELAUNCH: Wish.RELAUNCH,
}


def means_of(version: Version, *, has_agents: bool) -> Mapping[Do, Means]:
    """The means of every decision that can be carried out on Hadoop *version*."""
    found = {do: means_for(wish, version, has_agents=has_agents) for do, wish in WISHES.items()}
    return {do: means for do, means in found.items() if means is not None}


def unchanged(order: float, now: Callable[[], float]) -> Callable[[ServiceStore], None]:
    """A guard for acts: a person has not spoken since *order* (epoch), and has not told supervisors to keep still."""

    def check(store: ServiceStore) -> None:
        desired, pause = store.desired.latest(), store.pauses.latest()
        if pause is not None and pause.record.holds(now()):
            raise ConflictError("supervision is paused", why=f"by {pause.record.by}", fix="yarnserve resume NAME")
        if desired is None or desired.record.state is not Wanted.RUNNING or desired.record.at != order:
            raise ConflictError("a person has given the service another order meanwhile", why="theirs counts")

    return check


def recent(waited: Callable[[], float]) -> Callable[[], None]:
    """A check for acts, made right after a look: so little was *waited* since then that it still holds."""
    before = waited()

    def check() -> None:
        seconds = waited() - before
        if seconds > RECENT:
            raise ConflictError(f"what was seen is {seconds:.0f} s old by now", why="it is looked at again first")

    return check


def carry_out(
    actions: Actions, name: str, do: Do, *, instance: str, container: str, size: int, fresh: FreshModel | None
) -> None:
    """Do it.

    Args:
        actions: with a guard.
        name: the service.
        do: what.
        instance: the replica that it is about.
        container: that replica's container: if it has another by now, nothing is done.
        size: how many replicas YARN is to have.
        fresh: the change that is taken back.

    Raises:
        YarnserveError: whatever the acts raise.
    """
    if do is Do.RESTART:
        actions.restart(name, instance, container_id=container)
    elif do is Do.MOVE:
        actions.move(name, instance, container_id=container)
    elif do is Do.TAKE_OUT:
        actions.take_out(name, instance, container_id=container)
    elif do in (Do.READMIT, Do.RESIZE):
        actions.resize(name, size)
    elif do is Do.START:
        actions.start(name)
    elif do is Do.RELAUNCH:
        actions.relaunch(name)
    elif do is Do.ROLL_BACK and fresh is not None:
        _roll_back(actions.connection, name, fresh)


def _roll_back(connection: Connection, name: str, fresh: FreshModel) -> None:
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
