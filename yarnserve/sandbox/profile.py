"""What differs between Hadoop releases, and how long things take, as one record.

Times are seconds. YARN's own limits and defaults are kept; what is merely slow on a real cluster (an
ApplicationMaster's JVM, heartbeats) is made quick, so that tests are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from yarnserve.errors import UsageError


@dataclass(frozen=True)
class Profile:
    """One Hadoop release as the sandbox imitates it.

    Attributes:
        version: what ``/ws/v1/cluster/info`` calls hadoopVersion.
        revision: commit, builder and checksum in the build version.
        built_on: date in the build version.
        am_start: from the allocation of an ApplicationMaster's container to its registration.
        am_exit: from its unregistration to its end.
        am_memory_mb: default of yarn.service.am-resource.memory.
        am_max_attempts: default of yarn.resourcemanager.am.max-attempts.
        heartbeat: until the ApplicationMaster gets what it asked for, and hears that a container has ended.
        container_start: from allocation to the start of the process.
        address_delay: from the start of a container until its ip is known to the services API.
        readiness_interval: default of yarn.service.readiness-check-interval.seconds.
        restart_gap: from the death of an ApplicationMaster until its application is ACCEPTED again; GET is 404 then.
        master_wait: yarn.service.client-am.retry.max-wait-ms: how long the services API waits for a silent master.
        am_share: maximum-am-resource-percent. The shipped 0.1 leaves room for no second service in a small cluster.
        placement_handler: yarn.resourcemanager.placement-constraints.handler; unless it is disabled, constraints hold.
        stop_delay: from PUT STOPPED to the end of the application.
        failed_linger: how long an ApplicationMaster answers as FAILED before it exits (real-hadoop.md 7, item 8).
        finished_linger: the same for SUCCEEDED, and for FAILED of components that are never restarted.
        completed_linger: how long a NodeManager remembers a container that has ended.
        node_expiry: yarn.nm.liveness-monitor.expiry-interval-ms: how long a silent node counts as one that runs.
        kill_delay: yarn.nodemanager.sleep-delay-before-sigkill.ms: from TERM to KILL.
        docker_kill_delay: the same for a Docker container: ``docker stop`` before 3.3 (docker-on-yarn-observed.md).
        docker_cleanup: how long a Docker container that has ended stays short of DONE, before 3.3.
        docker_failure_cleanup: the same for one whose launch has failed.
        retry_max: default of yarn.service.container-failure.retry.max; -1 is for ever.
        retry_interval: default of yarn.service.container-failure.retry-interval-ms.
        retry_interval_floor: yarn.nodemanager.container-retry-minimum-interval-ms.
        retry_validity: default of yarn.service.container-failure.validity-interval-ms; negative is unlimited.
        failure_threshold: default of yarn.service.container-failure-per-component.threshold.
        blacklist_threshold: default of yarn.service.node-blacklist.threshold; a node is avoided after one more.
        takeover: from the death of the active ResourceManager until the other is active: yarn.resourcemanager.
            zk-timeout-ms, and what follows (real-hadoop-ha.md 3).
        takeover_terminated: the same when the active one was told to end, and has let go of its lock.
        loading: the end of that, when the other redirects to itself.
        recovery: from then on until the ApplicationMasters are back: services look ACCEPTED, no node is there.
        scheduling_wait: from then on until the first new container: yarn.resourcemanager.
            work-preserving-recovery.scheduling-wait-ms.
        daemon_down: from the death of one of a pair until it is started again.
        namenode_takeover: from the death of the active NameNode until the other is active (real-hadoop-ha.md 5).
        namenode_start: how long a NameNode that is started says so.
    """

    version: str
    revision: str
    built_on: str
    am_start: float = 0.4
    am_exit: float = 0.1
    am_memory_mb: int = 1024
    am_max_attempts: int = 2
    heartbeat: float = 0.1
    container_start: float = 0.1
    address_delay: float = 0.1
    readiness_interval: float = 30.0
    restart_gap: float = 0.2
    master_wait: float = 900.0
    am_share: float = 0.8
    placement_handler: str = "disabled"
    stop_delay: float = 0.3
    failed_linger: float = 1.0
    finished_linger: float = 0.5
    completed_linger: float = 1.0
    node_expiry: float = 600.0
    kill_delay: float = 0.25
    docker_kill_delay: float = 10.0
    docker_cleanup: float = 0.2
    docker_failure_cleanup: float = 5.0
    retry_max: int = -1
    retry_interval: float = 30.0
    retry_interval_floor: float = 1.0
    retry_validity: float = -1.0
    failure_threshold: int = 10
    blacklist_threshold: int = 3
    takeover: float = 9.5
    takeover_terminated: float = 4.0
    loading: float = 2.0
    recovery: float = 0.5
    scheduling_wait: float = 10.0
    daemon_down: float = 15.0
    namenode_takeover: float = 1.6
    namenode_start: float = 4.7

    @property
    def release(self) -> tuple[int, ...]:
        """The Apache release behind *version*, ``(3, 1, 1)`` of ``3.1.1.7.1.9-1``: what capabilities go by."""
        return tuple(int(part) for part in self.version.replace("-", ".").split(".")[:3])

    @property
    def generic_failure(self) -> int:
        """Status of GenericExceptionHandler for what it has no status for (real-hadoop.md 7, item 1)."""
        return 503 if self.release >= (3, 4) else 500

    @property
    def shows_stopped_id(self) -> bool:
        """Whether the minimal body has the application's id (real-hadoop.md 7, item 6)."""
        return self.release >= (3, 2, 1)

    @property
    def has_dependencies(self) -> bool:
        """Whether a service may depend on other services."""
        return self.release >= (3, 2)

    @property
    def has_instances(self) -> bool:
        """Whether there is GET component-instances."""
        return self.release >= (3, 1, 2)

    @property
    def groups_instances(self) -> bool:
        """Whether GET component-instances groups by component."""
        return self.release >= (3, 3)

    @property
    def has_decommission(self) -> bool:
        """Whether components know decommissioned_instances."""
        return self.release >= (3, 1, 3)

    @property
    def has_signals(self) -> bool:
        """Whether containers take signals from the cluster API (real-hadoop.md 7, item 15)."""
        return self.release >= (3, 3)

    @property
    def tells_excess(self) -> bool:
        """Whether an application says that no node can hold its containers (golden docker-3.1.4, docker-3.3.6)."""
        return self.release >= (3, 3)

    @property
    def filters_names(self) -> bool:
        """Whether ``/ws/v1/cluster/apps`` knows the filter "name"; earlier it is ignored."""
        return self.release >= (3, 3)

    @property
    def clears_refused(self) -> bool:
        """Whether a refused submission removes the definition (YARN-10437)."""
        return self.release >= (3, 3, 1)

    @property
    def checks_target_tags(self) -> bool:
        """Whether a placement constraint may only name its own component."""
        return self.release < (3, 4)

    @property
    def names_queues_by_path(self) -> bool:
        """Whether an application's queue is told with all queues above it."""
        return self.release >= (3, 4)

    @property
    def tells_localization(self) -> bool:
        """Whether containers show localization_statuses, files take a visibility and resources take attributes."""
        return self.release >= (3, 3)

    @property
    def build_version(self) -> str:
        """``3.1.4 from <commit> by <builder> source checksum <checksum>``."""
        return f"{self.version} from {self.revision}"


