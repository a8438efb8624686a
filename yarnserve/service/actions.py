"""The acts: launch, scale, restart, stop, start, destroy. The only place that changes a service.

Each act holds the service's lease, records the wanted state before it is carried out (so that nobody repairs what a
person has just ended), reads YARN again right before it writes, and sends each write as an order (``orders``), which
waits for a fail-over and is never carried out twice. One that makes an application is marked in the lease, so that
whoever comes after an interrupted or killed yarnserve waits for it too (real-hadoop-ha.md 4, 6).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from yarnserve.errors import (
    AccessError,
    ConflictError,
    LeaseLostError,
    NotFoundError,
    RefusedError,
    UnreachableError,
    UsageError,
    WaitTimeoutError,
    YarnserveError,
)
from yarnserve.judge.plan import Plan, Step, plan_launch
from yarnserve.orders import Order
from yarnserve.records.agent import AgentReport
from yarnserve.records.ledger import Do
from yarnserve.records.replica import Endpoint
from yarnserve.records.yarn import Accepted, Application, Component, ComponentState, Container, Service
from yarnserve.render.features import DECOMMISSION
from yarnserve.render.service import ClusterFacts, render
from yarnserve.service.agents import give_order
from yarnserve.service.assigning import ensure_secret, hdfs_access
from yarnserve.service.connection import Connection
from yarnserve.service.finding import newest_application, no_service, require_instance
from yarnserve.service.means import Means, means_for
from yarnserve.service.orders import SETTLE_PATIENCE, Orders
from yarnserve.service.pinning import pin_versions
from yarnserve.service.placing import require_hostname, require_kerberos, require_placement
from yarnserve.service.state import Desired, Pause, Revision, Wanted
from yarnserve.service.store import Saved, ServiceStore
from yarnserve.spec.endpoints import endpoint, instance_number, most_replicas, used_ports
from yarnserve.spec.model import COMPONENT, ServiceSpec
from yarnserve.storage.lease import Lease, boot_clock
from yarnserve.yarn.resource_managers import OUTCOME_UNKNOWN

#: Seconds during which a submission that nobody heard the end of may still be carried out (real-hadoop-ha.md 6).
UNSETTLED = 60.0


@dataclass(frozen=True)
class Outcome:
    """What an act did, YARN's *application_id* where it named one, and the *instances* that it made."""

    step: Step
    application_id: str = ""
    instances: tuple[str, ...] = ()


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
    ) -> None:
        self.connection = connection
        self._guard = guard
        self._still = still
        self._narrate = narrate
        self._clock = clock
        self._now = now
        self._pause = pause
        self._orders = Orders(connection.resource_managers, narrate=narrate, clock=clock, pause=pause)

    @property
    def has_begun(self) -> bool:
        """Whether anything was done to a service, or may have been; a later part of the act may still have failed."""
        return self._orders.has_begun

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
        require_kerberos(self.connection.settings, spec)
        require_hostname(self.connection.settings, spec)
        self._orders.patiently(lambda: require_placement(self.connection, spec, self._narrate))
        spec = pin_versions(self.connection, spec)
        version = self._orders.patiently(self.connection.hadoop_version)
        settings = self.connection.settings
        access = hdfs_access(settings, spec, self.connection.storage.home()) if spec.has_agent else None
        rendered = render(spec, ClusterFacts(version, settings.hdfs_client, access))
        with self._leased(spec.name, "launch") as (store, lease):
            seen = self._see(spec.name, store)
            saved = store.revisions.latest()
            plan = plan_launch(
                exists=seen.service is not None,
                runs=seen.runs,
                yarn_replicas=seen.replicas,
                saved=saved.record.rendered if saved else None,
                rendered=rendered,
                replicas=spec.replicas,
                replace=replace,
            )
            _refuse(spec.name, plan)
            if plan.step is Step.REPLACE:
                # Before anything is saved: a revision must never say that YARN has what it has not.
                if seen.runs:
                    self._end(spec.name, seen, store, lease, known=saved is not None)
                self._narrate(f"removing the stopped definition of {spec.name}")
                self._destroy(spec.name, lease)
            if access is not None:
                ensure_secret(self.connection.storage, access.secret)
            if saved is None or plan.step in (Step.CREATE, Step.REPLACE) or not saved.record.same_spec(spec):
                revision = Revision(spec, rendered, self.connection.actor, self._now())
                store.revisions.append(revision, after=saved)
                store.begin_sightings()
            try:
                return self._carry_out(plan.step, spec, rendered, store, lease)
            except YarnserveError as error:
                if plan.step in (Step.CREATE, Step.REPLACE):
                    self._clear_refused(spec.name, error, store, lease, known=saved is not None)
                if plan.step is Step.REPLACE and seen.runs and saved is not None:
                    self._bring_back(saved, error, seen, store, lease)
                raise

    def _bring_back(
        self, before: Saved[Revision], error: YarnserveError, seen: _Seen, store: ServiceStore, lease: Lease
    ) -> None:
        """Run again what ran before YARN refused its replacement: a mistake in a file must end no service."""
        if isinstance(error, (LeaseLostError, *OUTCOME_UNKNOWN)):
            return
        name = before.record.spec.name
        self._narrate(f"YARN refused it: bringing back revision {before.number} of {name}, which ran before")
        try:
            newest = store.revisions.latest()
            again = replace(before.record, by=self.connection.actor, at=self._now())
            store.revisions.append(again, after=newest)
            self._create_again(again, seen.replicas or before.record.spec.replicas, "launch --replace", store, lease)
        except YarnserveError as failure:
            self._narrate(f"it could not be brought back: {failure.what}; launch its file again")

    def _create_again(self, revision: Revision, replicas: int, why: str, store: ServiceStore, lease: Lease) -> str:
        """Give YARN the definition of *revision* anew, with *replicas*; return the application's id."""
        document = _resized(revision.rendered, replicas)
        self._want(store, Wanted.RUNNING, replicas, why)
        return self._submit(revision.spec.name, lease, lambda: self.connection.services.create(document))

    def _end(self, name: str, seen: _Seen, store: ServiceStore, lease: Lease, *, known: bool) -> None:
        """Stop the running service *name* that is to be replaced; *known* when yarnserve launched it."""
        self._narrate(f"stopping {name}, to replace it")
        if known:
            self._want(store, Wanted.STOPPED, seen.replicas or 0, "launch --replace")
        try:
            self._stop(name, lease)
        except ConflictError:
            # It has ended meanwhile; its ApplicationMaster may take some seconds more.
            self._orders.settle(lambda: not self._unfinished(name), f"{name} to end")

    def _clear_refused(
        self, name: str, error: YarnserveError, store: ServiceStore, lease: Lease, *, known: bool
    ) -> None:
        """Leave no taken name behind a launch that YARN refused after it had stored the definition.

        All versions do so for some mistakes, those before 3.3.1 for more (yarn-services.md 1.7). There was no
        definition right before; one that is there now, with nothing running, is the refused one, unless the refusal
        was that the name is taken. Where that cannot be seen nothing is removed.
        """
        if isinstance(error, (LeaseLostError, *OUTCOME_UNKNOWN)):
            return
        with suppress(YarnserveError):
            if not isinstance(error, ConflictError):
                if self._unfinished(name):
                    return
                if self._exists(name):
                    self._narrate(
                        f"YARN kept the definition that it refused: removing it, so that {name} is free again"
                    )
                    self._destroy(name, lease)
            if known:
                self._want(store, Wanted.STOPPED, 0, "the launch was refused")
            else:
                _discard(store, lease)

    def _carry_out(
        self, step: Step, spec: ServiceSpec, rendered: Mapping[str, Any], store: ServiceStore, lease: Lease
    ) -> Outcome:
        if step is Step.SCALE:
            self._flex(spec.name, spec.replicas, "launch", store, lease)
            return Outcome(step)
        self._want(store, Wanted.RUNNING, spec.replicas, "launch")
        if step is Step.NOTHING:
            return Outcome(step)
        if step is Step.START:
            return Outcome(step, self._submit(spec.name, lease, lambda: self.connection.services.start(spec.name)))
        self._narrate(f"submitting {spec.name}: {spec.replicas} replicas")
        return Outcome(step, self._submit(spec.name, lease, lambda: self.connection.services.create(rendered)))

    def scale(self, name: str, replicas: int) -> Outcome:
        """Make YARN run *replicas* replicas of the running service *name*.

        Raises:
            UsageError: the ports of that many replicas do not fit.
            ConfigurationError: nor does the host name of the last one, or nothing obeys their placement constraints.
        """
        with self._leased(name, "scale") as (store, lease):
            revision = _require_ours(store, name, self.connection)
            most = most_replicas(*used_ports(revision.spec))
            if revision.spec.ports.per_replica and replicas > most:
                raise UsageError(f"{name} can have at most {most} replicas", why="their ports would pass 65535")
            resized = replace(revision.spec, replicas=replicas)
            require_hostname(self.connection.settings, resized)
            self._orders.patiently(lambda: require_placement(self.connection, resized, self._narrate))
            seen = self._see(name, store)
            if not seen.runs:
                raise ConflictError(f"{name} is not running", next=f"yarnserve start {name}")
            if seen.replicas == replicas:
                self._want(store, Wanted.RUNNING, replicas, "scale")
                return Outcome(Step.NOTHING)
            self._flex(name, replicas, "scale", store, lease)
            return Outcome(Step.SCALE)

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
        with self._leased(name, "restart") as (store, lease):
            spec = _require_ours(store, name, self.connection).spec
            component = self._running_component(name, store)
            container = _meant(require_instance(component, name, replica), container_id)
            instance = container.instance
            if spec.has_agent and self._leaves(name, container, lease):
                return Outcome(Step.RESTART, instances=(instance,))
            means = means_for(Do.RESTART, self.connection.hadoop_version())
            if means is None:
                raise RefusedError(
                    f"cannot restart {instance} of {name}",
                    why="one replica can be replaced from Hadoop 3.1.3, 3.2.1 or 3.3 on",
                    fix=f"restart all of them: yarnserve stop {name}, then yarnserve start {name}",
                )
            self._narrate(f"restarting {instance} of {name}: {means.value}")
            if means is Means.SIGNAL:
                return self._restart_by_signal(name, container, lease)
            return self._restart_by_decommission(name, component, spec, instance, container_id, lease)

    def move(self, name: str, replica: str, *, container_id: str = "") -> Outcome:
        """The same by another replica, of another number, wherever YARN finds room: a new container says least of all.

        Raises:
            NotFoundError, ConflictError, RefusedError: as for :meth:`restart`.
        """
        with self._leased(name, "move") as (store, lease):
            spec = _require_ours(store, name, self.connection).spec
            component = self._running_component(name, store)
            container = _meant(require_instance(component, name, replica), container_id)
            self._require_means(Do.MOVE, f"cannot move {container.instance} of {name}")
            self._narrate(f"moving {container.instance} of {name}: {Means.DECOMMISSION.value}")
            return self._restart_by_decommission(name, component, spec, container.instance, container_id, lease)

    def take_out(self, name: str, replica: str, *, container_id: str = "") -> Outcome:
        """Take *replica* away, and leave the wanted size as a person has said it.

        Raises:
            NotFoundError, ConflictError, RefusedError: as for :meth:`restart`.
        """
        with self._leased(name, "take out") as (store, lease):
            _require_ours(store, name, self.connection)
            container = _meant(require_instance(self._running_component(name, store), name, replica), container_id)
            self._require_means(Do.TAKE_OUT, f"cannot take {container.instance} of {name} out")
            self._narrate(f"taking {container.instance} of {name} out")
            self._decommission(name, container.instance, container_id, lease)
            return Outcome(Step.SCALE, instances=(container.instance,))

    def resize(self, name: str, replicas: int) -> Outcome:
        """Give YARN a size for the running service *name* that no person has asked for; the wanted one stays."""
        with self._leased(name, "resize") as (store, lease):
            _require_ours(store, name, self.connection)
            if self._running_component(name, store).desired == replicas:
                return Outcome(Step.NOTHING)
            self._give_size(name, replicas, lease)
            return Outcome(Step.SCALE)

    def pause(self, name: str, *, why: str = "", until: float | None = None) -> None:
        """Tell supervisors to do nothing for service *name*, *until* then (epoch), or until :meth:`resume`."""
        self._say_pause(name, Pause(True, self.connection.actor, self._now(), why, until))

    def resume(self, name: str) -> None:
        """Tell supervisors that they may go on."""
        self._say_pause(name, Pause(False, self.connection.actor, self._now()))

    def _say_pause(self, name: str, word: Pause) -> None:
        # Without the lease: an act may hold that for minutes, and it is what a pause is to keep from being repeated.
        store = self.connection.store(name)
        _require_ours(store, name, self.connection)
        before = store.pauses.latest()
        store.pauses.append(word, after=before)

    def _require_means(self, do: Do, what: str) -> None:
        if means_for(do, self.connection.hadoop_version()) is None:
            raise RefusedError(what, why=f"it needs {DECOMMISSION.name}, from Hadoop {DECOMMISSION.since} on")

    def order(self, name: str, replica: str, order: Order) -> AgentReport:
        """Give the agent of *replica* of the running service *name* an *order*; return what it said of itself before.

        Raises:
            NotFoundError: there is no such service, or it has no such replica.
            RefusedError: it has no agent.
            UnreachableError, AccessError: the agent does not answer, or does not take it.
        """
        with self._leased(name, f"order {order.value}") as (store, _):
            _require_ours(store, name, self.connection)
            container = require_instance(self._running_component(name, store), name, replica)
            return give_order(self.connection, name, container.instance, self._endpoint(store, name, container), order)

    def _endpoint(self, store: ServiceStore, name: str, container: Container) -> Endpoint:
        if not container.bare_host:
            raise UnreachableError(
                f"{container.instance} of {name} has no address yet",
                why="YARN has only begun to start its container",
                fix="wait until it is live, and try again",
                next=f"yarnserve status {name}",
            )
        spec = _require_ours(store, name, self.connection).spec
        return endpoint(spec, instance=container.instance, bare_host=container.bare_host)

    def _leaves(self, name: str, container: Container, lease: Lease) -> bool:
        """Have the replica's agent end it in order; whether it did: one that does not answer cannot."""
        store = self.connection.store(name)
        lease.check()
        try:
            place = self._endpoint(store, name, container)
            give_order(self.connection, name, container.instance, place, Order.LEAVE)
        except YarnserveError as error:
            self._narrate(f"{error.what}: restarting {container.instance} by YARN's own means")
            return False
        self._orders.has_begun = True
        self._narrate(f"restarting {container.instance} of {name}: {Means.AGENT.value}")
        patience = _require_ours(store, name, self.connection).spec.agent.drain + SETTLE_PATIENCE
        done = f"another container of {container.instance}"
        self._orders.settle(lambda: self._replaced(name, container), done, patience)
        return True

    def _running_component(self, name: str, store: ServiceStore) -> Component:
        seen = self._see(name, store)
        component = seen.service.component(COMPONENT) if seen.service else None
        if not seen.runs:
            raise ConflictError(f"{name} is not running", next=f"yarnserve start {name}")
        if component is None:
            raise UnreachableError(
                f"YARN does not tell which replicas {name} has", why="its ApplicationMaster starts or ends now"
            )
        return component

    def _restart_by_signal(self, name: str, container: Container, lease: Lease) -> Outcome:
        def send() -> None:
            self._still()
            self.connection.cluster.kill_container(container.id)

        self._order(
            lease,
            send,
            done=lambda: container.id not in self._containers(name),
            what="the signal",
            result=f"the end of {container.id}",
        )
        # Only another container id proves it: a process may survive a signal (docker-on-yarn-observed.md).
        self._orders.settle(lambda: self._replaced(name, container), f"another container of {container.instance}")
        return Outcome(Step.RESTART, instances=(container.instance,))

    def _replaced(self, name: str, old: Container) -> bool:
        found = self.connection.services.get(name).component(COMPONENT)
        ids = [each.id for each in found.containers if each.instance == old.instance] if found else []
        return bool(ids) and old.id not in ids

    def _restart_by_decommission(
        self, name: str, component: Component, spec: ServiceSpec, instance: str, meant: str, lease: Lease
    ) -> Outcome:
        if spec.ports.per_replica and _next_number(component) >= most_replicas(*used_ports(spec)):
            raise UsageError(f"{name} cannot get one more number for a replica", why="its ports would pass 65535")
        before = {each.instance for each in component.containers}
        replicas = component.desired
        try:
            self._decommission(name, instance, meant, lease)
            self._give_size(name, replicas, lease)
            new = self._orders.settle(
                lambda: tuple(self._instances(name) - before), f"a replica in place of {instance}"
            )
        except BaseException:
            self._narrate(f"{name} may be left with one replica less; mend it with: yarnserve scale {name} {replicas}")
            raise
        return Outcome(Step.RESTART, instances=tuple(sorted(new)))

    def _decommission(self, name: str, instance: str, meant: str, lease: Lease) -> None:
        def send() -> None:
            # Once more: while it was waited YARN may have put a sound container in the place of the one that is meant.
            self._still()
            if meant:
                _meant(require_instance(self._component(name), name, instance), meant)
            self.connection.services.decommission(name, COMPONENT, instance)

        self._orders.settle(lambda: not self._flexing(name), f"{name} to finish its last change of size")
        self._order(
            lease,
            send,
            done=lambda: instance not in self._instances(name),
            what=f"the end of {instance}",
            result=f"{instance} to end",
        )
        self._orders.settle(lambda: instance not in self._instances(name), f"{instance} to end")

    def _instances(self, name: str) -> set[str]:
        return {each.instance for each in self._component(name).containers}

    def _containers(self, name: str) -> set[str]:
        return {each.id for each in self._component(name).containers}

    def _component(self, name: str) -> Component:
        found = self.connection.services.get(name).component(COMPONENT)
        if found is None:
            raise UnreachableError(f"YARN does not tell which replicas {name} has")
        return found

    def stop(self, name: str) -> Outcome:
        """Stop service *name* and wait until YARN says so; its definition stays."""
        with self._leased(name, "stop") as (store, lease):
            _require_ours(store, name, self.connection)
            seen = self._see(name, store)
            self._want(store, Wanted.STOPPED, seen.replicas or 0, "stop")
            if not seen.runs:
                return Outcome(Step.NOTHING)
            self._stop(name, lease)
            return Outcome(Step.STOP)

    def start(self, name: str) -> Outcome:
        """Start the stopped service *name* with the size it had, from our own record where YARN has lost it."""
        with self._leased(name, "start") as (store, lease):
            revision = _require_ours(store, name, self.connection)
            seen = self._see(name, store)
            if seen.service is None and not seen.runs:
                self._narrate(f"YARN has no definition of {name} any more: launching what was saved of it")
                replicas = seen.wanted or seen.replicas or revision.spec.replicas
                try:
                    return Outcome(Step.START, self._create_again(revision, replicas, "start", store, lease))
                except YarnserveError as error:
                    self._clear_refused(name, error, store, lease, known=True)
                    raise
            self._want(store, Wanted.RUNNING, seen.wanted or seen.replicas or 0, "start")
            if seen.runs:
                return Outcome(Step.NOTHING)
            return Outcome(Step.START, self._submit(name, lease, lambda: self.connection.services.start(name)))

    def relaunch(self, name: str) -> Outcome:
        """Stop the running service *name* and start it again, all replicas at once; what is wanted of it stays."""
        with self._leased(name, "relaunch") as (store, lease):
            _require_ours(store, name, self.connection)
            if self._see(name, store).runs:
                self._stop(name, lease)
            return Outcome(Step.START, self._submit(name, lease, lambda: self.connection.services.start(name)))

    def destroy(self, name: str) -> None:
        """Stop service *name*, remove its definition from YARN and everything saved of it.

        Raises:
            NotFoundError: neither YARN nor the saved state knows it.
        """
        with self._leased(name, "destroy") as (store, lease):
            known = store.revisions.latest() is not None
            if known:
                self._want(store, Wanted.STOPPED, 0, "destroy")
            gone = self._destroy(name, lease)
            _discard(store, lease)
            if not gone and not known:
                raise no_service(self.connection, name)

    @contextmanager
    def _leased(self, name: str, verb: str) -> Iterator[tuple[ServiceStore, Lease]]:
        store = self.connection.store(name)
        lease = Lease(
            store.lease,
            subject=name,
            look=f"yarnserve status {name}",
            holder=f"{self.connection.actor}: {verb}",
            on_wait=lambda other: self._narrate(f"waiting for the lease of {name}, held by {other}"),
            clock=self._clock,
            pause=self._pause,
        )
        with lease:
            try:
                self._settle_inherited(name, lease)
                self._guard(store)
                yield store, lease
            except YarnserveError:
                # A lease taken on a service that is not ours leaves no directory behind.
                with suppress(YarnserveError):
                    if store.revisions.latest() is None and not lease.unsettled:
                        _discard(store, lease)
                raise

    def _want(self, store: ServiceStore, state: Wanted, replicas: int, why: str, *, again: bool = False) -> None:
        """Record what is wanted, if it is not what was wanted before, or is to be said *again*."""
        before = store.desired.latest()
        desired = Desired(state, replicas, self.connection.actor, self._now(), why)
        if before is not None and (before.record.state, before.record.replicas) == (state, replicas) and not again:
            return
        store.desired.append(desired, after=before)

    def _order(
        self, lease: Lease, send: Callable[[], object], *, done: Callable[[], object], what: str, result: str
    ) -> None:
        def checked() -> None:
            lease.check()
            send()

        self._orders.give(checked, done=done, what=what, result=result)

    def _see(self, name: str, store: ServiceStore) -> _Seen:
        return self._orders.patiently(lambda: self._look(name, store))

    def _look(self, name: str, store: ServiceStore) -> _Seen:
        try:
            service = self.connection.services.get(name)
        except NotFoundError:
            service = None
        component = service.component(COMPONENT) if service else None
        application = newest_application(self.connection, name)
        saved = store.desired.latest()
        wanted = saved.record.replicas if saved and saved.record.state is Wanted.RUNNING else None
        if component is not None:
            return _Seen(service, application, component.desired, wanted)
        # Every size that YARN was told is recorded, so it holds the last one while it reports none.
        return _Seen(service, application, saved.record.replicas if saved else None, wanted)

    def _submit(self, name: str, lease: Lease, send: Callable[[], Accepted]) -> str:
        """Send the write that makes an application, once, and return the application's id."""
        accepted: list[Accepted] = []

        def submit() -> None:
            lease.check()
            accepted.append(send())

        def submit_again() -> None:
            lease.check()
            # Its definition may be saved without an application (real-hadoop-ha.md 4).
            accepted.append(self.connection.services.start(name) if self._exists(name) else send())

        lease.mark("submit")
        try:
            self._orders.give(
                submit,
                done=lambda: self._unfinished(name),
                what=f"the launch of {name}",
                result=f"{name} to appear",
                again=submit_again,
            )
            application_id = accepted[-1].application_id if accepted else self._unfinished(name)
        except KeyboardInterrupt:
            self._narrate(f"YARN may still carry it out; look with: yarnserve status {name}")
            raise
        except OUTCOME_UNKNOWN:
            raise
        except YarnserveError:
            lease.mark("")
            raise
        lease.mark("")
        return application_id

    def _settle_inherited(self, name: str, lease: Lease) -> None:
        """Wait out a submission that a dead or interrupted holder left behind: it may still be carried out."""
        if not lease.unsettled:
            return
        self._narrate(f"an earlier launch of {name} ended before YARN had answered; looking for up to {UNSETTLED:g} s")
        with suppress(WaitTimeoutError):
            self._orders.settle(lambda: self._unfinished(name), f"{name} to appear", patience=UNSETTLED)
        lease.mark("")

    def _unfinished(self, name: str) -> str:
        application = newest_application(self.connection, name)
        return application.id if application is not None and not application.state.ended else ""

    def _destroy(self, name: str, lease: Lease) -> bool:
        """Delete the definition; False when there was none."""
        try:
            self._order(
                lease,
                lambda: self.connection.services.destroy(name),
                done=lambda: not self._exists(name),
                what="the removal",
                result=f"{name} to disappear",
            )
        except NotFoundError:
            return False
        except AccessError as error:
            # From 3.3.0 a second user is refused after the definition is gone (real-hadoop.md 7, item 9).
            if self._exists(name):
                raise
            self._narrate(f"YARN removed {name} and could not clean up after it: {error.fix}")
        return True

    def _stop(self, name: str, lease: Lease) -> None:
        """Send the stop and wait for it; Ctrl-C says how far it came."""
        sent = False
        try:
            self._order(
                lease,
                lambda: self.connection.services.stop(name),
                done=lambda: not self._unfinished(name),
                what="the stop",
                result=f"{name} to stop",
            )
            sent = True
            self._orders.settle(lambda: not self._unfinished(name), f"{name} to stop")
        except KeyboardInterrupt:
            said = "was told to YARN and goes on" if sent else "may or may not have been told to YARN"
            self._narrate(f"\nno longer waiting; the stop of {name} {said}. Look: yarnserve wait {name} --for stopped")
            raise

    def _exists(self, name: str) -> bool:
        try:
            self.connection.services.get(name)
        except NotFoundError:
            return False
        return True

    def _flex(self, name: str, replicas: int, why: str, store: ServiceStore, lease: Lease) -> None:
        """Record that so many *replicas* are wanted, and give YARN that size.

        Recorded after the last change has ended: until then YARN holds, and may go on holding, the old one.
        """
        self._await_last_flex(name)
        # Also where it is wanted already: a supervisor that has taken one out is to know that a person has spoken.
        self._want(store, Wanted.RUNNING, replicas, why, again=True)
        self._give_size(name, replicas, lease)

    def _await_last_flex(self, name: str) -> None:
        try:
            self._orders.settle(lambda: not self._flexing(name), f"{name} to finish its last change of size")
        except WaitTimeoutError as error:
            error.fix = f"if it cannot finish, stop it and launch it with another size: yarnserve stop {name}"
            raise

    def _give_size(self, name: str, replicas: int, lease: Lease) -> None:
        """Send one FLEX, and only while none is under way: a second one breaks the component (real-hadoop.md 7.10)."""

        def send() -> None:
            # Each time: a new ResourceManager does not know at once how the component is (real-hadoop-ha.md 6).
            self._await_last_flex(name)
            lease.check()
            self.connection.services.flex(name, COMPONENT, replicas)

        self._narrate(f"scaling {name} to {replicas} replicas")
        self._orders.give(
            send,
            done=lambda: self._has_size(name, replicas),
            what="the new size",
            result=f"{name} to take the new size",
        )

    def _has_size(self, name: str, replicas: int) -> bool:
        component = self._component(name)
        if component.desired != replicas and component.state is ComponentState.FLEXING:
            raise UnreachableError(f"{name} changes its size")
        return component.desired == replicas

    def _flexing(self, name: str) -> bool:
        component = self.connection.services.get(name).component(COMPONENT)
        return component is None or component.state is ComponentState.FLEXING


