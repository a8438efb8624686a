"""One ResourceManager or two, and their NodeManagers as web servers over one cluster."""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import partial
from random import Random
from typing import Any

from yarnserve.sandbox.cluster import Cluster
from yarnserve.sandbox.docker import DockerHost
from yarnserve.sandbox.election import Standing, Times
from yarnserve.sandbox.faults import Fault
from yarnserve.sandbox.node import Node, Resource
from yarnserve.sandbox.nodemanager import NodeApi
from yarnserve.sandbox.pair import Pair
from yarnserve.sandbox.profile import Profile
from yarnserve.sandbox.resourcemanager import ClusterApi, Seat
from yarnserve.sandbox.runtime import NodeAddress, Runtime
from yarnserve.sandbox.services import Home, Services
from yarnserve.sandbox.services_api import ServicesApi
from yarnserve.sandbox.standby import Moment, StandbyFilter
from yarnserve.sandbox.web_answers import Door, Listener, Opening, guarded

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
        has_pair: whether there is a second ResourceManager, which takes over from one that dies.
        docker: what Docker on the nodes has and allows; None is everything.
        host_of: the host of each NodeManager, by its number.
        opening: how they are reached.

    Attributes:
        managers: the ResourceManagers.
        control: who answers the sandbox's own control paths; of a pair that is neither of the two.
        node_managers: those, in the order of the cluster's nodes.

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
        has_pair: bool = False,
        docker: DockerHost | None = None,
        host_of: Callable[[int], str] = lambda index: _HOST,
        opening: Opening = Listener,
    ) -> None:
        def serve(host: str) -> Door:
            return opening(host, guarded(on_breakdown))

        servers = [serve(_HOST) for _ in range(2 if has_pair else 1)]
        self.control = serve(_HOST) if has_pair else servers[0]
        self._profile = profile
        self._due: Moment | None = None
        times = Times(profile.takeover, profile.loading, profile.daemon_down, 0.0)
        self.managers = Pair(servers, times, clock)
        self.node_managers = [serve(host_of(index)) for index in range(nodes)]
        addresses = [
            NodeAddress(host_of(index), _FIRST_RPC_PORT + index, server.port)
            for index, server in enumerate(self.node_managers)
        ]
        members = [Node(address, capacity, profile, runtime, docker) for address in addresses]
        self.cluster = Cluster(members, profile, filesystem=filesystem, store=home, now=clock())
        self.cluster.faults |= faults
        self.cluster.strikes_saved = lambda: self._is_due(Moment.SAVED)
        services = Services(self.cluster, home)
        random = Random(0)
        for index, server in enumerate(servers):
            url = f"http://{server.address}"
            if has_pair:
                server.application.middlewares.append(self._filter(index, url, random))
            ServicesApi(services, profile, clock, is_active=partial(self._is_active, index)).add_to(server.application)
            seat = Seat(self.managers, index) if has_pair else None
            ClusterApi(self.cluster, clock, url, seat).add_to(server.application)
        ClusterApi(self.cluster, clock, f"http://{servers[0].address}").add_control_to(self.control.application)
        for node, server in zip(members, self.node_managers, strict=True):
            NodeApi(node, self.cluster.started_at, clock).add_to(server.application)

    async def start(self) -> None:
        """Begin to answer."""
        for server in self._servers:
            await server.start()

    async def stop(self) -> None:
        """Close everything."""
        for server in self._servers:
            await server.stop()

    async def advance(self, now: float) -> None:
        """Do everything that is due by *now*."""
        if await self.managers.advance(now):
            self.cluster.recover(int(self.managers.started_at[self.managers.active or 0] * 1000), now)
        self.cluster.advance(now)

    async def fail_over(self, how: str, at: Moment = Moment.NOW) -> bool:
        """End the active ResourceManager by ``kill`` or ``term``, now or *at* a later moment (then by ``kill``).

        Returns:
            Whether there is an active one, and another to take over.
        """
        if at is not Moment.NOW:
            is_possible = self.managers.active is not None and len(self.managers.listeners) > 1
            self._due = at if is_possible else None
            return is_possible
        is_done = await self.managers.kill_active(self._profile.takeover_terminated if how == "term" else None)
        if is_done:
            self.cluster.lose_leader()
        return is_done

    @property
    def is_due_to_fail(self) -> bool:
        """Whether the active ResourceManager is to end at a moment that has not come yet."""
        return self._due is not None

    @property
    def _servers(self) -> list[Door]:
        own = [] if self.control in self.managers.listeners else [self.control]
        return [*self.managers.listeners, *own, *self.node_managers]

    def _is_active(self, index: int) -> bool:
        return self.managers.standing(index) is Standing.ACTIVE

    def _is_due(self, moment: Moment) -> bool:
        is_due = moment is self._due
        if is_due:
            self._due = None
        return is_due

    def _filter(self, index: int, url: str, random: Random) -> Any:
        async def die() -> None:
            await self.fail_over("kill")

        return StandbyFilter(
            url=url,
            standing=lambda: self.managers.standing(index),
            active_url=lambda: self.managers.active_url,
            profile=self._profile,
            is_due=self._is_due,
            die=die,
            random=random,
        ).middleware
