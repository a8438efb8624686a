"""What differs between Hadoop releases, and how long things take, as one record.

Times are seconds. YARN's own limits and defaults are kept; what is merely slow on a real cluster (an
ApplicationMaster's JVM, heartbeats) is made quick, so that tests are.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """One Hadoop release as the sandbox imitates it.

    Attributes:
        version: what ``/ws/v1/cluster/info`` calls hadoopVersion.
        revision: commit, builder and checksum in the build version.
        built_on: date in the build version.
        am_start: from the allocation of an ApplicationMaster's container to its registration.
        am_memory_mb: default of yarn.service.am-resource.memory.
        am_max_attempts: default of yarn.resourcemanager.am.max-attempts.
        heartbeat: until the ApplicationMaster gets what it asked for, and hears that a container has ended.
        container_start: from allocation to the start of the process.
        address_delay: from the start of a container until its ip is known to the services API.
        readiness_interval: default of yarn.service.readiness-check-interval.seconds.
        stop_delay: from PUT STOPPED to the end of the application.
        failed_linger: how long an ApplicationMaster answers as FAILED before it exits (real-hadoop.md 7, item 8).
        finished_linger: the same for SUCCEEDED, and for FAILED of components that are never restarted.
        completed_linger: how long a NodeManager remembers a container that has ended.
        kill_delay: yarn.nodemanager.sleep-delay-before-sigkill.ms: from TERM to KILL.
        retry_max: default of yarn.service.container-failure.retry.max; -1 is for ever.
        retry_interval: default of yarn.service.container-failure.retry-interval-ms.
        retry_interval_floor: yarn.nodemanager.container-retry-minimum-interval-ms.
        retry_validity: default of yarn.service.container-failure.validity-interval-ms; negative is unlimited.
        failure_threshold: default of yarn.service.container-failure-per-component.threshold.
    """

    version: str
    revision: str
    built_on: str
    am_start: float = 0.4
    am_memory_mb: int = 1024
    am_max_attempts: int = 2
    heartbeat: float = 0.1
    container_start: float = 0.1
    address_delay: float = 0.1
    readiness_interval: float = 30.0
    stop_delay: float = 0.3
    failed_linger: float = 1.0
    finished_linger: float = 0.5
    completed_linger: float = 1.0
    kill_delay: float = 0.25
    retry_max: int = -1
    retry_interval: float = 30.0
    retry_interval_floor: float = 1.0
    retry_validity: float = -1.0
    failure_threshold: int = 10

    @property
    def build_version(self) -> str:
        """``3.1.4 from <commit> by <builder> source checksum <checksum>``."""
        return f"{self.version} from {self.revision}"


HADOOP_3_1_4 = Profile(
    version="3.1.4",
    revision="1e877761e8dadd71effef30e592368f7fe66a61b by gabota source checksum 38405c63945c88fdf7a6fe391494799b",
    built_on="2020-07-21T10:15Z",
)
