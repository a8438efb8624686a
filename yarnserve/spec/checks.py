"""Whether the fields of a service.yaml fit together."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from yarnserve.records.version import Version
from yarnserve.spec import values
from yarnserve.spec.endpoints import most_replicas
from yarnserve.spec.flags import flag_faults
from yarnserve.spec.hostname import MAX_HOSTNAME, longest_hostname
from yarnserve.spec.model import COMPONENT, PORT_STRIDE
from yarnserve.spec.schema import ModelSection, ServiceFile
from yarnserve.spec.source import Fault, Path
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
        (("name", "image", "replicas"), _hostname(document)),
        (("model",), _model(document)),
        (("resources",), _resources(document)),
        (("image", "serving"), _version(document, force=force)),
        (("ports", "replicas"), _port_range(document)),
        (("ports",), _port_pair(document)),
        (("image", "serving"), _flags(document, force=force)),
        (("serving",), _batching(document)),
        (("image",), _docker_only(document)),
        (("ports", "image", "network", "readiness", "entrypoint"), _fixed_ports(document)),
        (("image", "network", "readiness"), _reachable(document)),
        (("entrypoint", "serving", "model"), _entrypoint(document)),
        (("mounts",), _mounts(document)),
        (("supervise", "replicas"), _supervise(document)),
    )
    return tuple(fault for needed, found in checks if not set(needed) & set(broken) for fault in found)


def serving_version(document: ServiceFile) -> str | None:
    """Return TF Serving's version as it is told, or announced by the image's tag."""
    told: str | None = document.serving.version
    return told or (announced_version(document.image) if document.image else None)


def models(document: ServiceFile) -> tuple[ModelSection, ...]:
    """Return the models of the file, one or several."""
    if document.model is None:
        return ()
    return tuple(document.model) if isinstance(document.model, list) else (document.model,)


def model_name(model: ModelSection) -> str:
    """Return a model's name; one that is not told is the last component of its base path."""
    return model.name or model.base_path.rpartition("/")[2]


def _name(document: ServiceFile) -> Iterator[Fault]:
    if document.name is None:
        yield Fault(("name",), "a name for the service")


def _hostname(document: ServiceFile) -> Iterator[Fault]:
    """As far as it is known without the user; launch knows the rest."""
    if document.name is None or document.image is None:
        return
    excess = len(longest_hostname(document.name, document.replicas, user="u")) - MAX_HOSTNAME
    if excess > 0:
        yield Fault(
            ("name",),
            f"at most {len(document.name) - excess} characters, less what the user's name has beyond one: Docker's "
            f"host name, {COMPONENT}-<n>.<name>.<user>, may have {MAX_HOSTNAME}",
        )


def _model(document: ServiceFile) -> Iterator[Fault]:
    if not models(document):
        yield Fault(("model",), "a mapping with base_path, the model's directory on HDFS")
    seen: set[str] = set()
    for index, model in enumerate(models(document)):
        name = model_name(model)
        place: Path = ("model", index, "name") if isinstance(document.model, list) else ("model", "name")
        try:
            values.model_name(name)
        except ValueError as error:
            yield Fault(place, f"a name, since the end of base_path cannot be one: {error}")
        if name in seen:
            yield Fault(place, f"a name of its own: {name} is another model's")
        seen.add(name)


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


def _flags(document: ServiceFile, *, force: bool) -> Iterator[Fault]:
    version, serving = serving_version(document), document.serving
    if version is not None:
        batching = serving.batching is not None
        yield from flag_faults(serving.flags, Version.parse(version), batching=batching, force=force)


def _batching(document: ServiceFile) -> Iterator[Fault]:
    section = document.serving.batching
    if section is None:
        return
    most = section.max_batch_size
    executed = section.max_execution_batch_size
    if executed is not None and not section.enable_large_batch_splitting:
        yield Fault(("serving", "batching", "max_execution_batch_size"), "enable_large_batch_splitting: true beside it")
    elif section.allowed_batch_sizes is not None:
        # The server's default of max_batch_size is 1000 (tf-serving.md 3.3).
        last = executed or most or 1000
        if int(section.allowed_batch_sizes.rpartition(",")[2]) != last:
            which = "max_execution_batch_size" if executed else "max_batch_size"
            yield Fault(
                ("serving", "batching", "allowed_batch_sizes"),
                f"a list that ends in {last}, as {which} says: the server does not start otherwise",
            )


def _docker_only(document: ServiceFile) -> Iterator[Fault]:
    if document.image:
        return
    written = {
        "network": document.network == "bridge",
        "mounts": bool(document.mounts),
        "entrypoint": document.entrypoint,
        "registry_credentials": document.registry_credentials is not None,
    }
    for name, asked in written.items():
        if asked:
            yield Fault((name,), f"an image beside {name}: a plain process has no Docker")


def _fixed_ports(document: ServiceFile) -> Iterator[Fault]:
    """What cannot follow a replica's number, since YARN computes nothing outside a shell."""
    if not document.ports.per_replica:
        return
    # Without an image both are refused already.
    docker = document.image is not None
    reasons = {
        "network": (docker and document.network == "bridge", "YARN maps the same ports for every replica"),
        "entrypoint": (docker and document.entrypoint, "without a shell nothing computes a replica's ports"),
        "readiness": (document.readiness != "process", "YARN asks every replica at the same port"),
    }
    for name, (asked, why) in reasons.items():
        if asked:
            yield Fault(
                (name,), f"ports.per_replica: false beside {name}: {str(getattr(document, name)).lower()}, since {why}"
            )


def _reachable(document: ServiceFile) -> Iterator[Fault]:
    if document.image and document.network == "bridge" and document.readiness != "process":
        yield Fault(
            ("readiness",), "process with network: bridge: YARN would ask the container's address, not the host's"
        )


def _entrypoint(document: ServiceFile) -> Iterator[Fault]:
    """Arguments are separated by commas before 3.3.0, by blanks from then on (yarn-services.md 5.1)."""
    if not document.entrypoint:
        return
    for name, value in document.serving.flags.items():
        if isinstance(value, str) and _splits(value):
            yield Fault(("serving", "flags", name), "a text without commas and blanks, where YARN splits arguments")
    for index, model in enumerate(models(document)):
        if _splits(model.base_path):
            place: Path = ("model", index) if isinstance(document.model, list) else ("model",)
            yield Fault((*place, "base_path"), "a path without commas and blanks, where YARN splits arguments")


def _splits(text: str) -> bool:
    return any(character == "," or character.isspace() for character in text)


def _mounts(document: ServiceFile) -> Iterator[Fault]:
    targets = [mount.target for mount in document.mounts]
    for index, target in enumerate(targets):
        if target in targets[:index]:
            yield Fault(("mounts", index), f"a target of its own: {target} is another mount's")


def _supervise(document: ServiceFile) -> Iterator[Fault]:
    policy = document.supervise
    if policy.min_available is not None and policy.min_available >= document.replicas:
        yield Fault(
            ("supervise", "min_available"),
            f"less than replicas ({document.replicas}): with none to spare, none could ever be restarted",
        )
    if policy.check_timeout > policy.check_interval:
        yield Fault(("supervise", "check_timeout"), f"at most check_interval, {policy.check_interval} seconds")
