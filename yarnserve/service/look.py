"""One look at a service through all eyes: saved state, YARN, its NodeManagers, and the replicas themselves.

Everything that can be read at the same time is. What cannot be read becomes a note in the snapshot, so that one
blind eye does not hide what the others see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, TimeoutError
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from yarnserve import probe
from yarnserve.errors import NotFoundError, YarnserveError
from yarnserve.judge.explain import Explanation
from yarnserve.judge.verdict import judge_missing, judge_replica, judge_silence
from yarnserve.records.agent import AgentReport
from yarnserve.records.moments import timestamp
from yarnserve.records.replica import Endpoint, Health, Observation, Replica, Target, Verdict
from yarnserve.records.yarn import NOT_ENDED, Application, Component, Container, NodeContainer, Service
from yarnserve.service import agents
from yarnserve.service.background import in_background
from yarnserve.service.connection import Connection
from yarnserve.service.reading import Reader
from yarnserve.service.state import Desired, Revision, Sightings, Wanted
from yarnserve.service.store import Saved, ServiceStore
from yarnserve.spec.endpoints import endpoint, instance_number
from yarnserve.spec.model import COMPONENT

T = TypeVar("T")

#: Seconds a replica has to answer status and prediction together.
PROBE_DEADLINE = 5.0

#: Seconds after which a read that has not ended becomes a note; a services GET may block for 15 minutes.
EYES_DEADLINE = 15.0


@dataclass(frozen=True)
class Eyes:
    """How replicas and their agents are looked at: many at once, each within its deadline (see :mod:`probe`).

    *beside* begins a blocking read, of YARN or HDFS, while others go on.
    """

    observe: Callable[..., tuple[Observation, ...]] = probe.observe
    agents_at: Callable[..., Mapping[str, AgentReport]] = probe.agents_at
    read_all: Callable[..., Sequence[str | None]] = probe.read_all
    beside: Callable[[Callable[[], Any]], Future[Any]] = in_background


#: Over the network.
EYES = Eyes()


@dataclass(frozen=True)
class Snapshot:
    """What was seen of one service at one time.

    *service* is None while the services API does not know it or cannot be asked, *application* while it has none;
    *revision* and *desired* are None for a service that yarnserve did not launch. *notes* say what could not be
    read; *complete* is False where that leaves open what the service is or should be, *is_counted* where what was seen
    before is not known, so that ``restarts`` may be too few.
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


@dataclass
class _Notes:
    """Collects what could not be read."""

    texts: list[str] = field(default_factory=list)

    def value(self, future: Future[T], what: str) -> T | None:
        """The value of *future*, None where there is none or it could not be read."""
        try:
            return future.result(timeout=EYES_DEADLINE)
        except NotFoundError:
            return None
        except TimeoutError:
            self.texts.append(f"{what}: no answer yet")
        except YarnserveError as error:
            self.texts.append(f"{what}: {error.what}" + (f" ({error.why})" if error.why else ""))
        return None


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
    store = reader.store if reader else connection.glance(name)
    notes = _Notes()
    # Where the services API is asked sparingly the application tells whether to ask at all; else both at once.
    early_read = None if reader and reader.sparing else eyes.beside(lambda: connection.services.get(name))
    revision_read = eyes.beside(lambda: store.revisions.latest())
    desired_read = eyes.beside(lambda: store.desired.latest())
    application = newest_application(connection, name)
    processes_read = eyes.beside(lambda: _processes(connection, application, eyes))
    service_read = eyes.beside(partial(reader.read, application)) if reader and not early_read else early_read
    service = notes.value(service_read, "services API") if service_read else None
    revision = notes.value(revision_read, "saved revision")
    desired = notes.value(desired_read, "saved wanted state")
    complete = not notes.texts
    # An ended application alone is the history of a service that was destroyed.
    running = application is not None and not application.state.ended
    if complete and service is None and revision is None and not running:
        raise no_service(connection, name)
    containers = _by_instance(service.component(COMPONENT) if service else None)
    agent_places = _agent_endpoints(containers, revision)
    agents_read = eyes.beside(lambda: eyes.agents_at(agent_places, deadline=agents.PATIENCE))
    observations = eyes.observe(_targets(containers, revision), deadline=deadline)
    processes = notes.value(processes_read, "NodeManagers") or {}
    sightings, is_counted = _sightings(store, application, service, processes, notes)
    wanted = desired.record.replicas if desired and desired.record.state is Wanted.RUNNING else 0
    unplaced = _missing(containers, wanted)
    # Asked only when something is not there: almost always this costs nothing.
    lacking = unplaced or any(container.state.ended for container in containers.values())
    silence = _silence(connection, application) if lacking else None
    told = notes.value(agents_read, "agents") or {}
    seen = _Seen(
        {observation.instance: observation for observation in observations},
        processes,
        sightings,
        revision,
        "its ports are not known: the saved revision cannot be read"
        if not complete
        else "not launched by yarnserve: nothing is known of its ports and models",
        silence,
        {instance: report for instance, report in told.items() if report.is_of(name, instance)},
        {instance: report for instance, report in told.items() if not report.is_of(name, instance)},
    )
    replicas = [seen.replica(container) for container in containers.values()]
    missing = judge_missing(service, application, silence=silence)
    away = _taken_out(store, len(unplaced))
    verdicts = [missing] * (len(unplaced) - len(away)) + away
    replicas += [seen.missing(instance, verdict) for instance, verdict in zip(unplaced, verdicts, strict=True)]
    return Snapshot(
        name,
        service,
        application,
        revision,
        desired.record if desired else None,
        tuple(sorted(replicas, key=lambda replica: instance_number(replica.instance))),
        observations,
        tuple(notes.texts),
        complete,
        is_counted,
    )


