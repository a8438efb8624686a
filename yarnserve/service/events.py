"""What YARN tells of a service at this moment, from everywhere that it tells something (yarn-services.md 6).

YARN keeps no list of events that one may read: this is its application, that one's attempts, the services API's
diagnostics, and what the NodeManagers still say of the containers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yarnserve.errors import NotFoundError, YarnserveError
from yarnserve.records.yarn import Application
from yarnserve.service.connection import Connection
from yarnserve.service.finding import newest_application, require_known


@dataclass(frozen=True)
class Event:
    """One thing YARN says.

    Attributes:
        at: seconds since the epoch; None where YARN gives no time: it is so now.
        subject: the id it is about.
        text: in YARN's words.
        instance: the replica it is about, where YARN still says which.
    """

    at: float | None
    subject: str
    text: str
    instance: str = ""


def read_events(connection: Connection, name: str) -> tuple[Event, ...]:
    """Return what YARN tells of service *name*: of its newest application first, then of every container.

    Raises:
        NotFoundError: neither YARN nor the saved state knows it.
    """
    require_known(connection, name)
    application = newest_application(connection, name)
    events = list(_service(connection, name))
    if application is not None:
        events += [*_application(application), *_attempts(connection, application), *_containers(connection, name)]
        events += _processes(connection, application)
    return tuple(events)


def _service(connection: Connection, name: str) -> Iterator[Event]:
    try:
        service = connection.services.get(name)
    except NotFoundError:
        return
    except YarnserveError as error:
        yield Event(None, name, f"cannot be asked: {error.what}")
        return
    yield Event(None, name, _with_words(service.state.value, service.diagnostics))


def _application(application: Application) -> Iterator[Event]:
    yield Event(application.started_at, application.id, f"submitted to queue {application.queue}")
    state = _with_words(application.state.value, application.diagnostics)
    yield Event(application.finished_at, application.id, state)


def _attempts(connection: Connection, application: Application) -> Iterator[Event]:
    for attempt in connection.cluster.attempts(application.id):
        where = f" on {attempt.node_http_address}" if attempt.node_http_address else ""
        yield Event(None, attempt.id, f"ApplicationMaster {attempt.am_container_id}{where}")


def _containers(connection: Connection, name: str) -> Iterator[Event]:
    try:
        service = connection.services.get(name)
    except YarnserveError:
        return
    for component in service.components:
        yield Event(None, component.name, f"{component.state.value}, {component.desired} containers wanted")
        for each in component.containers:
            yield Event(each.launched_at, each.id, f"{each.instance} {each.state.value}", each.instance)


def _processes(connection: Connection, application: Application) -> Iterator[Event]:
    """What the NodeManagers say of the containers that they have not forgotten, ended ones included."""
    prefix = application.id.replace("application_", "_", 1) + "_"
    for node in connection.cluster.nodes():
        try:
            told = connection.nodes.containers(node.http_address)
        except YarnserveError as error:
            yield Event(None, node.id, f"cannot be asked: {error.what}")
            continue
        for each in told:
            if prefix in each.id:
                code = f", exit code {each.exit_code}" if each.has_exited else ""
                yield Event(None, each.id, _with_words(f"{each.state} on {node.host}{code}", each.diagnostics))


def _with_words(text: str, diagnostics: str) -> str:
    words = diagnostics.strip()
    return f"{text}: {words}" if words else text
