"""The acts: launch, scale, stop, start, destroy. The only place that changes a service.

Each act holds the service's lease, records the wanted state first (so that nobody repairs what a person has just
ended), reads YARN again right before it writes, and sends each write once. A POST whose outcome is unclear is
settled by reading both the service and the applications list (real-hadoop-ha.md), never by sending it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from yarnserve.config import hdfs_path
from yarnserve.errors import (
    ConflictError,
    MalformedAnswerError,
    NotFoundError,
    RequestTimeoutError,
    UnreachableError,
    WaitTimeoutError,
    YarnserveError,
)
from yarnserve.judge.plan import Plan, Step, plan_launch
from yarnserve.records.yarn import ComponentState, Service, ServiceState
from yarnserve.render.service import ClusterFacts, render
from yarnserve.repository.versions import require_version
from yarnserve.service.connection import Connection
from yarnserve.service.lease import Lease
from yarnserve.service.look import newest_application
from yarnserve.service.state import Desired, Revision, Wanted
from yarnserve.service.store import ServiceStore
from yarnserve.spec.model import COMPONENT, ServiceSpec

T = TypeVar("T")

#: Seconds to wait for YARN to finish what it was told before (FLEXING, stopping), and between two looks.
SETTLE_PATIENCE = 120.0
SETTLE_PAUSE = 0.5


#: After these a write may have been carried out, or still will be (real-hadoop-ha.md).
OUTCOME_UNKNOWN = (RequestTimeoutError, MalformedAnswerError)


@dataclass(frozen=True)
class Outcome:
    """What an act did, and YARN's *application_id* where it named one."""

    step: Step
    application_id: str = ""


