"""A ResourceManager and its NodeManagers as web servers over one cluster."""

from __future__ import annotations

from collections.abc import Callable, Set

from yarnserve.sandbox.cluster import Cluster
from yarnserve.sandbox.faults import Fault
from yarnserve.sandbox.node import Node, Resource
from yarnserve.sandbox.nodemanager import NodeApi
from yarnserve.sandbox.profile import Profile
from yarnserve.sandbox.resourcemanager import ClusterApi
from yarnserve.sandbox.runtime import NodeAddress, Runtime
from yarnserve.sandbox.services import Home, Services
from yarnserve.sandbox.services_api import ServicesApi
from yarnserve.sandbox.web_answers import Server

#: The RPC port of the first NodeManager; it only exists in the nodes' names.
_FIRST_RPC_PORT = 45454
_HOST = "localhost"


class YarnServers:
    """The servers of a cluster of *nodes* NodeManagers with *capacity* each.

    Args:
        nodes: how many.
        capacity: what each has.
        profile: the Hadoop release.
        faults: what is wrong from the start.
        runtime: what runs the containers.
        home: the services API's view of HDFS.
        filesystem: fs.defaultFS.
        clock: seconds since the epoch.
        on_breakdown: hears of exceptions that no handler expected.

    Raises:
        OSError: no free port.
    """

    def __init__(
        self,
        *,
        nodes: int,
        capacity: Resource,
        profile: Profile,
        faults: Set[Fault],
        runtime: Runtime,
        home: Home,
        filesystem: str,
        clock: Callable[[], float],
        on_breakdown: Callable[[Exception], None],
    ) -> None:
        self._manager = Server(_HOST, on_breakdown)
        self._node_managers = [Server(_HOST, on_breakdown) for _ in range(nodes)]
        addresses = [
            NodeAddress(_HOST, _FIRST_RPC_PORT + index, server.port) for index, server in enumerate(self._node_managers)
        ]
        members = [Node(address, capacity, profile, runtime) for address in addresses]
        self.cluster = Cluster(members, profile, filesystem=filesystem, now=clock())
        self.cluster.faults |= faults
        self.address = f"{_HOST}:{self._manager.port}"
        ServicesApi(Services(self.cluster, home), profile, clock).add_to(self._manager.application)
        ClusterApi(self.cluster, clock, f"http://{self.address}").add_to(self._manager.application)
        for node, server in zip(members, self._node_managers, strict=True):
            NodeApi(node, self.cluster.faults, self.cluster.started_at, clock).add_to(server.application)

    async def start(self) -> None:
        """Begin to answer."""
        for server in (self._manager, *self._node_managers):
            await server.start()

    async def stop(self) -> None:
        """Close everything."""
        for server in (self._manager, *self._node_managers):
            await server.stop()
