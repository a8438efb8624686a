"""How many replicas a service has: what a person wants, and what YARN is told."""

from __future__ import annotations

from dataclasses import replace

from yarnserve.errors import ConflictError, UnreachableError, UsageError, WaitTimeoutError
from yarnserve.judge.plan import Step
from yarnserve.records.yarn import ComponentState
from yarnserve.service.changing import Held, Outcome
from yarnserve.service.placing import require_hostname, require_placement
from yarnserve.service.state import Wanted
from yarnserve.spec.endpoints import most_replicas, used_ports
from yarnserve.spec.model import COMPONENT, ServiceSpec


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

    Recorded after the last change has ended: until then YARN holds, and may go on holding, the old one.
    """
    await_last_change(held)
    # Also where it is wanted already: a supervisor that has taken one out is to know that a person has spoken.
    held.want(Wanted.RUNNING, replicas, why, again=True)
    give_size(held, replicas)


def give_size(held: Held, replicas: int) -> None:
    """Send one FLEX, and only while none is under way: a second one breaks the component (real-hadoop.md 7.10)."""

    def send() -> None:
        # Each time: a new ResourceManager does not know at once how the component is (real-hadoop-ha.md 6).
        await_last_change(held)
        held.lease.check()
        held.connection.services.flex(held.name, COMPONENT, replicas)

    held.narrate(f"scaling {held.name} to {replicas} replicas")
    held.orders.give(
        send,
        done=lambda: _has_size(held, replicas),
        what="the new size",
        result=f"{held.name} to take the new size",
    )


def await_last_change(held: Held) -> None:
    """Wait until YARN has finished the last change of the service's size.

    Raises:
        WaitTimeoutError: it does not.
    """
    try:
        what = f"{held.name} to finish its last change of size"
        held.orders.settle(lambda: not _flexing(held), what, held.changing.patience)
    except WaitTimeoutError as error:
        error.fix = f"if it cannot finish, stop it and launch it with another size: yarnserve stop {held.name}"
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


def _flexing(held: Held) -> bool:
    component = held.connection.services.get(held.name).component(COMPONENT)
    return component is None or component.state is ComponentState.FLEXING
