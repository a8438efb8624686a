"""Whether the fields of a service.yaml fit together."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from yarnserve.records.version import Version
from yarnserve.spec import values
from yarnserve.spec.endpoints import most_replicas
from yarnserve.spec.model import PORT_STRIDE
from yarnserve.spec.schema import ServiceFile
from yarnserve.spec.source import Fault
from yarnserve.spec.versions import announced_version, reads_hdfs


def faults(document: ServiceFile, *, broken: Collection[str], force: bool) -> tuple[Fault, ...]:
    """Return everything that does not fit.

    Args:
        document: the file; fields that are broken by themselves have their defaults.
        broken: the names of these fields; nothing is said of them, nor of what depends on them.
        force: take any version of TF Serving.
    """
    checks = (
        (("name",), _name(document)),
        (("model",), _model(document)),
        (("resources",), _resources(document)),
        (("image", "serving"), _version(document, force=force)),
        (("ports", "replicas"), _port_range(document)),
        (("ports",), _port_pair(document)),
    )
    return tuple(fault for needed, found in checks if not set(needed) & set(broken) for fault in found)


def serving_version(document: ServiceFile) -> str | None:
    """Return TF Serving's version as it is told, or announced by the image's tag."""
    told: str | None = document.serving.version
    return told or (announced_version(document.image) if document.image else None)


def model_name(base_path: str) -> str:
    """Return the name of a model that is not told: the last component of its *base_path*."""
    return base_path.rpartition("/")[2]


def _name(document: ServiceFile) -> Iterator[Fault]:
    if document.name is None:
        yield Fault(("name",), "a name for the service")


def _model(document: ServiceFile) -> Iterator[Fault]:
    if document.model is None:
        yield Fault(("model",), "a mapping with base_path, the model's directory on HDFS")
    elif document.model.name is None:
        try:
            values.model_name(model_name(document.model.base_path))
        except ValueError as error:
            yield Fault(("model", "name"), f"a name, since the end of base_path cannot be one: {error}")


def _resources(document: ServiceFile) -> Iterator[Fault]:
    if document.resources is None:
        yield Fault(("resources",), "a mapping with memory, such as {memory: 8g}")


def _version(document: ServiceFile, *, force: bool) -> Iterator[Fault]:
    version = serving_version(document)
    if version is None:
        why = "the image's tag does not tell it" if document.image else "a plain process has no image to tell it"
        yield Fault(("serving", "version"), f'the version of TF Serving, such as "2.6": {why}')
    elif not force and not reads_hdfs(Version.parse(version)):
        yield Fault(
            ("serving", "version") if document.serving.version else ("image",),
            "TF Serving 0.6 to 2.6: no other official build reads hdfs:// (--force for one of your own that does)",
        )


def _port_range(document: ServiceFile) -> Iterator[Fault]:
    ports = document.ports
    most = most_replicas(ports.rest, ports.grpc)
    if ports.per_replica and document.replicas > most:
        yield Fault(
            ("replicas",),
            f"at most {most}: each replica's ports are {PORT_STRIDE} above the last one's, "
            f"and {max(ports.rest, ports.grpc)} leaves room for no more",
        )


def _port_pair(document: ServiceFile) -> Iterator[Fault]:
    ports = document.ports
    field, other = ("grpc", "rest") if "grpc" in ports.model_fields_set else ("rest", "grpc")
    if ports.rest == ports.grpc:
        yield Fault(("ports", field), f"another port than ports.{other}")
    elif ports.per_replica and (ports.rest - ports.grpc) % PORT_STRIDE == 0:
        yield Fault(
            ("ports", field),
            f"a port that ends in another digit than ports.{other}: the ports of two replicas are {PORT_STRIDE} "
            "apart, so one's REST port would be another's gRPC port",
        )