HADOOP_3_1_4 = Profile(
    version="3.1.4",
    revision="1e877761e8dadd71effef30e592368f7fe66a61b by gabota source checksum 38405c63945c88fdf7a6fe391494799b",
    built_on="2020-07-21T10:15Z",
)
#: What VersionInfo says of a build without version control: no transcript of 3.1.1 and 3.2.4 is at hand.
_UNKNOWN = "Unknown by Unknown source checksum Unknown"
HADOOP_3_1_1 = Profile(version="3.1.1", revision=_UNKNOWN, built_on="Unknown")
HADOOP_3_2_4 = Profile(version="3.2.4", revision=_UNKNOWN, built_on="Unknown")
HADOOP_3_3_6 = Profile(
    version="3.3.6",
    revision="1be78238728da9266a4f88195058f08fd012bf9c by ubuntu source checksum 5652179ad55f76cb287d9c633bb53bbd",
    built_on="2023-06-18T08:22Z",
    docker_kill_delay=0.25,
    docker_cleanup=0.0,
    docker_failure_cleanup=0.0,
    retry_max=10,
    retry_validity=600.0,
)
HADOOP_3_4_2 = Profile(
    version="3.4.2",
    revision="84e8b89ee2ebe6923691205b9e171badde7a495c by ahmarsu source checksum fa94c67d4b4be021b9e9515c9b0f7b6",
    built_on="2025-08-20T10:30Z",
    docker_kill_delay=0.25,
    docker_cleanup=0.0,
    docker_failure_cleanup=0.0,
    retry_max=10,
    retry_validity=600.0,
)
PROFILES = {
    profile.version: profile for profile in (HADOOP_3_1_1, HADOOP_3_1_4, HADOOP_3_2_4, HADOOP_3_3_6, HADOOP_3_4_2)
}


def profile_of(version: str) -> Profile:
    """Return the profile of an Apache release, or of a vendor's string that begins with one, ``3.1.1.7.1.9-1``.

    Raises:
        UsageError: the sandbox does not imitate that release.
    """
    found = re.match(r"\d+\.\d+\.\d+(?=$|[.-])", version)
    known = PROFILES.get(found[0]) if found else None
    if known is None:
        raise UsageError(
            f"the sandbox cannot imitate Hadoop {version}",
            fix=f"choose one of {', '.join(PROFILES)}; a vendor's own string may follow, as in 3.1.1.7.1.9-1",
        )
    return replace(known, version=version)