@dataclass(frozen=True)
class _Seen:
    """A service right before a write.

    *service* and *application* are YARN's account of it, *replicas* the size that it was last told, if known, and
    *wanted* the one that a person wants; None of a service that is not to run.
    """

    service: Service | None
    application: Application | None
    replicas: int | None
    wanted: int | None

    @property
    def runs(self) -> bool:
        """Whether anything of it may run.

        A service that is STOPPED or FAILED may still have its ApplicationMaster, and a second attempt coming
        (real-hadoop.md 7, item 8).
        """
        return self.application is not None and not self.application.state.ended


def _require_ours(store: ServiceStore, name: str, connection: Connection) -> Revision:
    saved = store.revisions.latest()
    if saved is None:
        error = no_service(connection, name)
        error.why = f"yarnserve has not launched one of this name for user {connection.settings.user}"
        raise error
    return saved.record


def _meant(container: Container, container_id: str) -> Container:
    """Return *container*, if it is the one that is meant.

    Raises:
        ConflictError: it is another: whatever was known of the one that is meant says nothing of this one.
    """
    if container_id and container.id != container_id:
        raise ConflictError(
            f"{container.instance} has another container by now", why=f"{container.id} in place of {container_id}"
        )
    return container


def _next_number(component: Component) -> int:
    """The least number that a replica made now may get: YARN gives no number twice to the decommissioned."""
    return max((instance_number(each.instance) for each in component.containers), default=-1) + 1


