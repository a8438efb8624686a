"""Whether the fields of a service.yaml fit together."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator

from yarnserve.records.policy import LONGEST_CHECK_INTERVAL
from yarnserve.records.version import Version
from yarnserve.spec import values
from yarnserve.spec.endpoints import most_replicas
from yarnserve.spec.flags import flag_faults
from yarnserve.spec.hostname import MAX_HOSTNAME, longest_hostname
from yarnserve.spec.model import COMPONENT, PORT_STRIDE
from yarnserve.spec.schema import ModelSection, ServiceFile
from yarnserve.spec.source import Fault, Path
from yarnserve.spec.versions import announced_version, reads_hdfs

#: The first TF Serving that reads its model configuration again while it runs (tf-serving.md 1.2).
_LEAST_STEERED = (1, 15)

_PORTS = {"rest": "REST", "grpc": "gRPC", "agent": "agent's"}

#: Flags of the server that an agent sets itself, and why.
AGENT_FLAGS = {
    "model_config_file_poll_wait_seconds": "the agent says which version is served by that file",
    "monitoring_config_file": "the agent reads the server's counters",
    "max_num_load_retries": "the agent tries again by itself",
    "allow_version_labels_for_unavailable_models": "the agent labels what is good",
    "load_retry_interval_micros": "the agent tries again by itself",
    "file_system_poll_wait_seconds": "the agent waits for the server to notice",
}


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
        (("model",), _deliveries(document)),
        (("model", "agent", "image", "mounts", "serving"), _agent(document)),
    )
    return tuple(fault for needed, found in checks if not set(needed) & set(broken) for fault in found)


def has_agent(document: ServiceFile) -> bool:
    """Whether an agent brings the models."""
    return any(model.delivery == "sync" for model in models(document))


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
        return
    place = ("serving", "version") if document.serving.version else ("image",)
    if has_agent(document):
        if not Version.parse(version).at_least(*_LEAST_STEERED):
            yield Fault(place, "TF Serving 1.15 or later: no earlier one reads its model configuration again")
    elif not force and not reads_hdfs(Version.parse(version)):
        yield Fault(
            place,
            "TF Serving 0.6 to 2.6: no other official build reads hdfs:// (delivery: sync brings the model to the "
            "server's disk; --force for a build of your own that reads it)",
        )


def _port_range(document: ServiceFile) -> Iterator[Fault]:
    ports = _used_ports(document)
    most = most_replicas(*ports.values())
    if document.ports.per_replica and document.replicas > most:
        yield Fault(
            ("replicas",),
            f"at most {most}: each replica's ports are {PORT_STRIDE} above the last one's, "
            f"and {max(ports.values())} leaves room for no more",
        )


def _port_pair(document: ServiceFile) -> Iterator[Fault]:
    ports, per_replica = _used_ports(document), document.ports.per_replica
    for first, second in itertools.combinations(ports, 2):
        field, other = (second, first) if second in document.ports.model_fields_set else (first, second)
        if ports[field] == ports[other]:
            yield Fault(("ports", field), f"another port than ports.{other}")
        elif per_replica and (ports[field] - ports[other]) % PORT_STRIDE == 0:
            yield Fault(
                ("ports", field),
                f"a port that ends in another digit than ports.{other}: the ports of two replicas are {PORT_STRIDE} "
                f"apart, so one's {_PORTS[field]} port would be another's {_PORTS[other]} port",
            )


def _used_ports(document: ServiceFile) -> dict[str, int]:
    """The ports that a replica has, by their names in the file."""
    names = ("rest", "grpc", "agent") if has_agent(document) else ("rest", "grpc")
    return {name: getattr(document.ports, name) for name in names}


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
        "entrypoint": (
            docker and document.entrypoint and not has_agent(document),
            "without a shell nothing computes a replica's ports",
        ),
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


def _deliveries(document: ServiceFile) -> Iterator[Fault]:
    for index, model in enumerate(models(document)):
        place: Path = ("model", index) if isinstance(document.model, list) else ("model",)
        if model.delivery != models(document)[0].delivery:
            yield Fault((*place, "delivery"), f"{models(document)[0].delivery}, as the first model has: one server")
        if model.swap != "hot" and model.delivery != "sync":
            yield Fault((*place, "swap"), "delivery: sync beside it: without an agent the server swaps by itself")


def _agent(document: ServiceFile) -> Iterator[Fault]:
    if not has_agent(document):
        if "agent" in document.model_fields_set:
            yield Fault(("agent",), "delivery: sync beside it: without it there is no agent")
        return
    for name in AGENT_FLAGS:
        if name in document.serving.flags:
            yield Fault(("serving", "flags", name), f"no {name} with delivery: sync: {AGENT_FLAGS[name]}")
    cache = document.agent.cache
    writable = [mount.target for mount in document.mounts if not mount.read_only]
    if document.image and cache and not any(f"{cache}/".startswith(f"{target}/") for target in writable):
        yield Fault(("agent", "cache"), f"a directory below a mount that is rw, such as mounts: [{cache}:{cache}:rw]")


def _supervise(document: ServiceFile) -> Iterator[Fault]:
    policy = document.supervise
    if policy.min_available is not None and policy.min_available >= document.replicas:
        yield Fault(
            ("supervise", "min_available"),
            f"less than replicas ({document.replicas}): with none to spare, none could ever be restarted",
        )
    if policy.check_interval > LONGEST_CHECK_INTERVAL:
        yield Fault(
            ("supervise", "check_interval"),
            f"at most {LONGEST_CHECK_INTERVAL} seconds: what is seen less often is no evidence any more",
        )
    if policy.check_timeout > policy.check_interval:
        yield Fault(("supervise", "check_timeout"), f"at most check_interval, {policy.check_interval} seconds")
