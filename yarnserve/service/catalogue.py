"""All services of a user: what the ResourceManager lists, and what yarnserve has saved.

The services API has no list (yarn-services.md 1.2); a stopped service whose application the ResourceManager has
forgotten is known from the saved state alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from yarnserve.errors import YarnserveError
from yarnserve.records.yarn import NOT_ENDED, Application, ApplicationState, ServiceState
from yarnserve.service.connection import Connection
from yarnserve.service.state import Desired, Wanted


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


def catalogue(connection: Connection) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Return the user's services by name, each with its newest application, and notes on what could not be read."""
    newest: dict[str, Application] = {}
    for application in connection.cluster.applications(user=connection.settings.user):
        known = newest.get(application.name)
        if known is None or application.started_at > known.started_at:
            newest[application.name] = application
    wanted, notes = _wanted(connection)
    # An ended application of a service that is not saved was destroyed; it is history, not a service.
    names = set(wanted) | {name for name, application in newest.items() if not application.state.ended}
    return tuple(_entry(name, newest.get(name), wanted.get(name)) for name in sorted(names)), notes


def everybodys(connection: Connection) -> tuple[Entry, ...]:
    """Return the services that YARN runs, whoever they belong to, by user and name; what others want is not known."""
    found = connection.cluster.applications(states=NOT_ENDED)
    ordered = sorted(found, key=lambda each: (each.user, each.name))
    return tuple(Entry(each.name, each.state.value, None, each) for each in ordered)


def _entry(name: str, application: Application | None, desired: Desired | None) -> Entry:
    replicas = None if desired is None else desired.replicas if desired.state is Wanted.RUNNING else 0
    if application is None or application.state in (ApplicationState.FINISHED, ApplicationState.KILLED):
        return Entry(name, ServiceState.STOPPED.value, replicas, application)
    return Entry(name, application.state.value, replicas, application)


def _wanted(connection: Connection) -> tuple[dict[str, Desired], tuple[str, ...]]:
    """What is wanted of each service that yarnserve has launched."""
    try:
        names = connection.saved_services()
    except YarnserveError as error:
        return {}, (f"saved services: {_words(error)}",)
    wanted, notes = {}, []
    for name in names:
        try:
            saved = connection.glance(name).desired.latest()
        except YarnserveError as error:
            notes.append(f"{name}: {_words(error)}")
            continue
        if saved is not None:
            wanted[name] = saved.record
    return wanted, tuple(notes)


def _words(error: YarnserveError) -> str:
    return f"{error.what} ({error.where or error.why})" if error.where or error.why else error.what