def _resized(document: Mapping[str, Any], replicas: int) -> dict[str, Any]:
    """Return the rendered *document* with another number of replicas."""
    components = [
        {**each, "number_of_containers": replicas} if each["name"] == COMPONENT else each
        for each in document["components"]
    ]
    return {**document, "components": components}


def _discard(store: ServiceStore, lease: Lease) -> None:
    """Remove the state directory, which holds the lease: it must not be renewed into existence again."""
    lease.forget()
    store.remove()


def _refuse(name: str, plan: Plan) -> None:
    if plan.step is Step.FOREIGN:
        raise ConflictError(
            f"the name {name!r} is taken",
            why="YARN runs a service of this name that yarnserve did not launch",
            fix="choose another name, or stop and replace that service: launch --replace",
            next=f"yarnserve status {name}",
        )
    if plan.step is Step.LEFTOVER:
        raise ConflictError(
            f"the name {name!r} is taken by a leftover definition",
            why="YARN keeps a definition of this name that yarnserve did not launch; nothing of it runs: it was "
            "stopped, has ended, or its launch was refused after YARN had stored it",
            fix=f"replace it: launch --replace; or only remove it: yarnserve destroy {name}",
            next=f"yarnserve status {name}",
        )
    if plan.step is Step.CHANGED:
        raise ConflictError(
            f"{name} runs, and differs from the file in more than its size",
            why="; ".join(str(change) for change in plan.differences),
            fix=f"stop it first, then launch again: yarnserve stop {name}; or let launch do both: launch --replace",
        )
