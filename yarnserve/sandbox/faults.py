"""What can be wrong with a cluster as a whole: switches that ``--fault`` and ``/sandbox/faults`` turn on and off."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from yarnserve.errors import UsageError


class Fault(str, Enum):
    """One thing that is wrong, as it looks from outside; :data:`MEANINGS` says what it is."""

    API_OFF = "api-off"
    DOCKER_MOUNTS = "docker-mounts"
    DOCKER_OFF = "docker-off"
    MASTERS_SILENT = "masters-silent"
    NO_NODES = "no-nodes"
    NODE_UNHEALTHY = "node-unhealthy"
    NODES_SILENT = "nodes-silent"
    QUEUE_FULL = "queue-full"
    QUEUE_STOPPED = "queue-stopped"
    SAFE_MODE = "safe-mode"
    ZOOKEEPER_DOWN = "zookeeper-down"


MEANINGS = {
    Fault.API_OFF: "yarn.webapp.api-service.enable is false",
    Fault.DOCKER_MOUNTS: "docker.allowed.ro-mounts has a path that the nodes do not: every Docker launch ends with 29",
    Fault.DOCKER_OFF: "the nodes' allowed-runtimes is default: every Docker launch ends with -1",
    Fault.MASTERS_SILENT: "running ApplicationMasters do not answer: what asks one blocks (yarn-services.md 1.5)",
    Fault.NO_NODES: "no NodeManager is registered: what runs goes on, nothing new starts",
    Fault.NODE_UNHEALTHY: "the first node's disks are full: it is UNHEALTHY and its containers are lost (-100)",
    Fault.NODES_SILENT: "the NodeManagers' web servers close every connection",
    Fault.QUEUE_FULL: "ApplicationMasters fill their share of the queue: a new service stays ACCEPTED",
    Fault.QUEUE_STOPPED: "the queue is stopped: a new service is refused",
    Fault.SAFE_MODE: "HDFS is in safe mode: everything can be read, nothing written",
    Fault.ZOOKEEPER_DOWN: "ZooKeeper does not answer: DELETE removes the definition and fails (yarn-services.md 1.5)",
}


def faults_of(names: Iterable[str]) -> set[Fault]:
    """Return the faults called *names*.

    Raises:
        UsageError: there is no such fault.
    """
    known = {fault.value: fault for fault in Fault}
    found = set()
    for name in names:
        if name not in known:
            raise UsageError(f"the sandbox has no fault {name}", fix=f"choose one of {', '.join(known)}")
        found.add(known[name])
    return found
