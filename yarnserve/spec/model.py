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


class Delivery(str, Enum):
    """How a model gets from HDFS into the server (design: Delivery)."""

    NATIVE = "native"


class Network(str, Enum):
    """The network of a Docker replica; a plain process always has the host's."""

    HOST = "host"


@dataclass(frozen=True)
class ModelSpec:
    """One served model; *base_path* is the HDFS directory above the version numbers."""

    name: str
    base_path: str
    delivery: Delivery = Delivery.NATIVE
    example: Example | None = None


@dataclass(frozen=True)
class ServingSpec:
    """TF Serving's version (``2.6``) and extra flags, by name without dashes."""

    version: str
    flags: Mapping[str, Flag] = field(default_factory=dict)


@dataclass(frozen=True)
class Resources:
    """What one replica gets: vcores, MiB of memory, GPUs."""

    cpus: int
    memory_mb: int
    gpus: int = 0


@dataclass(frozen=True)
class Ports:
    """Base ports of replica 0; with *per_replica*, replica n adds ``n * PORT_STRIDE`` to each."""

    rest: int = 8501
    grpc: int = 8500
    per_replica: bool = True


@dataclass(frozen=True)
class ServiceSpec:
    """One service: N replicas of one model server. *image* None means a plain process, no Docker."""

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

    @property
    def checks(self) -> tuple[ModelCheck, ...]:
        """What a probe asks a replica of this service."""
        return tuple(ModelCheck(model.name, model.example) for model in self.models)
