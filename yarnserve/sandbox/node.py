"""One NodeManager: its capacity, the containers on it, and the retries it makes on its own.

A NodeManager relaunches a failed container in place, with the same id, and tells nobody (yarn-services.md 4.1).
Time is a parameter everywhere; nothing here waits.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from yarnserve.sandbox.docker import DockerHost, DockerRefusal
from yarnserve.sandbox.faults import Fault
from yarnserve.sandbox.profile import Profile
from yarnserve.sandbox.runtime import Launch, NodeAddress, Runtime
from yarnserve.sandbox.states import NodeContainerState

#: Exit code of a container that has not ended once yet.
NOT_EXITED = -1000
#: Told of a container whose files cannot be written, too: Hadoop has one number for both.
LOCALIZATION_FAILED = -1000
#: Exit code of a container whose node was lost or became unhealthy.
NODE_LOST = -100
#: Exit code of a container that the ApplicationMaster or the end of its application has killed.
KILLED_BY_MASTER = -105
#: These are not retried in place: success, and death by KILL and TERM.
NEVER_RETRIED = (0, 128 + signal.SIGKILL, 128 + signal.SIGTERM)
_LOST = "Container released on a *lost* node"
#: Reported states of a Docker container that has ended and is being cleaned up, before 3.3 (golden docker-3.1.4).
_CLEANING = (
    NodeContainerState.EXITED_WITH_SUCCESS,
    NodeContainerState.EXITED_WITH_FAILURE,
    NodeContainerState.CLEANED_UP_AFTER_KILL,
)


@dataclass(frozen=True)
class Resource:
    """An amount of what a node has; memory is MiB."""

    memory_mb: int = 0
    vcores: int = 0
    gpus: int = 0

    def __add__(self, other: Resource) -> Resource:
        return Resource(self.memory_mb + other.memory_mb, self.vcores + other.vcores, self.gpus + other.gpus)

    def __sub__(self, other: Resource) -> Resource:
        return Resource(self.memory_mb - other.memory_mb, self.vcores - other.vcores, self.gpus - other.gpus)

    def fits(self, room: Resource) -> bool:
        """Whether this much can be taken out of *room*."""
        return self.memory_mb <= room.memory_mb and self.vcores <= room.vcores and self.gpus <= room.gpus


def total(resources: Iterable[Resource]) -> Resource:
    """Add up *resources*."""
    return sum(resources, Resource())


@dataclass(frozen=True)
class RetryPolicy:
    """How often a NodeManager relaunches a container in place.

    *maximum* -1 is for ever; *interval* is in seconds; only failures within the last *validity* seconds count
    against *maximum*, all of them when it is not positive.
    """

    maximum: int = 0
    interval: float = 0.0
    validity: float = -1.0


def _stamp(now: float) -> str:
    milliseconds = int(now * 1000) % 1000
    return f"[{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(now))}.{milliseconds:03d}]"


class NodeContainer:
    """One container on a node; an ApplicationMaster's has no *launch*, because no process stands behind it."""

    def __init__(
        self, container_id: str, resource: Resource, node: Node, launch: Launch | None, retry: RetryPolicy, now: float
    ) -> None:
        self.id = container_id
        self.resource = resource
        self.node = node
        self.launch = launch
        self.retry = retry
        self.user = launch.user if launch else ""
        self.application_id = launch.application_id if launch else ""
        self.state = NodeContainerState.LOCALIZING
        self.exit_code = NOT_EXITED
        self.diagnostics = ""
        self.allocated_at = now
        self.started_at: float | None = None
        self.completed_at: float | None = None
        self.handle: Any = None
        self._due = now + node.profile.container_start
        self._leaves = False
        self._told_code: int | None = None
        self._failures: list[float] = []

    @property
    def completed(self) -> bool:
        """Whether the container is over for good."""
        return self.completed_at is not None

    def advance(self, now: float) -> None:
        """Start, relaunch, notice an exit, or make a kill final, as *now* demands."""
        if self.completed:
            return
        if self.launch is None:
            self._advance_master(now)
            return
        if self.state in (NodeContainerState.LOCALIZING, NodeContainerState.RELAUNCHING):
            if now >= self._due:
                self._start(self.launch, now)
            return
        if self.state in _CLEANING:
            if now >= self._due:
                self._complete(now)
            return
        code = self.node.runtime.poll(self.handle)
        if code is not None:
            self._exited(code if self._told_code is None else self._told_code, now)
        elif self.state is NodeContainerState.KILLING and now >= self._due:
            self.node.runtime.kill(self.handle, signal.SIGKILL)

    def _advance_master(self, now: float) -> None:
        if now < self._due:
            return
        if self._leaves:
            self.complete(0, "", now)
        elif self.state is NodeContainerState.LOCALIZING:
            self.state = NodeContainerState.RUNNING

    def leave(self, now: float) -> None:
        """Let an ApplicationMaster that has unregistered end by itself, a moment later and with 0."""
        self._leaves = True
        self._due = now + self.node.profile.am_exit

    def kill(self, now: float) -> None:
        """End the container for good: TERM now, KILL after the profile's delay."""
        self._end(KILLED_BY_MASTER, "Container killed by the ApplicationMaster.", signal.SIGTERM, now)

    def vanish(self, now: float) -> None:
        """Take in that the container went with its node."""
        if not self.completed:
            self.complete(NODE_LOST, f"{_stamp(now)}{_LOST}\n", now)

    def lose(self, now: float) -> None:
        """End the container at once because its node is not to be used any more."""
        self._end(NODE_LOST, _LOST, signal.SIGKILL, now)

    def _end(self, code: int, words: str, number: int, now: float) -> None:
        if self.completed or self._leaves or self.state in (NodeContainerState.KILLING, *_CLEANING):
            return
        self.diagnostics += f"{_stamp(now)}{words}\n"
        self.exit_code = code
        if self.state is not NodeContainerState.RUNNING or self.launch is None:
            self._complete(now)
            return
        self.state = NodeContainerState.KILLING
        profile = self.node.profile
        self._due = now + (profile.docker_kill_delay if self.launch.image else profile.kill_delay)
        self.node.runtime.kill(self.handle, number)

    def signal(self, number: int, now: float) -> None:
        """Send signal *number* from outside; an ApplicationMaster, a JVM, dies of any but QUIT."""
        if self.launch is None and number == signal.SIGQUIT:
            return
        if self.launch is None:
            self.complete(128 + number, f"{_stamp(now)}Killed by external signal\n", now)
        else:
            self.node.runtime.kill(self.handle, number)

    def exit(self, code: int) -> None:
        """Let the container's first process be over, whatever it is, and have ended with *code*."""
        self._told_code = code
        self.node.runtime.kill(self.handle, signal.SIGKILL)

    def command(self, name: str, number: int, now: float) -> None:
        """Carry out a command of the cluster API, *name*, which sends signal *number* and tells so."""
        if self.launch is not None:
            to = f"to pid {getattr(self.handle, 'pid', 0)} as user {self.user} for container {self.id}"
            signal_name = signal.Signals(number).name
            self.diagnostics += f"{_stamp(now)}Sent signal {name} ({signal_name}) {to}, result=success\n"
        self.signal(number, now)

    def complete(self, code: int, diagnostics: str, now: float) -> None:
        """End a container whose end no process tells: an ApplicationMaster, or a launch that failed before one."""
        self.exit_code = code
        self.diagnostics += diagnostics
        self._complete(now)

    def _start(self, launch: Launch, now: float) -> None:
        refusal = self.node.refusal(launch, self.resource.gpus)
        if refusal is not None:
            self.started_at = self.started_at or now
            diagnostics = refusal.diagnostics(self.id, _stamp(now))
            self._failed(refusal.code, diagnostics, self.node.profile.docker_failure_cleanup, now)
            return
        self._told_code = None
        try:
            self.handle = self.node.runtime.start(launch)
        except OSError as error:
            self.started_at = self.started_at or now
            self.complete(LOCALIZATION_FAILED, f"{_stamp(now)}Failed to localize: {error}\n", now)
            return
        self.state = NodeContainerState.RUNNING
        self.started_at = self.started_at or now

    def _exited(self, code: int, now: float) -> None:
        cleanup = self.node.profile.docker_cleanup
        if self.state is NodeContainerState.KILLING:
            stamp = _stamp(now)
            self.diagnostics += (
                f"{stamp}Container killed on request. Exit code is {code}\n"
                f"{stamp}Container exited with a non-zero exit code {code}. \n"
            )
            self._clean_up(NodeContainerState.CLEANED_UP_AFTER_KILL, cleanup, now)
            return
        self._failed(code, self._explanation(code, now) if code != 0 else "", cleanup, now)

    def _failed(self, code: int, diagnostics: str, cleanup: float, now: float) -> None:
        """Take in an end that nobody asked for, of the process or of its launch."""
        self.exit_code = code
        self.diagnostics += diagnostics
        if self._retries(code, now):
            self.state = NodeContainerState.RELAUNCHING
            self._due = now + max(self.retry.interval, self.node.profile.retry_interval_floor)
            return
        ended = NodeContainerState.EXITED_WITH_FAILURE if code else NodeContainerState.EXITED_WITH_SUCCESS
        self._clean_up(ended, cleanup, now)

    def _clean_up(self, state: NodeContainerState, seconds: float, now: float) -> None:
        if self.launch is None or not self.launch.image or seconds <= 0:
            self._complete(now)
            return
        self.state, self._due = state, now + seconds

    def _retries(self, code: int, now: float) -> bool:
        if code in NEVER_RETRIED:
            return False
        if self.retry.validity > 0:
            self._failures = [failed_at for failed_at in self._failures if failed_at > now - self.retry.validity]
        if 0 <= self.retry.maximum <= len(self._failures):
            return False
        self._failures.append(now)
        return True

    def _explanation(self, code: int, now: float) -> str:
        stamp = _stamp(now)
        if code in NEVER_RETRIED:
            return (
                f"{stamp}Container killed on request. Exit code is {code}\n"
                f"{stamp}Container exited with a non-zero exit code {code}. \n{stamp}Killed by external signal\n"
            )
        return (
            f"{stamp}Exception from container-launch.\nContainer id: {self.id}\nExit code: {code}\n\n"
            f"{stamp}Container exited with a non-zero exit code {code}. Error file: prelaunch.err.\n\n"
        )

    def _complete(self, now: float) -> None:
        if not self.completed:
            self.node.release(self.resource)
        self.state = NodeContainerState.DONE
        self.completed_at = now