def _taken_out(store: ServiceStore, unplaced: int) -> list[Verdict]:
    """The verdicts on those of the *unplaced* that a supervisor has taken out on purpose; read only where some are."""
    if not unplaced:
        return []
    with suppress(YarnserveError):
        saved = store.ledger.latest()
        away = saved.record.taken_out[:unplaced] if saved else ()
        return [
            Verdict(Health.PENDING, f"taken out by its supervisor until {timestamp(each.until)}: {each.why}")
            for each in away
        ]
    return []


def no_service(connection: Connection, name: str) -> NotFoundError:
    """Return the error for a *name* that neither YARN nor the saved state knows; it names who has such a service.

    YARN answers as if there were none (yarn-services.md 1.5), for services belong to their user.
    """
    user, fix = connection.settings.user, ""
    if owners := _owners(connection, name):
        fix = f"{' and '.join(owners)} has one of this name: to act as its owner, --user {owners[0]}"
    return NotFoundError(f"there is no service {name!r}", why=f"of user {user}", fix=fix, next="yarnserve list")


def _owners(connection: Connection, name: str) -> list[str]:
    """Who else has a service *name* running; nobody where the ResourceManager does not tell."""
    with suppress(YarnserveError):
        found = connection.cluster.applications(name=name, states=NOT_ENDED)
        return sorted({each.user for each in found} - {connection.settings.user})
    return []


def require_known(connection: Connection, name: str) -> None:
    """Raise NotFoundError when neither the services API nor the saved state knows service *name*."""
    if connection.glance(name).revisions.latest() is not None:
        return
    try:
        connection.services.get(name)
    except NotFoundError:
        raise no_service(connection, name) from None


def require_instance(component: Component, name: str, replica: str) -> Container:
    """Return the container of *replica*, ``serve-1`` or ``1``, of service *name*.

    Raises:
        NotFoundError: it runs no such replica.
    """
    instance = f"{COMPONENT}-{replica}" if replica.isdecimal() else replica
    found = _by_instance(component)
    if instance not in found:
        running = ", ".join(found) or "none"
        raise NotFoundError(f"{name} runs no replica {replica!r}", why=f"running: {running}")
    return found[instance]


def newest_application(connection: Connection, name: str) -> Application | None:
    """The newest application of service *name* of this user; 3.1.4 does not name it otherwise."""
    applications = connection.cluster.applications(user=connection.settings.user, name=name)
    return max(applications, key=lambda application: application.started_at, default=None)


def endpoint_of(container: Container, revision: Saved[Revision] | None) -> Endpoint | None:
    """Where the replica in *container* answers; None while that is not known, or it has ended."""
    if revision is None or not container.bare_host or container.state.ended:
        return None
    return endpoint(revision.record.spec, instance=container.instance, bare_host=container.bare_host)


def _by_instance(component: Component | None) -> dict[str, Container]:
    """The container of each instance; beside an ended one its replacement counts, of two the newest."""
    listed = component.containers if component else ()
    ordered = sorted(listed, key=lambda each: (not each.state.ended, each.launched_at or 0.0))
    return {container.instance: container for container in ordered}


