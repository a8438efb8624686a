"""What a service.yaml means, after units and defaults: plain frozen records without any parser's types.

Read one with :func:`yarnserve.spec.loader.parse_spec`; save and reload it with ``records.document``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from yarnserve.records.policy import SupervisePolicy
from yarnserve.records.replica import Example, ModelCheck

#: The one YARN component every service has; its instances are ``serve-0``, ``serve-1``, ...
COMPONENT = "serve"

#: Distance between the ports of two replicas on one host: REST, gRPC and the agent's port fit in between.
PORT_STRIDE = 10

Flag = str | int | float | bool

#: What a model's *version* may be beside a number: the newest on HDFS, or the one that was promoted.
LATEST = "latest"
STABLE = "stable"


class Delivery(str, Enum):
    """How a model gets from HDFS into the server (design: Delivery).

    NATIVE: the server reads HDFS itself. SYNC: an agent beside it brings verified versions to its disk, and steers it.
    """

    NATIVE = "native"
    SYNC = "sync"


class Swap(str, Enum):
    """How an agent puts a new version in place of the one that is served.

    HOT: the server loads it beside the old one, both in memory for a moment. REPLACE: requests are let out and the
    server starts anew with it, in the memory of one.
    """

    HOT = "hot"
    REPLACE = "replace"


class Network(str, Enum):
    """The network of a Docker replica; a plain process always has the host's.

    BRIDGE: Docker maps the ports to the host's own, of the same numbers. They are told explicitly, because YARN never
    reveals which ports Docker chose (yarn-services.md 5.2), so one replica runs on a host.
    """

    HOST = "host"
    BRIDGE = "bridge"


class Readiness(str, Enum):
    """What makes YARN call a replica READY (yarn-services.md 2, ReadinessCheck).

    PROCESS: its container runs (YARN's DEFAULT). PORT: the REST port accepts a connection. HTTP: the first model's
    status answers with 2xx; YARN waits for the answer without any limit.
    """

    PROCESS = "process"
    PORT = "port"
    HTTP = "http"


@dataclass(frozen=True)
class ModelSpec:
    """One served model; *base_path* is the HDFS directory above the version numbers.

    *version* is LATEST, STABLE or a number in digits.
    """

    name: str
    base_path: str
    delivery: Delivery = Delivery.NATIVE
    example: Example | None = None
    version: str = LATEST
    swap: Swap = Swap.HOT

    @property
    def pinned(self) -> int | None:
        """The one version that is served whatever else stands on HDFS; None for the newest."""
        return int(self.version) if self.version.isdecimal() else None


@dataclass(frozen=True)
class ServingSpec:
    """TF Serving's version (``2.6``) and extra flags, by name without dashes.

    *batching* is what the batching parameters file says, by the fields' names (tf-serving.md 3.3); None: no batching
    unless the flags ask for it. ``allowed_batch_sizes`` is written ``32,128``.
    """

    version: str
    flags: Mapping[str, Flag] = field(default_factory=dict)
    batching: Mapping[str, Flag] | None = None


@dataclass(frozen=True)
class Resources:
    """What one replica gets: vcores, MiB of memory, GPUs."""

    cpus: int
    memory_mb: int
    gpus: int = 0


@dataclass(frozen=True)
class Ports:
    """Base ports of replica 0; with *per_replica*, replica n adds ``n * PORT_STRIDE`` to each.

    *agent* is that of the agent, where there is one.
    """

    rest: int = 8501
    grpc: int = 8500
    per_replica: bool = True
    agent: int = 8502


@dataclass(frozen=True)
class AgentSpec:
    """How the agents of a service with ``delivery: sync`` work. Times are seconds, rates bytes a second.

    Attributes:
        command: the program that is yarnserve, in the image or on the nodes.
        poll: between two looks at HDFS, and at most until the server takes up what the agent says.
        rate: of one replica's downloads; None for no limit.
        fleet_rate: of all replicas together.
        deadline: for a version to arrive.
        keep: old versions that stay on the disk.
        disk: MiB that the models may take on a node's disk; None for no limit but the disk's.
        cache: a directory of the node in place of the container's own, so that a new container of the replica finds
            there what the last one has fetched; None for the container's own.
        quiet: how long no request must have come before a replica counts as drained.
        drain: after this time it does in any case.
        webhook: gets the agents' alerts as JSON by POST; None for nobody but the log.
    """

    command: str = "yarnserve"
    poll: int = 10
    rate: int | None = None
    fleet_rate: int | None = None
    deadline: int = 100
    keep: int = 2
    disk: int | None = None
    cache: str | None = None
    quiet: int = 2
    drain: int = 30
    webhook: str | None = None


@dataclass(frozen=True)
class Mount:
    """A path of the host, or of a file that YARN localises, inside the Docker container."""

    source: str
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class Placement:
    """Where replicas may run: on nodes of a partition (*node_label*), at most one on a node (*spread*)."""

    node_label: str | None = None
    spread: bool = False


@dataclass(frozen=True)
class KerberosSpec:
    """Who the service's ApplicationMaster is on a cluster with Kerberos (real-hadoop-kerberos.md 5).

    *principal* is ``alice/_HOST@REALM``, whose first component is who launches; *keytab* is ``hdfs://`` or ``file://``,
    the latter on every node.
    """

    principal: str
    keytab: str


@dataclass(frozen=True)
class ServiceSpec:
    """One service: N replicas of one model server.

    Attributes:
        image: None means a plain process, no Docker.
        env: further environment variables of every replica.
        lifetime: seconds after which YARN ends the service; None: never.
        entrypoint: run the image's ENTRYPOINT, with arguments but without a shell (yarn-services.md 5.1).
        registry_credentials: HDFS path of Docker's client config.json.
    """

    name: str
    models: tuple[ModelSpec, ...]
    serving: ServingSpec
    replicas: int
    resources: Resources
    image: str | None = None
    network: Network = Network.HOST
    ports: Ports = field(default_factory=Ports)
    queue: str | None = None
    supervise: SupervisePolicy = field(default_factory=SupervisePolicy)
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    placement: Placement = field(default_factory=Placement)
    lifetime: int | None = None
    readiness: Readiness = Readiness.PROCESS
    entrypoint: bool = False
    registry_credentials: str | None = None
    kerberos: KerberosSpec | None = None
    agent: AgentSpec = field(default_factory=AgentSpec)

    @property
    def has_agent(self) -> bool:
        """Whether an agent runs each replica's server; the models of a service all come the same way."""
        return self.models[0].delivery is Delivery.SYNC

    @property
    def checks(self) -> tuple[ModelCheck, ...]:
        """What a probe asks a replica of this service."""
        return tuple(ModelCheck(model.name, model.example) for model in self.models)