class Node:
    """A NodeManager with *capacity*; a container holds its resource until it is over.

    Attributes:
        faults: what is wrong with its cluster now; the cluster's own set once it belongs to one.
        off_since: when its power went; None while it is on.
    """

    def __init__(
        self,
        address: NodeAddress,
        capacity: Resource,
        profile: Profile,
        runtime: Runtime,
        docker: DockerHost | None = None,
    ) -> None:
        self.address = address
        self.capacity = capacity
        self.profile = profile
        self.runtime = runtime
        self.faults: set[Fault] = set()
        self.off_since: float | None = None
        self._docker = docker or DockerHost()
        self.containers: dict[str, NodeContainer] = {}
        #: What the containers that are not over hold; counted as they come and go, since every placement asks.
        self.used = Resource()

    @property
    def available(self) -> Resource:
        """What is left."""
        return self.capacity - self.used

    def place(
        self,
        container_id: str,
        resource: Resource,
        now: float,
        launch: Launch | None = None,
        retry: RetryPolicy | None = None,
    ) -> NodeContainer:
        """Take *resource* for a new container, which starts once it is localized."""
        container = NodeContainer(container_id, resource, self, launch, retry or RetryPolicy(), now)
        self.containers[container_id] = container
        self.used += resource
        return container

    def release(self, resource: Resource) -> None:
        """Take back what an ended container held."""
        self.used -= resource

    def place_master(
        self, container_id: str, resource: Resource, user: str, application_id: str, now: float
    ) -> NodeContainer:
        """Take *resource* for an ApplicationMaster, which the state machine itself plays."""
        container = self.place(container_id, resource, now)
        container.user, container.application_id = user, application_id
        container.started_at = now
        return container

    def refusal(self, launch: Launch, gpus: int) -> DockerRefusal | None:
        """Return how the node's Docker ends *launch* before its process runs, None when it starts."""
        if not launch.image:
            return None
        is_off, lacks_mount = Fault.DOCKER_OFF in self.faults, Fault.DOCKER_MOUNTS in self.faults
        return self._docker.refusal(launch, gpus, is_off=is_off, lacks_mount=lacks_mount)

    def power_off(self, now: float) -> None:
        """End every process on it, without a word to anybody; YARN finds out by its silence."""
        self.off_since = now
        for container in self.containers.values():
            if container.handle is not None:
                self.runtime.kill(container.handle, signal.SIGKILL)

    def power_on(self, now: float) -> None:
        """Let it register anew: what ran on it before is lost."""
        self.off_since = None
        for container in self.containers.values():
            container.vanish(now)

    def is_expired(self, now: float) -> bool:
        """Whether it has been silent for so long that YARN has given it up."""
        return self.off_since is not None and now >= self.off_since + self.profile.node_expiry

    def lose_containers(self, now: float) -> None:
        """End every container that is not over."""
        for container in self.containers.values():
            container.lose(now)

    def advance(self, now: float) -> None:
        """Advance every container and forget those whose end is old news."""
        if self.is_expired(now):
            for container in self.containers.values():
                container.vanish(now)
        if self.off_since is not None:
            return
        for container in list(self.containers.values()):
            container.advance(now)
            completed_at = container.completed_at
            if completed_at is not None and now >= completed_at + self.profile.completed_linger:
                del self.containers[container.id]
                if container.launch is not None:
                    self.runtime.forget(container.launch)
