"""The ResourceManager's view: nodes, applications, and who gets what. Time is a parameter of everything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from yarnserve.sandbox.application import Application
from yarnserve.sandbox.config_files import FileStore
from yarnserve.sandbox.definition import GPU, Document
from yarnserve.sandbox.faults import Fault
from yarnserve.sandbox.node import Node, NodeContainer, Resource, total
from yarnserve.sandbox.profile import Profile


class Struck(Exception):  # noqa: N818  it is an end, not an error of ours
    """The ResourceManager has died in the midst of a request."""


class Cluster:
    """A ResourceManager with its nodes; *now* is its start and the ids' time stamp.

    Args:
        filesystem: fs.defaultFS.
        store: where ApplicationMasters keep files.

    Attributes:
        faults: what is wrong with it and its nodes now; may be changed at any time, in place.
        epoch: how often another ResourceManager has taken over; part of container ids.
        strikes_saved: told between the save of a definition and the submission; says whether to die there, once.
    """

    def __init__(
        self, nodes: Sequence[Node], profile: Profile, *, filesystem: str, store: FileStore, now: float
    ) -> None:
        self._nodes = tuple(nodes)
        self.faults: set[Fault] = set()
        for node in self._nodes:
            node.faults = self.faults
        self.profile = profile
        self.filesystem = filesystem
        self.store = store
        self.started_at = now
        self.timestamp = int(now * 1000)
        self.applications: dict[str, Application] = {}
        self.epoch = 0
        self.strikes_saved: Callable[[], bool] = lambda: False
        self._sequence = 0
        self._is_leaderless = False
        self._recovered_at = self._allocates_at = self._now = now

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that are registered."""
        if Fault.NO_NODES in self.faults or self.is_recovering:
            return ()
        return tuple(node for node in self._nodes if not node.is_expired(self._now))

    @property
    def all_nodes(self) -> tuple[Node, ...]:
        """Every node, whatever has become of it."""
        return self._nodes

    @property
    def is_recovering(self) -> bool:
        """Whether a ResourceManager has just taken over: nothing has come back to it yet (real-hadoop-ha.md 3)."""
        return self._now < self._recovered_at

    def lose_leader(self) -> None:
        """Go on without a ResourceManager: what runs runs, nothing new starts."""
        self._is_leaderless = True

    def recover(self, timestamp: int, now: float) -> None:
        """Let another ResourceManager take over, started at *timestamp* (ms): ids are counted anew from there."""
        self._is_leaderless = False
        self.timestamp = timestamp
        self._sequence = 0
        self.epoch += 1
        self._now = now
        self._recovered_at = now + self.profile.recovery
        self._allocates_at = now + self.profile.scheduling_wait

    @property
    def usable_nodes(self) -> tuple[Node, ...]:
        """The nodes that containers may be started on."""
        return tuple(node for node in self.nodes if node.off_since is None and not self.ails(node))

    def ails(self, node: Node) -> bool:
        """Whether *node* is UNHEALTHY."""
        return Fault.NODE_UNHEALTHY in self.faults and node is self._nodes[0]

    @property
    def capacity(self) -> Resource:
        """What all nodes have together."""
        return total(node.capacity for node in self.usable_nodes)

    @property
    def used(self) -> Resource:
        """What is taken of it."""
        return total(node.used for node in self.nodes)

    @property
    def largest(self) -> Resource:
        """The most that one container may ask for: of each resource, what the best node has."""
        capacities = [node.capacity for node in self._nodes]
        return Resource(
            max(capacity.memory_mb for capacity in capacities),
            max(capacity.vcores for capacity in capacities),
            max(capacity.gpus for capacity in capacities),
        )

    def submit(self, user: str, service: Document, now: float) -> Application:
        """Accept a new application of *service*."""
        self._sequence += 1
        while f"application_{self.timestamp}_{self._sequence:04d}" in self.applications:
            self._sequence += 1
        application = Application(self, self.timestamp, self._sequence, user, service, now, self.profile)
        self.applications[application.id] = application
        return application

    def advance(self, now: float) -> None:
        """Do everything that is due by *now*."""
        self._now = now
        for node in self._nodes:
            if self.ails(node):
                node.lose_containers(now)
            node.advance(now)
        for application in self.applications.values():
            application.advance(now)

    def containers(self) -> Iterator[NodeContainer]:
        """Yield every container that a node still remembers."""
        for node in self._nodes:
            yield from node.containers.values()

    def containers_of(self, application_id: str) -> list[NodeContainer]:
        """Return the live containers of an application, its ApplicationMaster's first."""
        live = [container for container in self.containers() if not container.completed]
        return sorted(
            (container for container in live if container.application_id == application_id),
            key=lambda container: container.id.rpartition("_")[2],
        )

    def allocate(self, resource: Resource, avoided: Collection[str] = ()) -> Node | None:
        """Return the emptiest node with room for *resource* whose id is not among *avoided*, or None."""
        if self._is_leaderless or self._now < self._allocates_at:
            return None
        fitting = [
            node for node in self.usable_nodes if node.address.id not in avoided and resource.fits(node.available)
        ]
        return max(fitting, key=lambda node: node.available.memory_mb, default=None)

    @property
    def am_limit(self) -> Resource:
        """What the queue's ApplicationMasters may take together."""
        share, capacity = self.profile.am_share, self.capacity
        return Resource(int(capacity.memory_mb * share), int(capacity.vcores * share))

    @property
    def am_used(self) -> Resource:
        """What they take."""
        if Fault.QUEUE_FULL in self.faults:
            return self.am_limit
        return total(one.am_used for one in self.applications.values())

    def activation(self, application: Application) -> str:
        """Return why *application* has to wait before its ApplicationMaster is placed, empty when it need not.

        The words are CapacityScheduler's; the first ApplicationMaster is let through whatever it takes.
        """
        if not self.nodes:
            return (
                "Application is added to the scheduler and is not yet activated. "
                "Skipping AM assignment as cluster resource is empty. "
            )
        wanted, used, limit = application.am_resource, self.am_used, self.am_limit
        if used.memory_mb == 0 or used.memory_mb + wanted.memory_mb <= limit.memory_mb:
            return ""
        most = self._words(limit)
        return (
            "Application is added to the scheduler and is not yet activated. Queue's AM resource limit exceeded.  "
            f"Details : AM Partition = <DEFAULT_PARTITION>; AM Resource Request = {self._words(wanted)}; "
            f"Queue Resource Limit for AM = {most}; User AM Resource Limit of the queue = {most}; "
            f"Queue AM Resource Usage = {self._words(used)}; "
        )

    def knows_gpus(self) -> bool:
        """Whether yarn.io/gpu is a resource type here."""
        return self.largest.gpus > 0

    def excess(self, resource: Resource) -> str:
        """Return the words for a request that no node could ever meet; empty for any other, and before 3.3."""
        if not self.profile.tells_excess:
            return ""
        most = self.largest
        configured = replace(most, gpus=2**63 - 1)
        types = [
            name
            for name, wanted, available in (
                ("memory-mb", resource.memory_mb, most.memory_mb),
                ("vcores", resource.vcores, most.vcores),
                (GPU, resource.gpus, most.gpus),
            )
            if wanted > available
        ]
        if not types:
            return ""
        return (
            "Invalid resource request! Cannot allocate containers as requested resource is greater than maximum "
            f"allowed allocation. Requested resource type=[{', '.join(types)}], Requested resource="
            f"{self._words(resource)}, maximum allowed allocation={self._words(most)}, please note that maximum "
            "allowed allocation is calculated by scheduler based on maximum resource of registered NodeManagers, "
            f"which might be less than configured maximum allocation={self._words(configured)}"
        )

    def release_application(self, application_id: str, now: float) -> None:
        """Kill whatever containers an application still has."""
        for container in self.containers_of(application_id):
            container.kill(now)

    def _words(self, resource: Resource) -> str:
        gpus = f", {GPU}: {resource.gpus}" if self.knows_gpus() else ""
        return f"<memory:{resource.memory_mb}, vCores:{resource.vcores}{gpus}>"
