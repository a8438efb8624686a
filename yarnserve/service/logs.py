"""The log files of a service's containers: of running ones from their NodeManagers, of ended ones wherever they are."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from yarnserve.errors import NotFoundError, YarnserveError
from yarnserve.records.yarn import Container, LogFile
from yarnserve.service.connection import Connection
from yarnserve.service.finding import newest_application, no_service, require_instance
from yarnserve.spec.model import COMPONENT

#: What a person means by "the logs"; the rest (launch_container.sh, prelaunch.*) is YARN's own.
USUAL_FILES = ("stdout.txt", "stderr.txt")

#: Bytes read of the end of a file when nobody says how many: it is held in memory.
USUAL_BYTES = 16 * 1024 * 1024

#: Most bytes of one file; one answer may be no larger than 64 MiB, its frame included.
MOST_BYTES = 48 * 1024 * 1024

#: Bytes read at first for a line that is asked for; four times as many when there are too few lines in them.
BYTES_A_LINE = 256


@dataclass(frozen=True)
class ReplicaLogs:
    """The log files of one replica's container; *address* is its NodeManager's, empty when no node is known.

    *ended* says that it is a container of the past, and *address* may be the base URL of a log server then.
    """

    connection: Connection
    instance: str
    container_id: str
    address: str
    ended: bool = False

    def files(self, file_name: str | None = None) -> tuple[LogFile, ...]:
        """Return the usual files, or the one called *file_name*; those that are there.

        Raises:
            NotFoundError: the container runs on no node, or has just ended.
            UnreachableError: its NodeManager does not answer.
        """
        if not self.address and self.ended:
            raise aggregated(self.instance, self.container_id, self.connection.settings.log_servers)
        if not self.address:
            raise NotFoundError(
                f"{self.container_id} runs on no node",
                why="the ResourceManager does not list it: it has just ended, or is about to start",
            )
        wanted = USUAL_FILES if file_name is None else (file_name,)
        files = self.connection.nodes.log_files(self.address, self.container_id)
        return tuple(file for file in files if file.name in wanted)

    def end(self, file: LogFile, last_bytes: int = USUAL_BYTES) -> tuple[int, bytes]:
        """Return the length of *file* now, and its *last_bytes* bytes.

        Raises:
            NotFoundError: the file or the container is not there any more.
            UnreachableError: the NodeManager does not answer, or *last_bytes* are too many for one answer.
        """
        return self.connection.nodes.log_end(self.address, self.container_id, file.name, last_bytes)

    def last_lines(self, file: LogFile, lines: int) -> tuple[int, bytes]:
        """Return the length of *file* now, and its last *lines* lines, as far as MOST_BYTES hold them."""
        wanted = min(MOST_BYTES, max(1, lines) * BYTES_A_LINE)
        while True:
            length, body = self.end(file, wanted)
            kept = body.splitlines(keepends=True)
            # The first line of the part may be cut; one more than wanted has to be there.
            if len(kept) > lines or len(body) >= length or wanted == MOST_BYTES:
                return length, b"".join(kept[-lines:] if lines else [])
            wanted = min(MOST_BYTES, 4 * wanted)


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


def previous_logs(connection: Connection, name: str, replica: str | None = None) -> tuple[ReplicaLogs, ...]:
    """Return where the logs of the containers are that the replicas of service *name* had before.

    Of a replica that has none now, as those of a stopped service, that is its last. Replicas that were never seen to
    be replaced are left out. A NodeManager removes the logs of a container soon after its end, so each one is asked,
    and then the log servers; where none has them, the logs' *address* is empty.

    Raises:
        NotFoundError: no such service, or no replica was replaced as far as yarnserve has seen.
    """
    now = {each.instance: each.id for each in _containers(connection, name)}
    sightings = connection.glance(name).sightings.latest()
    seen = sightings.record.containers if sightings else {}
    before = {
        instance: ids[-1]
        for instance in seen
        if replica in (None, instance, instance.rpartition("-")[2])
        and (ids := [id for id in seen[instance] if id != now.get(instance)])
    }
    if not before:
        raise NotFoundError(
            f"no replica of {name} was replaced"
            if replica is None
            else f"replica {replica} of {name} was not replaced",
            why="as far as yarnserve has seen, each has its first container",
            next=f"yarnserve logs {name}",
        )
    holders = [*(node.http_address for node in connection.cluster.nodes()), *connection.settings.log_servers]
    return tuple(
        ReplicaLogs(connection, instance, id, _holder(connection, holders, id), ended=True)
        for instance, id in before.items()
    )


def _holder(connection: Connection, addresses: list[str], container_id: str) -> str:
    """The NodeManager or log server that has the logs of *container_id*, empty where none says so."""
    for address in addresses:
        with suppress(YarnserveError):
            if connection.nodes.log_files(address, container_id):
                return address
    return ""


def no_logs(name: str, file_name: str | None) -> NotFoundError:
    """Return the error for a service none of whose replicas has the usual files, or *file_name*."""
    return NotFoundError(
        f"no running replica of {name} has a log {file_name}" if file_name else f"no replica of {name} has logs yet",
        why="the logs of ended containers are with log aggregation, where the cluster has it on",
        next=f"yarnserve logs {name} --previous",
    )


def aggregated(instance: str, container_id: str, log_servers: tuple[str, ...]) -> NotFoundError:
    """Return the error for an ended container whose logs neither a NodeManager nor any of *log_servers* has."""
    # container_<timestamp>_<application>_<attempt>_<number>, from 2.6 on with e<epoch> in front (golden).
    parts = [part for part in container_id.split("_")[1:] if not part.startswith("e")]
    application = "application_" + "_".join(parts[:2])
    elsewhere = f", and the log server {', '.join(log_servers)} does not have them (yet)" if log_servers else ""
    return NotFoundError(
        f"no NodeManager has the logs of {container_id} any more",
        why=f"it was the previous container of {instance}; NodeManagers remove logs when a container has ended"
        + elsewhere,
        fix="where yarn.log-aggregation-enable is true, read them from there: "
        f"yarn logs -applicationId {application} -containerId {container_id} (or name the log server: "
        "yarn.log.server.web-service.url in yarn-site.xml); else keep them longer with "
        "yarn.nodemanager.delete.debug-delay-sec",
    )


def _containers(connection: Connection, name: str, replica: str | None = None) -> tuple[Container, ...]:
    try:
        component = connection.services.get(name).component(COMPONENT)
    except NotFoundError:
        raise no_service(connection, name) from None
    if replica is None or component is None:
        return component.containers if component else ()
    return (require_instance(component, name, replica),)


def _addresses(connection: Connection, name: str) -> dict[str, str]:
    application = newest_application(connection, name)
    if application is None:
        return {}
    placed = connection.cluster.placed_containers(application.id)
    return {container.id: container.node_http_address for container in placed}
