"""Decisions carried out: by the acts of a person's verbs, under the service's lease, and never against a person."""

from __future__ import annotations

from collections.abc import Callable

from yarnserve.errors import ConflictError
from yarnserve.judge.decisions import FreshModel
from yarnserve.records.ledger import Do
from yarnserve.service.actions import Actions
from yarnserve.service.state import Wanted
from yarnserve.service.store import ServiceStore

#: Seconds that an act may have waited, for a lease, YARN or a fail-over, until it ends a replica for what was seen.
RECENT = 15.0


def unchanged(order: float, now: Callable[[], float]) -> Callable[[ServiceStore], None]:
    """A guard for acts: a person has not spoken since *order* (epoch), and has not told supervisors to keep still."""

    def check(store: ServiceStore) -> None:
        desired, pause = store.desired.latest(), store.pause()
        if pause is not None and pause.holds(now()):
            raise ConflictError(f"supervision is {pause.in_words}", fix="yarnserve resume NAME")
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
        actions.roll_back(name, fresh)
