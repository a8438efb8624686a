"""The log files of a service's running containers, found through the ResourceManager, read from the NodeManagers."""

from __future__ import annotations

from dataclasses import dataclass

from yarnserve.errors import NotFoundError
from yarnserve.records.yarn import Container, LogFile
from yarnserve.service.connection import Connection
from yarnserve.service.look import newest_application, no_service
from yarnserve.spec.model import COMPONENT

#: What a person means by "the logs"; the rest (launch_container.sh, prelaunch.*) is YARN's own.
USUAL_FILES = ("stdout.txt", "stderr.txt")

#: Bytes read of the end of a file when nobody says how many: it is held in memory.
USUAL_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class ReplicaLogs:
    """The log files of one replica's container; *address* is its NodeManager's, empty when no node is known."""

    connection: Connection
    instance: str
    container_id: str
    address: str

    def files(self, file_name: str | None = None) -> tuple[LogFile, ...]:
        """Return the usual files, or the one called *file_name*; those that are there.

        Raises:
            NotFoundError: the container runs on no node, or has just ended.
            UnreachableError: its NodeManager does not answer.
        """
        if not self.address:
            raise NotFoundError(
                f"{self.container_id} runs on no node",
                why="the ResourceManager does not list it: it has just ended, or is about to start",
            )
        wanted = USUAL_FILES if file_name is None else (file_name,)
        files = self.connection.nodes.log_files(self.address, self.container_id)
        return tuple(file for file in files if file.name in wanted)

    def read(self, file: LogFile, last_bytes: int | None = None) -> str:
        """Return the end of *file*: USUAL_BYTES, or *last_bytes*, or the whole where it is shorter.

        Raises:
            NotFoundError: the file or the container is not there any more.
            UnreachableError: the NodeManager does not answer, or *last_bytes* are too many for one answer.
        """
        # Always asked for with a limit: the file may have grown since it was listed.
        return self.connection.nodes.log(
            self.address, self.container_id, file.name, last_bytes=last_bytes or USUAL_BYTES
        )


def replica_logs(connection: Connection, name: str, replica: str | None = None) -> tuple[ReplicaLogs, ...]:
    """Return where the logs of service *name* are, of one *replica* (``serve-1`` or ``1``) or of all; none when idle.

    Raises:
        NotFoundError: no such service or replica.
    """
    containers = _containers(connection, name, replica)
    addresses = _addresses(connection, name)
    return tuple(
        ReplicaLogs(connection, container.instance, container.id, addresses.get(container.id, ""))
        for container in containers
    )


def no_logs(name: str, file_name: str | None) -> NotFoundError:
    """Return the error for a service none of whose replicas has the usual files, or *file_name*."""
    return NotFoundError(
        f"no running replica of {name} has a log {file_name}" if file_name else f"no replica of {name} has logs yet",
        why="the logs of ended containers are with log aggregation, where the cluster has it on",
        next=f"yarnserve status {name}",
    )


def _containers(connection: Connection, name: str, replica: str | None) -> tuple[Container, ...]:
    try:
        component = connection.services.get(name).component(COMPONENT)
    except NotFoundError:
        raise no_service(connection, name) from None
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