def _missing(containers: Mapping[str, Container], wanted: int) -> list[str]:
    """Names for the wanted instances that YARN does not report: the lowest numbers it does not use."""
    unused = (name for number in range(wanted + len(containers)) if (name := f"{COMPONENT}-{number}") not in containers)
    return [next(unused) for _ in range(wanted - len(containers))]


def _processes(connection: Connection, application: Application | None, eyes: Eyes) -> dict[str, NodeContainer]:
    """What the NodeManagers say of the application's containers, by container id.

    A NodeManager that cannot be asked is left out: what the replicas themselves answer is known all the same.
    """
    if application is None or application.state.ended:
        return {}
    placed = connection.cluster.placed_containers(application.id)
    # The containers that have ended are no longer placed, and a NodeManager forgets them within seconds.
    mark = f"_{application.id.removeprefix('application_')}_"
    addresses = {container.node_http_address for container in placed}
    reads = [eyes.beside(partial(connection.nodes.containers, address)) for address in addresses]
    unheard = _Notes()
    told = [container for read in reads for container in unheard.value(read, "") or ()]
    return {container.id: container for container in told if mark in container.id}


def _silence(connection: Connection, application: Application | None) -> Explanation | None:
    """Why YARN may place nothing more for *application*; only the ResourceManager's own API tells."""
    if application is None or application.state.ended:
        return None
    with suppress(YarnserveError):
        avoided = [name for attempt in connection.cluster.attempts(application.id)[-1:] for name in attempt.avoided]
        return judge_silence(avoided, connection.cluster.nodes() if avoided else ())
    return None


def _agent_endpoints(containers: Mapping[str, Container], revision: Saved[Revision] | None) -> dict[str, Endpoint]:
    """Where the agents are; nowhere for a service without any."""
    if revision is None or not revision.record.spec.has_agent:
        return {}
    places = {instance: endpoint_of(container, revision) for instance, container in containers.items()}
    return {instance: place for instance, place in places.items() if place is not None}


def _targets(containers: Mapping[str, Container], revision: Saved[Revision] | None) -> tuple[Target, ...]:
    if revision is None:
        return ()
    checks = revision.record.spec.checks
    targets = []
    for container in containers.values():
        address = endpoint_of(container, revision)
        if address is not None:
            targets.append(Target(container.instance, address, checks))
    return tuple(targets)


def _sightings(
    store: ServiceStore,
    application: Application | None,
    service: Service | None,
    processes: Mapping[str, NodeContainer],
    notes: _Notes,
) -> tuple[Sightings, bool]:
    """What was ever seen of the containers, and whether that is known: not while YARN or HDFS does not tell."""
    component = service.component(COMPONENT) if service else None
    if application is None or component is None:
        return Sightings(), False
    told = processes.values()
    try:
        return store.update_sightings(lambda before: before.with_seen(application.id, component, told)), True
    except YarnserveError as error:
        notes.texts.append(f"restart counts: {error.what}")
        return Sightings().with_seen(application.id, component, told), False


@dataclass(frozen=True)
class _Seen:
    """What turns a container into a replica."""

    observations: Mapping[str, Observation]
    processes: Mapping[str, NodeContainer]
    sightings: Sightings
    revision: Saved[Revision] | None
    unobserved: str
    silence: Explanation | None
    agents: Mapping[str, AgentReport]
    #: Agents of others, at the addresses of our replicas.
    strangers: Mapping[str, AgentReport]

    def replica(self, container: Container) -> Replica:
        observation = self.observations.get(container.instance)
        process = self.processes.get(container.id)
        return Replica(
            container.instance,
            judge_replica(
                container,
                observation,
                process,
                unobserved=self.unobserved,
                silence=self.silence,
                agent=self.agents.get(container.instance),
                stranger=self.strangers.get(container.instance),
            ),
            container_id=container.id,
            node=container.bare_host,
            endpoint=endpoint_of(container, self.revision),
            versions=observation.available if observation else {},
            restarts=self.sightings.restarts(container.instance),
            last_exit=self.sightings.last_exit(container.instance),
            started_at=container.launched_at,
            agent=self.agents.get(container.instance),
        )

    def missing(self, instance: str, verdict: Verdict) -> Replica:
        return Replica(
            instance,
            verdict,
            restarts=self.sightings.restarts(instance),
            last_exit=self.sightings.last_exit(instance),
        )