class Actions:
    """The acts on the services of one connection.

    Args:
        connection: the cluster.
        narrate: told, in words for people, what is about to happen and what is waited for.
        clock: monotonic seconds.
        now: seconds since the epoch, for records that people read.
        pause: waits that many seconds.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        narrate: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.connection = connection
        self._narrate = narrate
        self._clock = clock
        self._now = now
        self._pause = pause

    def launch(self, spec: ServiceSpec) -> Outcome:
        """Make YARN run what *spec* says; nothing is sent when it already does.

        Raises:
            NotFoundError: a model has no version on HDFS; TF Serving would wait for one for ever, ports closed.
            ConflictError: the name is another service's, or the running service differs in more than its size.
        """
        for model in spec.models:
            require_version(self.connection.storage_at(model.base_path), hdfs_path(model.base_path))
        rendered = render(spec, ClusterFacts(self.connection.hadoop_version()))
        with self._leased(spec.name, "launch") as (store, lease):
            service = self._read(spec.name)
            saved = store.revisions.latest()
            component = service.component(COMPONENT) if service else None
            plan = plan_launch(
                service.state if service else None,
                component.desired if component else None,
                saved.record.rendered if saved else None,
                rendered,
                spec.replicas,
            )
            if plan.step is Step.FOREIGN:
                _discard(store, lease)
            _refuse(spec.name, plan)
            if saved is None or saved.record.spec != spec or plan.step in (Step.CREATE, Step.REPLACE):
                revision = Revision(spec, rendered, self.connection.actor, self._now())
                store.revisions.append(revision, after=saved.number if saved else 0)
            self._want(store, Wanted.RUNNING, spec.replicas, "launch")
            return self._carry_out(plan.step, spec, rendered, lease)

    def _carry_out(self, step: Step, spec: ServiceSpec, rendered: dict[str, Any], lease: Lease) -> Outcome:
        services = self.connection.services
        if step is Step.REPLACE:
            self._narrate(f"removing the stopped definition of {spec.name}")
            lease.check()
            services.destroy(spec.name)
        if step in (Step.CREATE, Step.REPLACE):
            self._narrate(f"submitting {spec.name}: {spec.replicas} replicas")
            lease.check()
            return Outcome(step, self._create(spec.name, rendered))
        if step is Step.START:
            lease.check()
            return Outcome(step, services.start(spec.name).application_id)
        if step is Step.SCALE:
            self._flex(spec.name, spec.replicas, lease)
        return Outcome(step)

    def scale(self, name: str, replicas: int) -> Outcome:
        """Make YARN run *replicas* replicas of the running service *name*."""
        self._require_ours(name)
        with self._leased(name, "scale") as (store, lease):
            service = self.connection.services.get(name)
            if _ended(service):
                raise ConflictError(f"{name} is {service.state.value}, not running", next=f"yarnserve start {name}")
            component = service.component(COMPONENT)
            self._want(store, Wanted.RUNNING, replicas, "scale")
            if component is not None and component.desired == replicas:
                return Outcome(Step.NOTHING)
            self._flex(name, replicas, lease)
            return Outcome(Step.SCALE)

    def stop(self, name: str) -> Outcome:
        """Stop service *name* and wait until YARN says so; its definition stays."""
        self._require_ours(name)
        with self._leased(name, "stop") as (store, lease):
            service = self.connection.services.get(name)
            self._want(store, Wanted.STOPPED, _wanted_replicas(store, service), "stop")
            if _ended(service):
                return Outcome(Step.NOTHING)
            lease.check()
            try:
                self.connection.services.stop(name)
            except OUTCOME_UNKNOWN:
                self._narrate("YARN gave no usable answer; looking whether the service stops")
            self._settle(lambda: _ended(self.connection.services.get(name)), f"{name} to stop")
            return Outcome(Step.STOP)

    def start(self, name: str) -> Outcome:
        """Start the stopped service *name* with the size it had."""
        self._require_ours(name)
        with self._leased(name, "start") as (store, lease):
            service = self.connection.services.get(name)
            self._want(store, Wanted.RUNNING, _wanted_replicas(store, service), "start")
            if not _ended(service):
                return Outcome(Step.NOTHING)
            lease.check()
            return Outcome(Step.START, self.connection.services.start(name).application_id)

    def destroy(self, name: str) -> None:
        """Stop service *name*, remove its definition from YARN and everything saved of it.

        Raises:
            NotFoundError: neither YARN nor the saved state knows it.
        """
        with self._leased(name, "destroy") as (store, lease):
            known = store.revisions.latest() is not None
            lease.check()
            try:
                self.connection.services.destroy(name)
            except NotFoundError:
                if not known:
                    _discard(store, lease)
                    raise
            _discard(store, lease)

    @contextmanager
    def _leased(self, name: str, verb: str) -> Iterator[tuple[ServiceStore, Lease]]:
        store = self.connection.store(name)
        holder = f"{self.connection.actor}: {verb}"
        lease = Lease(
            store.lease,
            holder=holder,
            on_wait=lambda other: self._narrate(f"waiting for the lease of {name}, held by {other}"),
            clock=self._clock,
            pause=self._pause,
        )
        with lease:
            yield store, lease

    def _want(self, store: ServiceStore, state: Wanted, replicas: int, why: str) -> None:
        before = store.desired.latest()
        desired = Desired(state, replicas, self.connection.actor, self._now(), why)
        if before is not None and (before.record.state, before.record.replicas) == (state, replicas):
            return
        store.desired.append(desired, after=before.number if before else 0)

    def _require_ours(self, name: str) -> None:
        if self.connection.store(name).revisions.latest() is None:
            raise NotFoundError(
                f"yarnserve has not launched a service {name!r}",
                why=f"nothing is saved of it for user {self.connection.settings.user}",
                next="yarnserve list",
            )

    def _read(self, name: str) -> Service | None:
        try:
            return self.connection.services.get(name)
        except NotFoundError:
            return None

    def _create(self, name: str, rendered: dict[str, Any]) -> str:
        try:
            return self.connection.services.create(rendered).application_id
        except OUTCOME_UNKNOWN as error:
            self._narrate("YARN took the service and gave no usable answer; looking whether it exists")
            return self._settle_create(name, error)

    def _settle_create(self, name: str, error: YarnserveError) -> str:
        """Find the application of a POST whose answer never came; it may still be carried out minutes later."""

        def submitted() -> str:
            service, application = self._read(name), newest_application(self.connection, name)
            live = service is not None and not _ended(service)
            return application.id if live and application is not None and not application.state.ended else ""

        try:
            return self._settle(submitted, f"{name} to appear")
        except WaitTimeoutError:
            raise error from None

    def _flex(self, name: str, replicas: int, lease: Lease) -> None:
        """Send one FLEX, and only while none is under way: a second one breaks the component (real-hadoop.md 7.10)."""
        self._settle(lambda: not self._flexing(name), f"{name} to finish its last change of size")
        self._narrate(f"scaling {name} to {replicas} replicas")
        lease.check()
        self.connection.services.flex(name, COMPONENT, replicas)

    def _flexing(self, name: str) -> bool:
        component = self.connection.services.get(name).component(COMPONENT)
        return component is None or component.state is ComponentState.FLEXING

    def _settle(self, condition: Callable[[], T], what: str) -> T:
        """Ask *condition* until it is true; an ApplicationMaster that comes or goes may not answer meanwhile."""
        ends = self._clock() + SETTLE_PATIENCE
        while True:
            why = ""
            try:
                value = condition()
                if value:
                    return value
            except UnreachableError as error:
                why = error.what
            if self._clock() >= ends:
                raise WaitTimeoutError(f"waited {SETTLE_PATIENCE:g} s for {what}", why=why, next="yarnserve status")
            self._pause(SETTLE_PAUSE)


def _discard(store: ServiceStore, lease: Lease) -> None:
    """Remove the state directory, which holds the lease: it must not be renewed into existence again."""
    lease.forget()
    store.remove()


def _ended(service: Service) -> bool:
    return service.state in (ServiceState.STOPPED, ServiceState.FAILED, ServiceState.SUCCEEDED)


def _wanted_replicas(store: ServiceStore, service: Service) -> int:
    """The size to remember: what was asked last, else what YARN runs now."""
    desired = store.desired.latest()
    if desired is not None:
        return desired.record.replicas
    component = service.component(COMPONENT)
    return component.desired if component else 0


def _refuse(name: str, plan: Plan) -> None:
    if plan.step is Step.FOREIGN:
        raise ConflictError(
            f"the name {name!r} is taken",
            why="YARN holds a service of this name that yarnserve did not launch",
            fix=f"choose another name, or remove that service: yarnserve destroy {name}",
            next=f"yarnserve status {name}",
        )
    if plan.step is Step.CHANGED:
        raise ConflictError(
            f"{name} runs, and differs from the file in more than its size",
            why="; ".join(str(change) for change in plan.differences),
            fix=f"stop it first, then launch again: yarnserve stop {name}",
        )
