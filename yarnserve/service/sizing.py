"""How many replicas a service has: what a person wants, and what YARN is told."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from yarnserve.errors import ConflictError, UnreachableError, UsageError, WaitTimeoutError, YarnserveError
from yarnserve.judge.plan import Step
from yarnserve.records.yarn import ComponentState
from yarnserve.service.changing import Held, Outcome
from yarnserve.service.finding import by_instance
from yarnserve.service.orders import SETTLE_PATIENCE
from yarnserve.service.placing import require_hostname, require_placement
from yarnserve.service.state import Wanted
from yarnserve.spec.endpoints import instance_number, most_replicas, used_ports
from yarnserve.spec.model import COMPONENT, ServiceSpec

#: Seconds after which a person's new size no longer waits for one that YARN has not reached.
NO_ROOM = 15.0


def scale(held: Held, replicas: int) -> Outcome:
    """Make YARN run so many *replicas* of a running service, because a person wants them."""
    _require_room(held, replace(held.revision().spec, replicas=replicas))
    seen = held.see()
    if not seen.runs:
        raise ConflictError(f"{held.name} is not running", next=f"yarnserve start {held.name}")
    if seen.replicas == replicas:
        held.want(Wanted.RUNNING, replicas, "scale")
        return Outcome(Step.NOTHING)
    flex(held, replicas, "scale")
    return Outcome(Step.SCALE)


def resize(held: Held, replicas: int) -> Outcome:
    """Give YARN a size for a running service that no person has asked for; the wanted one stays."""
    held.revision()
    if held.running_component().desired == replicas:
        return Outcome(Step.NOTHING)
    give_size(held, replicas)
    return Outcome(Step.SCALE)


def flex(held: Held, replicas: int, why: str) -> None:
    """Record that so many *replicas* are wanted, and give YARN that size.

    Recorded after the last change has ended: until then YARN holds, and may go on holding, the old one. A size that it
    does not reach, for want of room, is left for another all the same: a person's slip must not have to be stopped.
    """
    gives_up_at = held.changing.clock() + NO_ROOM
    await_last_change(held, replicas, gives_up_at)
    surplus = _surplus(held, replicas)
    # Also where it is wanted already: a supervisor that has taken one out is to know that a person has spoken.
    held.want(Wanted.RUNNING, replicas, why, again=True)
    give_size(held, replicas, gives_up_at)
    # Given again, their numbers will have other containers, and that was no restart.
    held.have_ended(surplus)


def _surplus(held: Held, replicas: int) -> list[str]:
    """The containers that YARN will end: of the highest numbers; fewer where it has not placed a lower one."""
    try:
        component = held.orders.patiently(held.component)
    except YarnserveError:
        # A change of size must not fail for a note about it.
        return []
    # YARN lists one that has ended beside the one in its place.
    containers = sorted(by_instance(component).values(), key=lambda each: instance_number(each.instance))
    return [each.id for each in containers[replicas:]]


def give_size(held: Held, replicas: int, gives_up_at: float = inf) -> None:
    """Send one FLEX when the last change is over; *gives_up_at* as in :func:`await_last_change`."""

    def send() -> None:
        # Each time: a new ResourceManager does not know at once how the component is (real-hadoop-ha.md 6).
        await_last_change(held, replicas, gives_up_at)
        held.lease.check()
        held.connection.services.flex(held.name, COMPONENT, replicas)

    held.narrate(f"scaling {held.name} to {replicas} replicas")
    held.orders.give(
        send,
        done=lambda: _has_size(held, replicas),
        what="the new size",
        result=f"{held.name} to take the new size",
    )


def await_last_change(held: Held, replicas: int = 0, gives_up_at: float = inf) -> None:
    """Wait until YARN has finished the last change of the service's size.

    From *gives_up_at* on (the clock's seconds) it need not have finished, where it was a change to another size than
    *replicas*: that is taken in its place, and only the same one again breaks the component (real-hadoop.md 7.10).

    Raises:
        WaitTimeoutError: it does not.
    """

    def is_free() -> bool:
        component = held.connection.services.get(held.name).component(COMPONENT)
        if component is None:
            return False
        is_left = held.changing.clock() >= gives_up_at and component.desired != replicas
        return component.state is not ComponentState.FLEXING or is_left

    try:
        held.orders.settle(is_free, f"{held.name} to finish its last change of size", held.changing.patience)
    except WaitTimeoutError as error:
        longer = "give it more --timeout; " if held.changing.patience < SETTLE_PATIENCE else ""
        error.fix = f"{longer}if it cannot finish, stop it and launch it with another size: yarnserve stop {held.name}"
        raise


def _require_room(held: Held, resized: ServiceSpec) -> None:
    most = most_replicas(*used_ports(resized))
    if resized.ports.per_replica and resized.replicas > most:
        raise UsageError(f"{held.name} can have at most {most} replicas", why="their ports would pass 65535")
    require_hostname(held.connection.settings, resized)
    held.orders.patiently(lambda: require_placement(held.connection, resized, held.narrate))


def _has_size(held: Held, replicas: int) -> bool:
    component = held.component()
    if component.desired != replicas and component.state is ComponentState.FLEXING:
        raise UnreachableError(f"{held.name} changes its size")
    return component.desired == replicas
