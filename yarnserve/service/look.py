"""One look at a service through all eyes: saved state, YARN, and the replicas themselves.

The saved state and YARN are read at the same time, then all replicas are probed at once. What cannot be read
becomes a note in the snapshot, so that one blind eye does not hide what the others see.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from yarnserve import probe
from yarnserve.errors import NotFoundError, YarnserveError
from yarnserve.judge.verdict import judge_replica
from yarnserve.records.replica import Endpoint, ModelState, Observation, Replica, Target
from yarnserve.records.yarn import Application, Component, Container, Service
from yarnserve.service.connection import Connection
from yarnserve.service.state import Desired, Revision, Sightings, Wanted
from yarnserve.service.store import Saved, ServiceStore
from yarnserve.spec.endpoints import endpoint, instance_number
from yarnserve.spec.model import COMPONENT

T = TypeVar("T")

#: Seconds a replica has to answer status and prediction together.
PROBE_DEADLINE = 5.0


@dataclass(frozen=True)
class Snapshot:
    """What was seen of one service at one time.

    *service* is None while the services API does not know it or cannot be asked, *application* while it has none;
    *revision* and *desired* are None for a service that yarnserve did not launch. *notes* say what could not be
    read.
    """

    name: str
    service: Service | None
    application: Application | None
    revision: Saved[Revision] | None
    desired: Desired | None
    replicas: tuple[Replica, ...]
    observations: tuple[Observation, ...]
    notes: tuple[str, ...]

    @property
    def wanted_replicas(self) -> int:
        """How many replicas there should be now."""
        if self.desired is None:
            return len(self.replicas)
        return self.desired.replicas if self.desired.state is Wanted.RUNNING else 0


class _Eyes:
    """Reads that run in threads of their own; a failure becomes a note and the fallback."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self.notes: list[str] = []

    def read(self, read: Callable[[], T]) -> Future[T]:
        return self._pool.submit(read)

    def value(self, future: Future[T], what: str) -> T | None:
        try:
            return future.result()
        except NotFoundError:
            return None
        except YarnserveError as error:
            self.notes.append(f"{what}: {error.what}" + (f" ({error.why})" if error.why else ""))
            return None


def look(connection: Connection, name: str, *, deadline: float = PROBE_DEADLINE) -> Snapshot:
    """Look at service *name*.

    Raises:
        NotFoundError: neither YARN nor the saved state knows it.
        UnreachableError: YARN cannot be asked at all.
    """
    store = connection.store(name)
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="look") as pool:
        eyes = _Eyes(pool)
        applications = eyes.read(lambda: newest_application(connection, name))
        service_read = eyes.read(lambda: connection.services.get(name))
        revision_read = eyes.read(store.revisions.latest)
        desired_read = eyes.read(store.desired.latest)
        application = applications.result()
        service = eyes.value(service_read, "services API")
        revision = eyes.value(revision_read, "saved revision")
        desired = eyes.value(desired_read, "saved wanted state")
    # An ended application alone is the history of a service that was destroyed.
    running = application is not None and not application.state.ended
    if service is None and revision is None and not running and not eyes.notes:
        raise NotFoundError(f"there is no service {name!r}", next="yarnserve list")
    wanted = desired.record if desired else None
    component = service.component(COMPONENT) if service else None
    observations = _observe(component, revision, deadline)
    sightings = _sightings(store, application, component, revision, eyes)
    replicas = _replicas(component, wanted, revision, observations, sightings)
    return Snapshot(name, service, application, revision, wanted, replicas, observations, tuple(eyes.notes))


def newest_application(connection: Connection, name: str) -> Application | None:
    """The newest application of service *name* of this user; 3.1.4 does not name it otherwise."""
    applications = connection.cluster.applications(user=connection.settings.user, name=name)
    return max(applications, key=lambda application: application.started_at, default=None)


def endpoint_of(container: Container, revision: Saved[Revision] | None) -> Endpoint | None:
    """Where the replica in *container* answers; None while that is not known."""
    if revision is None or not container.bare_host:
        return None
    return endpoint(revision.record.spec, instance=container.instance, bare_host=container.bare_host)


def _observe(component: Component | None, revision: Saved[Revision] | None, deadline: float) -> tuple[Observation, ...]:
    if component is None or revision is None:
        return ()
    checks = revision.record.spec.checks
    targets = []
    for container in component.containers:
        address = endpoint_of(container, revision)
        if address is not None:
            targets.append(Target(container.instance, address, checks))
    return probe.observe(targets, deadline=deadline)


def _sightings(
    store: ServiceStore,
    application: Application | None,
    component: Component | None,
    revision: Saved[Revision] | None,
    eyes: _Eyes,
) -> Sightings:
    if application is None or component is None or revision is None:
        return Sightings()
    seen = Sightings().with_seen(application.id, component)
    try:
        return store.update_sightings(lambda before: before.with_seen(application.id, component))
    except YarnserveError as error:
        eyes.notes.append(f"restart counts: {error.what}")
        return seen


def _replicas(
    component: Component | None,
    desired: Desired | None,
    revision: Saved[Revision] | None,
    observations: tuple[Observation, ...],
    sightings: Sightings,
) -> tuple[Replica, ...]:
    containers = {container.instance: container for container in component.containers} if component else {}
    wanted = desired.replicas if desired is not None and desired.state is Wanted.RUNNING else 0
    instances = {f"{COMPONENT}-{number}" for number in range(wanted)} if len(containers) < wanted else set()
    seen = {observation.instance: observation for observation in observations}
    return tuple(
        _replica(instance, containers.get(instance), seen.get(instance), revision, sightings)
        for instance in sorted(instances | set(containers), key=instance_number)
    )


def _replica(
    instance: str,
    container: Container | None,
    observation: Observation | None,
    revision: Saved[Revision] | None,
    sightings: Sightings,
) -> Replica:
    verdict = judge_replica(container, observation)
    if container is None:
        return Replica(instance, verdict, restarts=sightings.restarts(instance))
    return Replica(
        instance,
        verdict,
        container_id=container.id,
        node=container.bare_host,
        endpoint=endpoint_of(container, revision),
        versions=_available_versions(observation),
        restarts=sightings.restarts(instance),
        started_at=container.launched_at,
    )


def _available_versions(observation: Observation | None) -> dict[str, tuple[int, ...]]:
    if observation is None:
        return {}
    return {
        model.name: tuple(version.version for version in model.versions if version.state is ModelState.AVAILABLE)
        for model in observation.models
    }
