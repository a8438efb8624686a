"""What is known of the replicas on this host: how one is started, what was seen of it, what was asked for. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from yarnserve.records.document import to_document
from yarnserve.records.replica import Health, Observation, Replica
from yarnserve.spec.model import ServiceSpec


class Way(str, Enum):
    """What a replica runs in: a container of Docker, or a plain process of this host."""

    DOCKER = "docker"
    PROCESS = "process"


@dataclass(frozen=True)
class Asked:
    """What ``up`` was last asked for; saved beside the replicas.

    *may_have_containers* when some of an earlier ``up`` may still run although plain processes are asked for now.
    """

    spec: ServiceSpec
    way: Way
    may_have_containers: bool = False

    @property
    def needs_docker(self) -> bool:
        """Whether Docker has to be asked for all that runs."""
        return self.way is Way.DOCKER or self.may_have_containers


@dataclass(frozen=True)
class Launch:
    """How one replica is started.

    Attributes:
        instance: such as ``serve-0``.
        arguments: the command line; of a container that of ``docker run``, behind these two words.
        files: what it finds in its work directory, by name.
        environment: variables beyond those of whoever starts it.
        image_id: which image a container is made of: a tag may be given to another one.
    """

    instance: str
    arguments: tuple[str, ...]
    files: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    image_id: str = ""

    @property
    def fingerprint(self) -> str:
        """Stands for everything above: two launches with the same one need no replacement."""
        return hashlib.sha256(json.dumps(to_document(self), sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Start:
    """A launch, and the *mark* that its replica gets: the fingerprint without what is no reason to replace it."""

    launch: Launch
    mark: str


@dataclass(frozen=True)
class Seen:
    """One replica as the operating system or Docker shows it.

    Attributes:
        instance: such as ``serve-0``.
        way: what it runs in.
        id: its process id or container id.
        mark: what it was started as.
        is_running: whether its process runs now.
        is_foreground: whether somebody else keeps it, such as systemd or a person at a terminal.
        started_at: seconds since the epoch.
        restarts: how often Docker started it again.
        exit_code: how it ended last, where that is known.
    """

    instance: str
    way: Way
    id: str
    mark: str
    is_running: bool
    is_foreground: bool = False
    started_at: float | None = None
    restarts: int = 0
    exit_code: int | None = None


@dataclass(frozen=True)
class LocalReplica:
    """A replica judged, with what it was judged by."""

    replica: Replica
    seen: Seen | None
    observation: Observation | None

    @property
    def is_well(self) -> bool:
        """Whether it serves, and its agent, where it has one, sends callers there."""
        agent = self.replica.agent
        return self.replica.verdict.health.serving and (agent is None or agent.is_ready)


@dataclass(frozen=True)
class LocalSnapshot:
    """One look at a service of this host."""

    name: str
    asked: Asked
    replicas: tuple[LocalReplica, ...]

    @property
    def live(self) -> int:
        """How many replicas answered their example."""
        return sum(each.replica.verdict.health is Health.LIVE for each in self.replicas)

    @property
    def is_well(self) -> bool:
        """Whether every wanted replica serves."""
        return all(each.is_well for each in self.replicas)
