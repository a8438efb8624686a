"""The acts: launch, scale, restart, stop, start, destroy. The only place that changes a service.

Each takes its service in hand (:mod:`yarnserve.service.changing`) and leaves the rest to a module of its topic.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from yarnserve.judge.decisions import FreshModel
from yarnserve.orders import Order
from yarnserve.records.agent import AgentReport
from yarnserve.service import fresh, launching, lifecycle, replacing, sizing
from yarnserve.service.agents import give_order
from yarnserve.service.changing import Changing, Outcome, launched
from yarnserve.service.connection import Connection
from yarnserve.service.eyes import EYES, Eyes
from yarnserve.service.finding import require_endpoint, require_instance
from yarnserve.service.orders import SETTLE_PATIENCE, Orders
from yarnserve.service.state import Pause
from yarnserve.service.store import ServiceStore
from yarnserve.spec.model import ServiceSpec
from yarnserve.storage.lease import boot_clock


class Actions:
    """The acts on the services of one connection.

    Args:
        connection: the cluster.
        narrate: told, in words for people, what is about to happen and what is waited for.
        clock: monotonic seconds.
        now: seconds since the epoch, for records that people read.
        pause: waits that many seconds.
        guard: called with the saved state once the lease is held; raises where the act is not wanted any more.
        still: called right before a replica is ended; raises where the reason for it may not be one any more.
        eyes: how agents are reached.
        patience: seconds to wait, SETTLE_PATIENCE at most, for YARN to finish its last change of a service's size.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        narrate: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = boot_clock,
        now: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
        guard: Callable[[ServiceStore], None] = lambda store: None,
        still: Callable[[], None] = lambda: None,
        eyes: Eyes = EYES,
        patience: float = SETTLE_PATIENCE,
    ) -> None:
        self.connection = connection
        orders = Orders(connection.resource_managers, narrate=narrate, clock=clock, pause=pause)
        self._changing = Changing(
            connection, orders, narrate, clock, now, pause, guard, still, eyes, min(patience, SETTLE_PATIENCE)
        )

    @property
    def has_begun(self) -> bool:
        """Whether anything was done to a service, or may have been; a later part of the act may still have failed."""
        return self._changing.orders.has_begun

    def launch(self, spec: ServiceSpec, *, replace: bool = False) -> Outcome:
        """Make YARN run what *spec* says; nothing is sent when it already does.

        With *replace*, a service of this name that yarnserve did not launch, or that runs and differs in more than
        its size, is stopped and removed first.

        Raises:
            ConfigurationError: a replica's host name would be longer than Docker takes, or the cluster obeys no
                placement constraints and *spec* needs them.
            NotFoundError: a model has no such version on HDFS; TF Serving would wait for one for ever, ports closed.
            ConflictError: without *replace*: the name is another service's or that of a leftover definition, or the
                running service differs in more than its size.
        """
        new = launching.prepare(self._changing, spec)
        with self._changing.hold(spec.name, "launch") as held:
            return launching.launch(held, new, replace=replace)

    def scale(self, name: str, replicas: int) -> Outcome:
        """Make YARN run *replicas* replicas of the running service *name*.

        Raises:
            UsageError: the ports of that many replicas do not fit.
            ConfigurationError: nor does the host name of the last one, or nothing obeys their placement constraints.
        """
        with self._changing.hold(name, "scale") as held:
            return sizing.scale(held, replicas)

    def resize(self, name: str, replicas: int) -> Outcome:
        """Give YARN a size for the running service *name* that no person has asked for; the wanted one stays."""
        with self._changing.hold(name, "resize") as held:
            return sizing.resize(held, replicas)

    def restart(self, name: str, replica: str, *, container_id: str = "") -> Outcome:
        """Have YARN replace the container of *replica* (``serve-1`` or ``1``) of the running service *name*.

        Ends when YARN has taken the old one away and knows of a replacement; ``Outcome.instances`` names the replica
        that takes over, of another number where this Hadoop has only decommissioning.

        Args:
            name: the service.
            replica: which one.
            container_id: the container that is meant; empty for whichever it has now.

        Raises:
            NotFoundError: it has no such replica.
            ConflictError: it has another container than the one that is meant.
            RefusedError: this Hadoop has no means for it.
        """
        with self._changing.hold(name, "restart") as held:
            return replacing.restart(held, replica, container_id)

    def move(self, name: str, replica: str, *, container_id: str = "") -> Outcome:
        """The same by another replica, of another number, wherever YARN finds room: a new container says least of all.

        Raises:
            NotFoundError, ConflictError, RefusedError: as for :meth:`restart`.
        """
        with self._changing.hold(name, "move") as held:
            return replacing.move(held, replica, container_id)

    def take_out(self, name: str, replica: str, *, container_id: str = "") -> Outcome:
        """Take *replica* away, and leave the wanted size as a person has said it.

        Raises:
            NotFoundError, ConflictError, RefusedError: as for :meth:`restart`.
        """
        with self._changing.hold(name, "take out") as held:
            return replacing.take_out(held, replica, container_id)

    def order(self, name: str, replica: str, order: Order) -> AgentReport:
        """Give the agent of *replica* of the running service *name* an *order*; return what it said of itself before.

        Raises:
            NotFoundError: there is no such service, or it has no such replica.
            RefusedError: it has no agent.
            UnreachableError, AccessError: the agent does not answer, or does not take it.
        """
        with self._changing.hold(name, f"order {order.value}") as held:
            spec = held.revision().spec
            container = require_instance(held.running_component(), name, replica)
            place = require_endpoint(container, spec)
            report = give_order(self.connection, name, container.instance, place, order, self._changing.eyes)
            if order is Order.LEAVE:
                held.have_ended([container.id])
            return report

    def stop(self, name: str) -> Outcome:
        """Stop service *name* and wait until YARN says so; its definition stays."""
        with self._changing.hold(name, "stop") as held:
            return lifecycle.stop(held)

    def start(self, name: str) -> Outcome:
        """Start the stopped service *name* with the size it had, from our own record where YARN has lost it."""
        with self._changing.hold(name, "start") as held:
            return lifecycle.start(held)

    def relaunch(self, name: str) -> Outcome:
        """Stop the running service *name* and start it again, all replicas at once; what is wanted of it stays."""
        with self._changing.hold(name, "relaunch") as held:
            return lifecycle.relaunch(held)

    def destroy(self, name: str) -> None:
        """Stop service *name*, remove its definition from YARN and everything saved of it.

        Raises:
            NotFoundError: neither YARN nor the saved state knows it.
        """
        with self._changing.hold(name, "destroy") as held:
            lifecycle.destroy(held)

    def roll_back(self, name: str, change: FreshModel) -> None:
        """Make the version before *change* the stable one of its model again.

        Raises:
            ConflictError: a person has said another since.
        """
        with self._changing.hold(name, "roll back") as held:
            fresh.roll_back(held, change)

    def pause(self, name: str, *, why: str = "", until: float | None = None) -> None:
        """Tell supervisors to do nothing for service *name*, *until* then (epoch), or until :meth:`resume`."""
        self._say(name, Pause(True, self.connection.actor, self._changing.now(), why, until))

    def resume(self, name: str) -> None:
        """Tell supervisors that they may go on."""
        self._say(name, Pause(False, self.connection.actor, self._changing.now()))

    def _say(self, name: str, word: Pause) -> None:
        # Without the lease: an act may hold that for minutes, and it is what a pause is to keep from being repeated.
        store = self.connection.store(name)
        launched(self.connection, store, name)
        store.pauses.append(word, after=store.pauses.latest())
