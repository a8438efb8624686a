"""A service, its newest application, its replicas and their addresses, found by name, or the error for what is not."""

from __future__ import annotations

from contextlib import suppress

from yarnserve.errors import NotFoundError, UnreachableError, YarnserveError
from yarnserve.records.replica import Endpoint
from yarnserve.records.yarn import NOT_ENDED, Application, Component, Container
from yarnserve.service.connection import Connection
from yarnserve.service.state import Revision
from yarnserve.service.store import Saved
from yarnserve.spec.endpoints import endpoint
from yarnserve.spec.model import COMPONENT, ServiceSpec


def no_service(connection: Connection, name: str) -> NotFoundError:
    """Return the error for a *name* that neither YARN nor the saved state knows; it names who has such a service.

    YARN answers as if there were none (yarn-services.md 1.5), for services belong to their user.
    """
    user, fix = connection.settings.user, ""
    if owners := _owners(connection, name):
        fix = f"{' and '.join(owners)} has one of this name: to act as its owner, --user {owners[0]}"
    return NotFoundError(f"there is no service {name!r}", why=f"of user {user}", fix=fix, next="yarnserve list")


def require_known(connection: Connection, name: str) -> None:
    """Raise NotFoundError when neither the services API nor the saved state knows service *name*."""
    if connection.glance(name).revisions.latest() is not None:
        return
    try:
        connection.services.get(name)
    except NotFoundError:
        raise no_service(connection, name) from None


def newest_application(connection: Connection, name: str) -> Application | None:
    """The newest application of service *name* of this user; 3.1.4 does not name it otherwise."""
    applications = connection.cluster.applications(user=connection.settings.user, name=name)
    return max(applications, key=lambda application: application.started_at, default=None)


def by_instance(component: Component | None) -> dict[str, Container]:
    """The container of each instance; beside an ended one its replacement counts, of two the newest."""
    listed = component.containers if component else ()
    ordered = sorted(listed, key=lambda each: (not each.state.ended, each.launched_at or 0.0))
    return {container.instance: container for container in ordered}


def require_instance(component: Component, name: str, replica: str) -> Container:
    """Return the container of *replica*, ``serve-1`` or ``1``, of service *name*.

    Raises:
        NotFoundError: it runs no such replica.
    """
    instance = f"{COMPONENT}-{replica}" if replica.isdecimal() else replica
    found = by_instance(component)
    if instance not in found:
        running = ", ".join(found) or "none"
        raise NotFoundError(f"{name} runs no replica {replica!r}", why=f"running: {running}")
    return found[instance]


def endpoint_of(container: Container, revision: Saved[Revision] | None) -> Endpoint | None:
    """Where the replica in *container* answers; None while that is not known, or it has ended."""
    if revision is None or not container.bare_host or container.state.ended:
        return None
    return endpoint(revision.record.spec, instance=container.instance, bare_host=container.bare_host)


def require_endpoint(container: Container, spec: ServiceSpec) -> Endpoint:
    """Return where the replica in *container*, of the service of *spec*, answers.

    Raises:
        UnreachableError: nobody knows yet.
    """
    if not container.bare_host:
        raise UnreachableError(
            f"{container.instance} of {spec.name} has no address yet",
            why="YARN has only begun to start its container",
            fix="wait until it is live, and try again",
            next=f"yarnserve status {spec.name}",
        )
    return endpoint(spec, instance=container.instance, bare_host=container.bare_host)


def _owners(connection: Connection, name: str) -> list[str]:
    """Who else has a service *name* running; nobody where the ResourceManager does not tell."""
    with suppress(YarnserveError):
        found = connection.cluster.applications(name=name, states=NOT_ENDED)
        return sorted({each.user for each in found} - {connection.settings.user})
    return []
