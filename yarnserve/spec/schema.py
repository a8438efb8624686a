"""What may be written in a service.yaml and in an example file, as pydantic models. pydantic is used here only.

A field's description is what the user is told when something else stands there. ``name``, ``model`` and
``resources`` are required; they are optional to pydantic so that whatever is sound can be checked further while
the rest is broken.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, WithJsonSchema

from yarnserve.records.policy import MOST_FAILURES, SupervisePolicy
from yarnserve.spec import values
from yarnserve.spec.model import LATEST, AgentSpec
from yarnserve.spec.source import Fault, Path
from yarnserve.spec.units import bytes_per_second, memory_mb, seconds

#: YARN counts in Java's integers.
_MAX_COUNT = 2**31 - 1

_POLICY = SupervisePolicy()
_AGENT = AgentSpec()

#: What pydantic puts into a place without it being one of the file.
_NO_PLACES = ("[key]", "[one]", "[several]")


def _json(*types: str) -> WithJsonSchema:
    """Tell editors the types that a validator of Any takes."""
    return WithJsonSchema({"type": list(types)})


def _enum(*words: str) -> WithJsonSchema:
    """Tell editors the words that a validator takes."""
    return WithJsonSchema({"enum": list(words)})


_ServiceName = Annotated[str, AfterValidator(values.service_name)]
_ModelName = Annotated[str, AfterValidator(values.model_name)]
_BasePath = Annotated[str, AfterValidator(values.base_path)]
_ModelVersion = Annotated[Any, AfterValidator(values.model_version), _json("string", "integer")]
_Delivery = Annotated[str, AfterValidator(values.one_of("native", "sync")), _enum("native", "sync")]
_Swap = Annotated[str, AfterValidator(values.one_of("hot", "replace")), _enum("hot", "replace")]
_Command = Annotated[str, AfterValidator(values.program)]
_Directory = Annotated[str, AfterValidator(values.directory)]
_Url = Annotated[str, AfterValidator(values.web_address)]
_Rate = Annotated[Any, AfterValidator(bytes_per_second), _json("string", "integer", "null")]
_Disk = Annotated[Any, AfterValidator(memory_mb), _json("string", "integer", "null")]
_Image = Annotated[str, AfterValidator(values.image)]
_Version = Annotated[Any, AfterValidator(values.serving_version), _json("string", "number")]
_FlagName = Annotated[str, AfterValidator(values.flag_name)]
_FlagValue = Annotated[Any, AfterValidator(values.flag_value), _json("string", "number", "boolean")]
_Memory = Annotated[Any, AfterValidator(memory_mb), _json("string", "integer")]
_Network = Annotated[str, AfterValidator(values.one_of("host", "bridge")), _enum("host", "bridge")]
_Readiness = Annotated[str, AfterValidator(values.one_of("process", "port", "http")), _enum("process", "port", "http")]
_Queue = Annotated[str, AfterValidator(values.queue)]
_EnvName = Annotated[str, AfterValidator(values.env_name)]
_EnvValue = Annotated[Any, AfterValidator(values.env_value), _json("string", "number")]
_Mount = Annotated[Any, AfterValidator(values.mount), _json("string")]
_NodeLabel = Annotated[str, AfterValidator(values.node_label)]
_Lifetime = Annotated[Any, AfterValidator(seconds), _json("string", "integer", "null")]
_HdfsFile = Annotated[str, AfterValidator(values.hdfs_file)]
_Principal = Annotated[str, AfterValidator(values.service_principal)]
_Keytab = Annotated[str, AfterValidator(values.keytab)]
_BatchSizes = Annotated[Any, AfterValidator(values.batch_sizes), _json("array", "null")]
_ThreadPool = Annotated[str, AfterValidator(values.thread_pool_name)]
_Count = Annotated[int, Field(ge=1, le=_MAX_COUNT)]
_Duration = Annotated[Any, AfterValidator(seconds), _json("string", "integer")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ModelSection(_Section):
    """``model``."""

    base_path: _BasePath = Field(description="a directory on HDFS")
    name: _ModelName | None = Field(default=None, description="a model's name")
    delivery: _Delivery = Field(default="native", description="native or sync")
    swap: _Swap = Field(default="hot", description="hot or replace")
    version: _ModelVersion = Field(default=LATEST, description="latest, stable or a version's number")
    example: str | None = Field(default=None, description="the name of a JSON file, relative to this one")


class BatchingSection(_Section):
    """``serving.batching``: the batching parameters file (tf-serving.md 3.3)."""

    max_batch_size: _Count | None = Field(default=None, description="a whole number, at least 1")
    batch_timeout_micros: int | None = Field(
        default=None, ge=0, le=_MAX_COUNT, description="a whole number of microseconds, at least 0"
    )
    max_enqueued_batches: _Count | None = Field(default=None, description="a whole number, at least 1")
    num_batch_threads: _Count | None = Field(default=None, description="a whole number, at least 1")
    thread_pool_name: _ThreadPool | None = Field(default=None, description="a name")
    allowed_batch_sizes: _BatchSizes = Field(default=None, description="a list of whole numbers")
    pad_variable_length_inputs: bool | None = Field(default=None, description="true or false")
    enable_large_batch_splitting: bool | None = Field(default=None, description="true or false")
    max_execution_batch_size: _Count | None = Field(default=None, description="a whole number, at least 1")


class ServingSection(_Section):
    """``serving``."""

    version: _Version = Field(default=None)
    flags: dict[_FlagName, _FlagValue] = Field(
        default_factory=dict, description="a mapping of flags' names, without dashes, to values"
    )
    batching: BatchingSection | None = Field(
        default=None, description="a mapping of batching parameters, such as {max_batch_size: 128}"
    )


class ResourcesSection(_Section):
    """``resources``."""

    memory: _Memory = Field(description="an amount such as 8g or 512m")
    cpus: int = Field(default=1, ge=1, le=_MAX_COUNT, description="a whole number of vcores, at least 1")
    gpus: int = Field(default=0, ge=0, le=_MAX_COUNT, description="a whole number of GPUs, 0 for none")


class PortsSection(_Section):
    """``ports``."""

    rest: int = Field(default=8501, ge=1, le=65535, description="a port, 1 to 65535")
    grpc: int = Field(default=8500, ge=1, le=65535, description="a port, 1 to 65535")
    agent: int = Field(default=8502, ge=1, le=65535, description="a port, 1 to 65535")
    per_replica: bool = Field(default=True, description="true or false")


class SuperviseSection(_Section):
    """``supervise``."""

    enabled: bool = Field(default=False, description="true or false")
    min_available: int | None = Field(
        default=None, ge=0, le=_MAX_COUNT, description="a whole number of replicas, at least 0"
    )
    check_interval: _Duration = Field(default=_POLICY.check_interval, description="a time such as 10s")
    check_timeout: _Duration = Field(default=_POLICY.check_timeout, description="a time such as 5s")
    failures: int = Field(
        default=_POLICY.failures, ge=1, le=MOST_FAILURES, description=f"a whole number, 1 to {MOST_FAILURES}"
    )
    startup_deadline: _Duration = Field(default=_POLICY.startup_deadline, description="a time such as 10m")
    restarts: _Count = Field(default=_POLICY.restarts, description="a whole number, at least 1")
    restart_window: _Duration = Field(default=_POLICY.restart_window, description="a time such as 10m")
    max_backoff: _Duration = Field(default=_POLICY.max_backoff, description="a time such as 5m")


class PlacementSection(_Section):
    """``placement``."""

    node_label: _NodeLabel | None = Field(default=None, description="a node label")
    spread: bool = Field(default=False, description="true or false")


class AgentSection(_Section):
    """``agent``."""

    command: _Command = Field(default=_AGENT.command, description="a program, such as /opt/yarnserve/bin/yarnserve")
    poll: _Duration = Field(default=_AGENT.poll, description="a time such as 10s")
    rate: _Rate = Field(default=None, description="a rate such as 50MB/s")
    fleet_rate: _Rate = Field(default=None, description="a rate such as 1GB/s")
    deadline: _Duration = Field(default=_AGENT.deadline, description="a time such as 100s")
    keep: _Count = Field(default=_AGENT.keep, description="a whole number, at least 1")
    disk: _Disk = Field(default=None, description="an amount such as 20g")
    cache: _Directory | None = Field(default=None, description="an absolute path on the nodes")
    quiet: _Duration = Field(default=_AGENT.quiet, description="a time such as 2s")
    drain: _Duration = Field(default=_AGENT.drain, description="a time such as 30s")
    webhook: _Url | None = Field(default=None, description="an http or https address")


class KerberosSection(_Section):
    """``kerberos``."""

    principal: _Principal = Field(description="a principal with a host, such as alice/_HOST@EXAMPLE.ORG")
    keytab: _Keytab = Field(description="a keytab, hdfs:///user/alice/alice.keytab or file:///etc/alice.keytab")


def _count_of(value: object) -> str:
    return "[several]" if isinstance(value, list) else "[one]"


_Models = Annotated[
    Annotated[ModelSection, Tag("[one]")] | Annotated[list[ModelSection], Tag("[several]")],
    Discriminator(_count_of),
]


class ServiceFile(_Section):
    """A whole service.yaml."""

    name: _ServiceName | None = Field(default=None, description="the service's name, in letters")
    model: _Models | None = Field(default=None, description="a mapping with base_path, or a list of such mappings")
    image: _Image | None = Field(default=None, description="a Docker image; nothing for a plain process")
    serving: ServingSection = Field(default=ServingSection(), description="a mapping with version")
    replicas: int = Field(default=1, ge=1, le=_MAX_COUNT, description="a whole number, at least 1")
    resources: ResourcesSection | None = Field(default=None, description="a mapping with memory")
    network: _Network = Field(default="host", description="host or bridge")
    ports: PortsSection = Field(default=PortsSection(), description="a mapping of rest, grpc, agent and per_replica")
    queue: _Queue | None = Field(default=None, description="a queue's name")
    supervise: SuperviseSection = Field(default=SuperviseSection(), description="a mapping with enabled")
    env: dict[_EnvName, _EnvValue] = Field(default_factory=dict, description="a mapping of variables to texts")
    mounts: list[_Mount] = Field(default_factory=list, description="a list of source:target or source:target:rw")
    placement: PlacementSection = Field(default=PlacementSection(), description="a mapping of node_label and spread")
    lifetime: _Lifetime = Field(default=None, description="a time such as 12h")
    readiness: _Readiness = Field(default="process", description="process, port or http")
    entrypoint: bool = Field(default=False, description="true or false")
    registry_credentials: _HdfsFile | None = Field(default=None, description="the path of a file on HDFS")
    kerberos: KerberosSection | None = Field(default=None, description="a mapping of principal and keytab")
    agent: AgentSection = Field(default=AgentSection(), description="a mapping such as {rate: 50MB/s}")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a service.yaml, for editors; it says less than the loader checks."""
    schema = ServiceFile.model_json_schema()
    schema["properties"]["model"].pop("default", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "service.yaml of yarnserve",
        "required": ["name", "model", "resources"],
    }


