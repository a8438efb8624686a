"""One replica replaced, started elsewhere, or taken out: by its agent, by a signal, or by decommissioning it."""

from __future__ import annotations

from dataclasses import dataclass

from yarnserve.errors import ConflictError, RefusedError, UsageError, YarnserveError
from yarnserve.judge.plan import Step
from yarnserve.orders import Order
from yarnserve.records.ledger import Do
from yarnserve.records.yarn import Component, Container
from yarnserve.render.features import DECOMMISSION
from yarnserve.service.agents import give_order
from yarnserve.service.changing import Held, Outcome
from yarnserve.service.finding import require_endpoint, require_instance
from yarnserve.service.means import Means, means_for
from yarnserve.service.orders import SETTLE_PATIENCE
from yarnserve.service.sizing import await_last_change, give_size
from yarnserve.spec.endpoints import instance_number, most_replicas, used_ports
from yarnserve.spec.model import COMPONENT, ServiceSpec


@dataclass(frozen=True)
class _Old:
    """The replica that is to go, in its service of *spec* and beside the others of *component*.

    *meant* is the container that whoever decided has seen it in; empty for whichever it has.
    """

    spec: ServiceSpec
    component: Component
    container: Container
    meant: str

    @property
    def instance(self) -> str:
        return self.container.instance


def restart(held: Held, replica: str, container_id: str) -> Outcome:
    """Have YARN replace the container of *replica*, by the gentlest means that there is."""
    old = _find(held, replica, container_id)
    if old.spec.has_agent and _leaves(held, old):
        return Outcome(Step.RESTART, instances=(old.instance,))
    means = means_for(Do.RESTART, held.connection.hadoop_version())
    if means is None:
        raise RefusedError(
            f"cannot restart {old.instance} of {held.name}",
            why="one replica can be replaced from Hadoop 3.1.3, 3.2.1 or 3.3 on",
            fix=f"restart all of them: yarnserve stop {held.name}, then yarnserve start {held.name}",
        )
    held.narrate(f"restarting {old.instance} of {held.name}: {means.value}")
    if means is Means.SIGNAL:
        return _by_signal(held, old)
    return _by_decommission(held, old)


def move(held: Held, replica: str, container_id: str) -> Outcome:
    """Have another replica, of another number, in place of *replica*, wherever YARN finds room."""
    old = _find(held, replica, container_id)
    _require_means(held, Do.MOVE, f"cannot move {old.instance} of {held.name}")
    held.narrate(f"moving {old.instance} of {held.name}: {Means.DECOMMISSION.value}")
    return _by_decommission(held, old)


def take_out(held: Held, replica: str, container_id: str) -> Outcome:
    """Take *replica* away, and leave the wanted size as a person has said it."""
    old = _find(held, replica, container_id)
    _require_means(held, Do.TAKE_OUT, f"cannot take {old.instance} of {held.name} out")
    held.narrate(f"taking {old.instance} of {held.name} out")
    _decommission(held, old)
    return Outcome(Step.SCALE, instances=(old.instance,))


def _find(held: Held, replica: str, container_id: str) -> _Old:
    """Find *replica* in the container that is meant.

    Raises:
        NotFoundError: there is no such service or replica.
        ConflictError: nothing of the service runs, or the replica has another container.
    """
    spec = held.revision().spec
    component = held.running_component()
    container = require_instance(component, held.name, replica)
    _require_meant(container, container_id)
    return _Old(spec, component, container, container_id)


def _require_meant(container: Container, container_id: str) -> None:
    """Raise ConflictError for another container: what was known of the one that is meant says nothing of this one."""
    if container_id and container.id != container_id:
        raise ConflictError(
            f"{container.instance} has another container by now", why=f"{container.id} in place of {container_id}"
        )


def _require_means(held: Held, do: Do, what: str) -> None:
    if means_for(do, held.connection.hadoop_version()) is None:
        raise RefusedError(what, why=f"it needs {DECOMMISSION.name}, from Hadoop {DECOMMISSION.since} on")


def _leaves(held: Held, old: _Old) -> bool:
    """Have the replica's agent end it in order; whether it did: one that does not answer cannot."""
    held.lease.check()
    held.changing.still()
    try:
        place = require_endpoint(old.container, old.spec)
        give_order(held.connection, held.name, old.instance, place, Order.LEAVE, held.changing.eyes)
    except YarnserveError as error:
        held.narrate(f"{error.what}: restarting {old.instance} by YARN's own means")
        return False
    held.orders.has_begun = True
    held.have_ended([old.container.id])
    held.narrate(f"restarting {old.instance} of {held.name}: {Means.AGENT.value}")
    _await_replacement(held, old.container, old.spec.agent.drain + SETTLE_PATIENCE)
    return True


def _by_signal(held: Held, old: _Old) -> Outcome:
    def send() -> None:
        held.changing.still()
        held.connection.cluster.kill_container(old.container.id)

    held.order(
        send,
        done=lambda: old.container.id not in {each.id for each in held.component().containers},
        what="the signal",
        result=f"the end of {old.container.id}",
    )
    held.have_ended([old.container.id])
    # Only another container id proves it: a process may survive a signal (docker-on-yarn-observed.md).
    _await_replacement(held, old.container, SETTLE_PATIENCE)
    return Outcome(Step.RESTART, instances=(old.instance,))


def _await_replacement(held: Held, old: Container, patience: float) -> None:
    def is_replaced() -> bool:
        found = held.connection.services.get(held.name).component(COMPONENT)
        ids = [each.id for each in found.containers if each.instance == old.instance] if found else []
        return bool(ids) and old.id not in ids

    held.orders.settle(is_replaced, f"another container of {old.instance}", patience)


def _by_decommission(held: Held, old: _Old) -> Outcome:
    if old.spec.ports.per_replica and _next_number(old.component) >= most_replicas(*used_ports(old.spec)):
        raise UsageError(f"{held.name} cannot get one more number for a replica", why="its ports would pass 65535")
    before = {each.instance for each in old.component.containers}
    replicas = old.component.desired
    try:
        _decommission(held, old)
        give_size(held, replicas)
        new = held.orders.settle(lambda: tuple(_instances(held) - before), f"a replica in place of {old.instance}")
    except BaseException as error:
        # A signal may come within the request; an error of ours tells whether there was one.
        if held.orders.has_begun or not isinstance(error, YarnserveError):
            held.narrate(
                f"{held.name} may be left with one replica less; mend it with: yarnserve scale {held.name} {replicas}"
            )
        raise
    return Outcome(Step.RESTART, instances=tuple(sorted(new)))


def _decommission(held: Held, old: _Old) -> None:
    instance = old.instance

    def send() -> None:
        # Once more: while it was waited YARN may have put a sound container in the place of the one that is meant.
        held.changing.still()
        if old.meant:
            _require_meant(require_instance(held.component(), held.name, instance), old.meant)
        held.connection.services.decommission(held.name, COMPONENT, instance)

    await_last_change(held)
    held.order(
        send,
        done=lambda: instance not in _instances(held),
        what=f"the end of {instance}",
        result=f"{instance} to end",
    )
    held.orders.settle(lambda: instance not in _instances(held), f"{instance} to end")


def _instances(held: Held) -> set[str]:
    return {each.instance for each in held.component().containers}


def _next_number(component: Component) -> int:
    """The least number that a replica made now may get: YARN gives no number twice to the decommissioned."""
    return max((instance_number(each.instance) for each in component.containers), default=-1) + 1
