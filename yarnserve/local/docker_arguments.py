"""The arguments of ``docker run`` for a replica. Pure."""

from __future__ import annotations

from pathlib import PurePath

from yarnserve.serving import config_files
from yarnserve.serving.arguments import launch_command
from yarnserve.spec.endpoints import endpoint, instance_number
from yarnserve.spec.model import Network, ServiceSpec

#: What a container says of itself: whose replica it is, which one, what it was started as, by whom it is kept, and
#: from which state directory.
SERVICE = "yarnserve.service"
INSTANCE = "yarnserve.instance"
MARK = "yarnserve.mark"
FOREGROUND = "yarnserve.foreground"
STATE = "yarnserve.state"

#: The work directory inside the container: no image has anything there, and every user may pass its parents, unlike a
#: home's.
WORK = "/var/lib/yarnserve"

#: As on YARN (docker-on-yarn-observed.md): what works there works here, and the other way round.
HOME = "/home/"

#: What a launch command needs, as on YARN.
SHELL = "/bin/bash"

#: Seconds that an agent needs beyond its draining to end its server and itself.
STOP_MARGIN = 10

#: Files of a container's output that are kept, and how large each gets.
LOG_FILES = 5
LOG_SIZE = "20m"


def container_name(service: str, instance: str) -> str:
    """The name of a replica's container."""
    return f"yarnserve-{service}-{instance}"


def stop_seconds(spec: ServiceSpec) -> int:
    """Seconds that a replica has between SIGTERM and SIGKILL."""
    return (spec.agent.drain if spec.has_agent else 0) + STOP_MARGIN


def devices(spec: ServiceSpec, instance: str) -> str:
    """The GPUs of a replica, ``2,3``: each has its own; Docker's plain number gives the first ones to everybody."""
    first = instance_number(instance) * spec.resources.gpus
    return ",".join(str(first + index) for index in range(spec.resources.gpus))


def run_arguments(spec: ServiceSpec, instance: str, *, work: PurePath, user: str, host_cpus: int) -> tuple[str, ...]:
    """Return what stands behind ``docker run`` for *instance*; who keeps the container is told before it.

    Args:
        spec: its service.
        instance: such as ``serve-0``.
        work: its work directory on this host, whose parent is the state directory.
        user: user and group id.
        host_cpus: processors of this host: Docker refuses to give more, which YARN's vcores may be.
    """
    options = [
        f"--name={container_name(spec.name, instance)}",
        f"--label={SERVICE}={spec.name}",
        f"--label={INSTANCE}={instance}",
        f"--label={STATE}={work.parent}",
        f"--user={user}",
        f"--env=HOME={HOME}",
        *_environment(spec, instance),
        f"--workdir={WORK}",
        # Z: where SELinux is on, a container reaches only what has its label. It means nothing elsewhere.
        f"--volume={work}:{WORK}:rw,Z",
        *_mounts(spec, work),
        "--read-only",
        "--tmpfs=/tmp",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        *_network(spec, instance),
        *_resources(spec, instance, host_cpus),
        "--stop-signal=SIGTERM",
        f"--stop-timeout={stop_seconds(spec)}",
        "--log-driver=json-file",
        f"--log-opt=max-size={LOG_SIZE}",
        f"--log-opt=max-file={LOG_FILES}",
    ]
    if not spec.entrypoint:
        options.append(f"--entrypoint={spec.agent.command if spec.has_agent else SHELL}")
    return (*options, str(spec.image), *_program_arguments(spec, instance))


def _program_arguments(spec: ServiceSpec, instance: str) -> list[str]:
    """What the program gets: the agent, a shell, or the image's own ENTRYPOINT."""
    if spec.has_agent:
        return ["agent", f"{WORK}/{config_files.ASSIGNMENT}", "--instance", instance, "--directory", WORK]
    if spec.entrypoint:
        # The spec's checks keep commas out of every argument.
        return launch_command(spec).split(",")
    return ["-c", launch_command(spec)]


def _environment(spec: ServiceSpec, instance: str) -> list[str]:
    variables = dict(spec.env)
    if not spec.has_agent:
        variables["COMPONENT_ID"] = str(instance_number(instance))
    return [f"--env={name}={value}" for name, value in sorted(variables.items())]


def _mounts(spec: ServiceSpec, work: PurePath) -> list[str]:
    mounts = [f"{each.source}:{each.target}:{'ro' if each.read_only else 'rw'}" for each in spec.mounts]
    if spec.entrypoint and not spec.has_agent and config_files.contents(spec):
        place = config_files.destination("", spec).rstrip("/")
        mounts.append(f"{work}/conf:{place}:ro,Z")
    return [f"--volume={mount}" for mount in mounts]


def _network(spec: ServiceSpec, instance: str) -> list[str]:
    if spec.network is Network.HOST:
        return ["--network=host"]
    return ["--network=bridge", *(f"--publish={port}:{port}" for port in ports(spec, instance))]


def _resources(spec: ServiceSpec, instance: str, host_cpus: int) -> list[str]:
    """Swap is no memory: a model server that swaps answers nobody in time."""
    memory = f"{spec.resources.memory_mb}m"
    limits = [f"--memory={memory}", f"--memory-swap={memory}", f"--cpus={min(spec.resources.cpus, host_cpus)}"]
    # In quotes, as Docker takes several values of one field.
    return [*limits, f'--gpus="device={devices(spec, instance)}"'] if spec.resources.gpus else limits


def ports(spec: ServiceSpec, instance: str) -> tuple[int, ...]:
    """The ports of this host that the replica listens on."""
    place = endpoint(spec, instance=instance, bare_host="127.0.0.1")
    listed = (place.grpc_port, place.rest_port, place.agent_port)
    return tuple(port for port in listed if port is not None)