def _tolerance(value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError("a number, at least 0")
    return float(value)


def _request(value: dict[str, Any]) -> dict[str, Any]:
    bodies = [value[key] for key in ("instances", "inputs") if key in value]
    if len(bodies) != 1 or value.get("instances") == []:
        raise ValueError("the body of a predict request, with either 'instances' (not empty) or 'inputs'")
    return value


class ExampleFile(_Section):
    """A whole example file."""

    request: Annotated[dict[str, Any], AfterValidator(_request)] = Field(description="the body of a predict request")
    expected: dict[str, Any] | None = Field(default=None, description="the body of the answer")
    tolerance: Annotated[float, AfterValidator(_tolerance)] = Field(default=1e-3, description="a number, at least 0")


FileT = TypeVar("FileT", ServiceFile, ExampleFile)


def faults(kind: type[FileT], tree: dict[str, Any]) -> tuple[Fault, ...]:
    """Return everything in *tree* that a file of this *kind* may not say."""
    try:
        kind.model_validate(tree)
    except ValidationError as error:
        return tuple(_fault(kind, details) for details in error.errors(include_url=False))
    return ()


def read(kind: type[FileT], tree: dict[str, Any]) -> FileT:
    """Read a *tree* that has no faults."""
    return kind.model_validate(tree)


def _fault(kind: type[BaseModel], details: Any) -> Fault:
    path: Path = tuple(part for part in details["loc"] if part not in _NO_PLACES)
    if details["type"] == "value_error":
        error = details["ctx"]["error"]
        return Fault(path, str(error), getattr(error, "suggestion", ""))
    *parents, name = (str(part) for part in path if isinstance(part, str))
    section = kind
    for parent in parents:
        section = _section_in(section.model_fields[parent].annotation)
    fields = section.model_fields
    if name in fields:
        return Fault(path, str(fields[name].description))
    meant = difflib.get_close_matches(name, fields, n=1)
    return Fault(path, "one of the fields " + ", ".join(fields), meant[0] if meant else "")


def _section_in(annotation: Any) -> type[BaseModel]:
    return next(_sections_in(annotation))


def _sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for arm in get_args(annotation):
        yield from _sections_in(arm)
