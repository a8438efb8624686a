"""All services of a user: what the ResourceManager lists, and what yarnserve has saved.

The services API has no list (yarn-services.md 1.2); a stopped service whose application the ResourceManager has
forgotten is known from the saved state alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from yarnserve.errors import NotFoundError
from yarnserve.records.yarn import Application, ApplicationState, ServiceState
from yarnserve.service.connection import Connection
from yarnserve.service.state import Wanted


@dataclass(frozen=True)
class Entry:
    """One service.

    *state* is the application's; an application that has ended well, or is forgotten, is a STOPPED service, as the
    services API puts it. *replicas* is what is wanted, None for a service that yarnserve did not launch.
    """

    name: str
    state: str
    replicas: int | None
    application: Application | None


def catalogue(connection: Connection) -> tuple[Entry, ...]:
    """Return the user's services by name, each with its newest application."""
    newest: dict[str, Application] = {}
    for application in connection.cluster.applications(user=connection.settings.user):
        known = newest.get(application.name)
        if known is None or application.started_at > known.started_at:
            newest[application.name] = application
    saved = connection.saved_services()
    # An ended application of a service that is not saved was destroyed; it is history, not a service.
    names = set(saved) | {name for name, application in newest.items() if not application.state.ended}
    return tuple(_entry(connection, name, newest.get(name), name in saved) for name in sorted(names))


def _entry(connection: Connection, name: str, application: Application | None, saved: bool) -> Entry:
    replicas = _wanted(connection, name) if saved else None
    if application is None or application.state in (ApplicationState.FINISHED, ApplicationState.KILLED):
        return Entry(name, ServiceState.STOPPED.value, replicas, application)
    return Entry(name, application.state.value, replicas, application)


def _wanted(connection: Connection, name: str) -> int | None:
    try:
        desired = connection.store(name).desired.latest()
    except NotFoundError:
        return None
    if desired is None:
        return None
    return desired.record.replicas if desired.record.state is Wanted.RUNNING else 0
