"""What may be written in a service.yaml and in an example file, as pydantic models. pydantic is used here only.

A field's description is what the user is told when something else stands there. ``name``, ``model`` and
``resources`` are required; they are optional to pydantic so that whatever is sound can be checked further while
the rest is broken.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from yarnserve.spec import values
from yarnserve.spec.source import Fault, Path
from yarnserve.spec.units import memory_mb

#: YARN counts in Java's integers.
_MAX_COUNT = 2**31 - 1


def _only(word: str, *, later: str) -> Callable[[str], str]:
    """Return a validator that takes *word* alone and says of *later* that it is still to come."""

    def check(value: str) -> str:
        if value == later:
            raise ValueError(f"{word}; {later} is not there yet")
        if value != word:
            raise ValueError(word)
        return value

    return check


_ServiceName = Annotated[str, AfterValidator(values.service_name)]
_ModelName = Annotated[str, AfterValidator(values.model_name)]
_BasePath = Annotated[str, AfterValidator(values.base_path)]
_Delivery = Annotated[str, AfterValidator(_only("native", later="sync"))]
_Image = Annotated[str, AfterValidator(values.image)]
_Version = Annotated[Any, AfterValidator(values.serving_version)]
_FlagName = Annotated[str, AfterValidator(values.flag_name)]
_FlagValue = Annotated[Any, AfterValidator(values.flag_value)]
_Memory = Annotated[Any, AfterValidator(memory_mb)]
_Network = Annotated[str, AfterValidator(_only("host", later="bridge"))]
_Queue = Annotated[str, AfterValidator(values.queue)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ModelSection(_Section):
    """``model``."""

    base_path: _BasePath = Field(description="a directory on HDFS")
    name: _ModelName | None = Field(default=None, description="a model's name")
    delivery: _Delivery = Field(default="native", description="native")
    example: str | None = Field(default=None, description="the name of a JSON file, relative to this one")


class ServingSection(_Section):
    """``serving``."""

    version: _Version = Field(default=None)
    flags: dict[_FlagName, _FlagValue] = Field(
        default_factory=dict, description="a mapping of flags' names, without dashes, to values"
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
    per_replica: bool = Field(default=True, description="true or false")


class SuperviseSection(_Section):
    """``supervise``."""

    enabled: bool = Field(default=False, description="true or false")


class ServiceFile(_Section):
    """A whole service.yaml."""

    name: _ServiceName | None = Field(default=None, description="the service's name, in letters")
    model: ModelSection | None = Field(default=None, description="one model, as a mapping (several are not there yet)")
    image: _Image | None = Field(default=None, description="a Docker image with its tag; nothing for a plain process")
    serving: ServingSection = Field(default=ServingSection(), description="a mapping with version")
    replicas: int = Field(default=1, ge=1, le=_MAX_COUNT, description="a whole number, at least 1")
    resources: ResourcesSection | None = Field(default=None, description="a mapping with memory")
    network: _Network = Field(default="host", description="host")
    ports: PortsSection = Field(default=PortsSection(), description="a mapping of rest, grpc and per_replica")
    queue: _Queue | None = Field(default=None, description="a queue's name")
    supervise: SuperviseSection = Field(default=SuperviseSection(), description="a mapping with enabled")


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
    path: Path = tuple(part for part in details["loc"] if part != "[key]")
    if details["type"] == "value_error":
        return Fault(path, str(details["ctx"]["error"]))
    section = kind
    for name in path[:-1]:
        section = _section_in(section.model_fields[str(name)].annotation)
    name, fields = str(path[-1]), section.model_fields
    if name in fields:
        return Fault(path, str(fields[name].description))
    meant = difflib.get_close_matches(name, fields, n=1)
    return Fault(path, "one of the fields " + ", ".join(fields), meant[0] if meant else "")


def _section_in(annotation: Any) -> type[BaseModel]:
    arms = (annotation, *get_args(annotation))
    return next(arm for arm in arms if isinstance(arm, type) and issubclass(arm, BaseModel))
