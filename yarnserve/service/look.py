"""One look at a service through all eyes: saved state, YARN, its NodeManagers, and the replicas themselves.

Everything that can be read at the same time is. What cannot be read becomes a note in the snapshot, so that one
blind eye does not hide what the others see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, TimeoutError
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from yarnserve.errors import NotFoundError, YarnserveError
from yarnserve.judge.explain import Explanation
from yarnserve.judge.verdict import judge_missing, judge_silence
from yarnserve.records.moments import timestamp
from yarnserve.records.replica import Endpoint, Health, Observation, Replica, Target, Verdict
from yarnserve.records.yarn import Application, Component, Container, NodeContainer, Service
from yarnserve.service import agents
from yarnserve.service.connection import Connection
from yarnserve.service.eyes import EYES, Eyes
from yarnserve.service.finding import by_instance, endpoint_of, newest_application, no_service
from yarnserve.service.reading import Reader
from yarnserve.service.replicas import Evidence, unplaced
from yarnserve.service.state import Desired, Pause, Revision, Sightings, Supervision, Wanted
from yarnserve.service.store import Saved, ServiceStore
from yarnserve.spec.endpoints import instance_number
from yarnserve.spec.model import COMPONENT

T = TypeVar("T")

#: Seconds a replica has to answer status and prediction together.
PROBE_DEADLINE = 5.0

#: Seconds after which a read that has not ended becomes a note; a services GET may block for 15 minutes.
EYES_DEADLINE = 15.0

#: Why a replica was not asked.
_UNLAUNCHED = "not launched by yarnserve: nothing is known of its ports and models"
_UNREAD = "its ports are not known: the saved revision cannot be read"


@dataclass(frozen=True)
class Snapshot:
    """What was seen of one service at one time.

    *service* is None while the services API does not know it or cannot be asked, *application* while it has none;
    *revision* and *desired* are None for a service that yarnserve did not launch. *notes* say what could not be
    read. *complete* is False where that leaves open what the service is or should be, *is_counted* where what was seen
    before is not known, so that ``restarts`` may be too few. *pause* is the newest word to supervisors, None for none;
    *supervision* the newest word of one, None where it is not known: only who looks but once asks for it.
    """

    name: str
    service: Service | None
    application: Application | None
    revision: Saved[Revision] | None
    desired: Desired | None
    replicas: tuple[Replica, ...]
    observations: tuple[Observation, ...]
    notes: tuple[str, ...]
    complete: bool
    is_counted: bool = True
    pause: Pause | None = None
    supervision: Supervision | None = None

    @property
    def wanted_replicas(self) -> int:
        """How many replicas there should be now."""
        if self.desired is None:
            return len(self.replicas)
        return self.desired.replicas if self.desired.state is Wanted.RUNNING else 0

    @property
    def well(self) -> bool:
        """Whether everything is known, and as many replicas serve as are wanted, all of them healthy."""
        serving = sum(replica.verdict.health.serving for replica in self.replicas)
        return self.complete and self.revision is not None and serving == len(self.replicas) == self.wanted_replicas


def look(
    connection: Connection,
    name: str,
    *,
    deadline: float = PROBE_DEADLINE,
    reader: Reader | None = None,
    eyes: Eyes = EYES,
) -> Snapshot:
    """Look at service *name* with *eyes*; whoever looks again and again brings the same *reader* each time.

    Raises:
        NotFoundError: neither YARN nor the saved state knows it.
        UsageError: no service can have this name.
        UnreachableError: YARN cannot be asked at all.
    """
    one = _Look(connection, name, reader.store if reader else connection.glance(name), eyes)
    account = one.account(reader)
    if account.complete and account.service is None and account.revision is None and not account.runs:
        raise no_service(connection, name)
    containers = by_instance(account.component)
    missing = unplaced(containers, account.wanted)
    evidence = one.evidence(account, containers, deadline, is_short=bool(missing))
    replicas = [evidence.replica(container) for container in containers.values()]
    verdicts = one.absences(account, evidence.silence, len(missing))
    replicas += [evidence.missing(instance, verdict) for instance, verdict in zip(missing, verdicts, strict=True)]
    return Snapshot(
        name,
        account.service,
        account.application,
        account.revision,
        account.desired,
        tuple(sorted(replicas, key=lambda replica: instance_number(replica.instance))),
        tuple(evidence.observations.values()),
        tuple(one.notes),
        account.complete,
        evidence.is_counted,
        account.pause,
        account.supervision,
    )


@dataclass(frozen=True)
class _Account:
    """What YARN and the saved state say of a service, as in a snapshot; *processes* are still being read."""

    application: Application | None
    service: Service | None
    revision: Saved[Revision] | None
    desired: Desired | None
    complete: bool
    pause: Pause | None
    supervision: Supervision | None
    processes: Future[dict[str, NodeContainer]]

    @property
    def runs(self) -> bool:
        """Whether anything of it may run: an ended application alone is the history of a service that is gone."""
        return self.application is not None and not self.application.state.ended

    @property
    def component(self) -> Component | None:
        """Its replicas, as the services API tells of them."""
        return self.service.component(COMPONENT) if self.service else None

    @property
    def wanted(self) -> int:
        """How many replicas are to run."""
        return self.desired.replicas if self.desired and self.desired.state is Wanted.RUNNING else 0


@dataclass(frozen=True)
class _Look:
    """One look under way; *notes* collects what could not be read."""

    connection: Connection
    name: str
    store: ServiceStore
    eyes: Eyes
    notes: list[str] = field(default_factory=list)

    def account(self, reader: Reader | None) -> _Account:
        """Ask YARN and HDFS what the service is, and what it should be."""
        beside, notes = self.eyes.beside, self.notes
        # Where the services API is asked sparingly the application tells whether to ask at all; else both at once.
        early_read = None if reader and reader.sparing else beside(lambda: self.connection.services.get(self.name))
        revision_read = beside(lambda: self.store.revisions.latest())
        desired_read = beside(lambda: self.store.desired.latest())
        pause_read = beside(self.store.pause)
        # Whoever looks again and again is a supervisor, or waits for something else.
        supervision_read = None if reader else beside(self.store.supervision)
        application = newest_application(self.connection, self.name)
        processes_read = beside(lambda: _processes(self.connection, application, beside))
        service_read = beside(partial(reader.read, application)) if reader and not early_read else early_read
        service = _value(service_read, "services API", notes) if service_read else None
        revision = _value(revision_read, "saved revision", notes)
        saved = _value(desired_read, "saved wanted state", notes)
        desired, complete = saved.record if saved else None, not notes
        pause = _value(pause_read, "pause", notes)
        supervision = _value(supervision_read, "supervisor's lease", notes) if supervision_read else None
        return _Account(application, service, revision, desired, complete, pause, supervision, processes_read)

    def evidence(
        self, account: _Account, containers: Mapping[str, Container], deadline: float, *, is_short: bool
    ) -> Evidence:
        """Ask the replicas, their agents and NodeManagers; and YARN for a reason where one is missing (*is_short*)."""
        places = _places(containers, account.revision)
        agents_read = self.eyes.beside(partial(self.eyes.agents_at, places, deadline=agents.PATIENCE))
        observations = self.eyes.observe(_targets(places, account.revision), deadline=deadline)
        processes = _value(account.processes, "NodeManagers", self.notes) or {}
        sightings, is_counted = self._sightings(account, processes)
        # Almost always this costs nothing.
        lacking = is_short or any(container.state.ended for container in containers.values())
        silence = _silence(self.connection, account.application) if lacking else None
        told = _value(agents_read, "agents", self.notes) or {}
        return Evidence(
            {observation.instance: observation for observation in observations},
            processes,
            sightings,
            is_counted,
            account.revision,
            _UNLAUNCHED if account.complete else _UNREAD,
            silence,
            {instance: report for instance, report in told.items() if report.is_of(self.name, instance)},
            {instance: report for instance, report in told.items() if not report.is_of(self.name, instance)},
        )

    def absences(self, account: _Account, silence: Explanation | None, missing: int) -> list[Verdict]:
        """Verdicts on so many *missing* replicas; those that a supervisor has taken out on purpose come last."""
        away = self._taken_out(missing) if missing else []
        unmeant = judge_missing(account.service, account.application, silence=silence)
        return [unmeant] * (missing - len(away)) + away

    def _taken_out(self, most: int) -> list[Verdict]:
        with suppress(YarnserveError):
            saved = self.store.ledger.latest()
            away = saved.record.taken_out[:most] if saved else ()
            return [
                Verdict(Health.PENDING, f"taken out by its supervisor until {timestamp(each.until)}: {each.why}")
                for each in away
            ]
        return []

    def _sightings(self, account: _Account, processes: Mapping[str, NodeContainer]) -> tuple[Sightings, bool]:
        """What was ever seen of the containers, and whether that is known: not while YARN or HDFS does not tell."""
        application, component = account.application, account.component
        if application is None or component is None:
            return Sightings(), False
        told = processes.values()
        try:
            return self.store.update_sightings(lambda before: before.with_seen(application.id, component, told)), True
        except YarnserveError as error:
            self.notes.append(f"restart counts: {error.what}")
            return Sightings().with_seen(application.id, component, told), False


def _value(future: Future[T], what: str, notes: list[str]) -> T | None:
    """The value of *future*, None where there is none or it could not be read, which becomes one of *notes*."""
    try:
        return future.result(timeout=EYES_DEADLINE)
    except NotFoundError:
        return None
    except TimeoutError:
        notes.append(f"{what}: no answer yet")
    except YarnserveError as error:
        notes.append(f"{what}: {error.in_a_line}")
    return None


def _processes(
    connection: Connection, application: Application | None, beside: Callable[[Callable[[], Any]], Future[Any]]
) -> dict[str, NodeContainer]:
    """What the NodeManagers say of the application's containers, by container id.

    A NodeManager that cannot be asked is left out: what the replicas themselves answer is known all the same.
    """
    if application is None or application.state.ended:
        return {}
    placed = connection.cluster.placed_containers(application.id)
    # The containers that have ended are no longer placed, and a NodeManager forgets them within seconds.
    mark = f"_{application.id.removeprefix('application_')}_"
    addresses = {container.node_http_address for container in placed}
    reads = [beside(partial(connection.nodes.containers, address)) for address in addresses]
    unheard: list[str] = []
    told = [container for read in reads for container in _value(read, "", unheard) or ()]
    return {container.id: container for container in told if mark in container.id}


def _silence(connection: Connection, application: Application | None) -> Explanation | None:
    """Why YARN may place nothing more for *application*; only the ResourceManager's own API tells."""
    if application is None or application.state.ended:
        return None
    with suppress(YarnserveError):
        avoided = [name for attempt in connection.cluster.attempts(application.id)[-1:] for name in attempt.avoided]
        return judge_silence(avoided, connection.cluster.nodes() if avoided else ())
    return None


def _places(containers: Mapping[str, Container], revision: Saved[Revision] | None) -> dict[str, Endpoint]:
    """Where the replicas are, and their agents; those of which that is not known are left out."""
    places = {instance: endpoint_of(container, revision) for instance, container in containers.items()}
    return {instance: place for instance, place in places.items() if place is not None}


def _targets(places: Mapping[str, Endpoint], revision: Saved[Revision] | None) -> tuple[Target, ...]:
    checks = revision.record.spec.checks if revision else ()
    return tuple(Target(instance, place, checks) for instance, place in places.items())
