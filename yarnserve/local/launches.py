"""From a spec to the command line, the files and the environment of each replica on this host. Pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from xml.sax.saxutils import escape

from yarnserve.errors import ConfigurationError, NotFoundError, UsageError
from yarnserve.local import docker_arguments
from yarnserve.local.records import Launch, Start, Way
from yarnserve.serving import config_files
from yarnserve.serving.arguments import launch_command, reads_hdfs_in_docker
from yarnserve.spec.assignment import Assignment, HdfsAccess
from yarnserve.spec.endpoints import instance_number, most_replicas, used_ports
from yarnserve.spec.model import COMPONENT, STABLE, ServiceSpec

#: Where a server that reads HDFS itself finds its files, below its work directory, as on YARN.
CONF = "conf"


@dataclass(frozen=True)
class HostFacts:
    """What a launch has to know of this host and its HDFS.

    Attributes:
        hdfs: how agents reach HDFS.
        state: the directory of the service on this host.
        user: user and group id, as Docker takes them: ``1000:1000``.
        cpus: processors.
        image_id: of the spec's image; empty for plain processes.
        hdfs_client: properties of Hadoop's files, for a server in a container that reads HDFS itself.
        hadoop_conf: the directory of Hadoop's configuration, for one that is a plain process; may be empty.
        python: the interpreter that runs agents which are plain processes.
    """

    hdfs: HdfsAccess
    state: PurePath
    user: str
    cpus: int
    image_id: str = ""
    hdfs_client: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    hadoop_conf: str = ""
    python: str = sys.executable


def local_spec(spec: ServiceSpec, *, replicas: int | None, is_docker: bool) -> tuple[ServiceSpec, Way]:
    """Return *spec* as this host is to run it, with *replicas* in place of its own where given, and in what.

    Raises:
        UsageError, ConfigurationError: that cannot be.
    """
    if replicas is not None:
        spec = replace(spec, replicas=replicas)
    _refuse(spec)
    if spec.image and is_docker:
        return spec, Way.DOCKER
    return replace(spec, image=None, entrypoint=False, mounts=()), Way.PROCESS


def _refuse(spec: ServiceSpec) -> None:
    if spec.replicas > 1 and not spec.ports.per_replica:
        raise UsageError(
            f"{spec.replicas} replicas cannot have the same ports on one host",
            why="service.yaml says ports.per_replica: false, which is for one replica a node",
            fix="say --replicas 1, or leave ports.per_replica at true",
        )
    most = most_replicas(*used_ports(spec))
    if spec.ports.per_replica and spec.replicas > most:
        raise UsageError(f"at most {most} replicas find ports below 65536", fix="take lower ports, or fewer replicas")
    for model in spec.models:
        if model.version == STABLE and not spec.has_agent:
            raise ConfigurationError(
                f"a server that reads HDFS itself does not know which version of {model.name} is stable",
                why="service.yaml says version: stable with delivery: native",
                fix="write its number, or say delivery: sync: agents follow the channel",
                next=f"yarnserve models list {model.base_path}",
            )


def instances(spec: ServiceSpec) -> tuple[str, ...]:
    """The names of the replicas of *spec*."""
    return tuple(f"{COMPONENT}-{number}" for number in range(spec.replicas))


def require_instance(spec: ServiceSpec, replica: str) -> str:
    """Return the name of *replica*, ``serve-1`` or ``1``.

    Raises:
        NotFoundError: *spec* has none.
    """
    name = f"{COMPONENT}-{replica}" if replica.isdecimal() else replica
    if name not in instances(spec):
        raise NotFoundError(f"{spec.name} has no replica {replica!r}", why=f"there are {', '.join(instances(spec))}")
    return name


def starts(spec: ServiceSpec, way: Way, facts: HostFacts) -> tuple[Start, ...]:
    """Return how each replica of *spec* is started.

    How many others there are is told an agent, for the rate of its downloads, but no reason to replace it.
    """
    return tuple(
        Start(launch(spec, way, instance, facts), launch(replace(spec, replicas=1), way, instance, facts).fingerprint)
        for instance in instances(spec)
    )


def launch(spec: ServiceSpec, way: Way, instance: str, facts: HostFacts) -> Launch:
    """Return how the replica *instance* is started."""
    files = _files(spec, facts)
    if way is Way.DOCKER:
        arguments = docker_arguments.run_arguments(
            spec, instance, work=facts.state / instance, user=facts.user, host_cpus=facts.cpus
        )
        return Launch(instance, arguments, files, image_id=facts.image_id)
    environment = {**spec.env, **_process_environment(spec, instance, facts)}
    return Launch(instance, _process_arguments(spec, instance, facts), files, environment)


def _files(spec: ServiceSpec, facts: HostFacts) -> dict[str, str]:
    if spec.has_agent:
        return {config_files.ASSIGNMENT: Assignment(spec, facts.hdfs).to_text()}
    files = {f"{CONF}/{name}": text for name, text in config_files.contents(spec).items()}
    if reads_hdfs_in_docker(spec):
        files |= {f"{CONF}/{name}": hadoop_xml(properties) for name, properties in facts.hdfs_client.items()}
    return files


def _process_arguments(spec: ServiceSpec, instance: str, facts: HostFacts) -> tuple[str, ...]:
    if not spec.has_agent:
        return (docker_arguments.SHELL, "-c", launch_command(spec))
    work = facts.state / instance
    assignment = str(work / config_files.ASSIGNMENT)
    told = ("agent", assignment, "--instance", instance, "--directory", str(work))
    return (facts.python, "-m", "yarnserve", *told)


def _process_environment(spec: ServiceSpec, instance: str, facts: HostFacts) -> dict[str, str]:
    """What YARN puts into the place of its tokens in a launch command, where HDFS is, and whose GPUs are whose."""
    environment = {}
    if not spec.has_agent:
        environment["COMPONENT_ID"] = str(instance_number(instance))
        environment["HADOOP_USER_NAME"] = facts.hdfs.user
        if facts.hadoop_conf:
            environment["HADOOP_CONF_DIR"] = facts.hadoop_conf
    if spec.resources.gpus:
        environment["CUDA_VISIBLE_DEVICES"] = docker_arguments.devices(spec, instance)
    return environment


def hadoop_xml(properties: Mapping[str, str]) -> str:
    """Return a file of Hadoop's configuration."""
    body = "".join(
        f"  <property><name>{escape(name)}</name><value>{escape(value)}</value></property>\n"
        for name, value in sorted(properties.items())
    )
    return f'<?xml version="1.0"?>\n<configuration>\n{body}</configuration>\n'
