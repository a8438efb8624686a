"""The log files of a service's running containers, found through the ResourceManager, read from the NodeManagers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yarnserve.errors import NotFoundError
from yarnserve.records.yarn import Container, LogFile
from yarnserve.service.connection import Connection
from yarnserve.service.look import newest_application
from yarnserve.spec.model import COMPONENT

#: What a person means by "the logs"; the rest (launch_container.sh, prelaunch.*) is YARN's own.
USUAL_FILES = ("stdout.txt", "stderr.txt")


@dataclass(frozen=True)
class ReplicaLog:
    """One log file of one replica's container; *address* is its NodeManager's."""

    connection: Connection
    instance: str
    container_id: str
    address: str
    file: LogFile

    def read(self, last_bytes: int | None = None) -> str:
        """Return the text, or the last *last_bytes* of it."""
        return self.connection.nodes.log(self.address, self.container_id, self.file.name, last_bytes=last_bytes)


def replica_logs(
    connection: Connection, name: str, *, replica: str | None = None, file_name: str | None = None
) -> Iterator[ReplicaLog]:
    """Yield the log files of service *name*, of one *replica* (``serve-1`` or ``1``) or of all.

    Raises:
        NotFoundError: no such service, replica or file, or nothing of it runs.
    """
    containers = _containers(connection, name, replica)
    addresses = _addresses(connection, name)
    found = False
    for container in containers:
        address = addresses.get(container.id)
        if address is None:
            continue
        for file in connection.nodes.log_files(address, container.id):
            if file.name == file_name or (file_name is None and file.name in USUAL_FILES):
                found = True
                yield ReplicaLog(connection, container.instance, container.id, address, file)
    if not found:
        raise NotFoundError(
            f"no running replica of {name} has such a log" if file_name else f"no replica of {name} has logs yet",
            why="the logs of ended containers are with log aggregation, where the cluster has it on",
            next=f"yarnserve logs {name} --list",
        )


def _containers(connection: Connection, name: str, replica: str | None) -> tuple[Container, ...]:
    component = connection.services.get(name).component(COMPONENT)
    containers = component.containers if component else ()
    if replica is None:
        return containers
    instance = f"{COMPONENT}-{replica}" if replica.isdecimal() else replica
    chosen = tuple(container for container in containers if container.instance == instance)
    if not chosen:
        running = ", ".join(container.instance for container in containers) or "none"
        raise NotFoundError(f"{name} runs no replica {replica!r}", why=f"running: {running}")
    return chosen


def _addresses(connection: Connection, name: str) -> dict[str, str]:
    application = newest_application(connection, name)
    if application is None:
        return {}
    placed = connection.cluster.placed_containers(application.id)
    return {container.id: container.node_http_address for container in placed}
