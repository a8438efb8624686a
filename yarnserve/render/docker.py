"""Environment variables by which a component tells YARN how to run its Docker container (yarn-services.md 5.2)."""

from __future__ import annotations

from yarnserve.spec.endpoints import used_ports
from yarnserve.spec.model import Network, ServiceSpec

_PREFIX = "YARN_CONTAINER_RUNTIME_DOCKER_"
MOUNTS = f"{_PREFIX}MOUNTS"
PORTS_MAPPING = f"{_PREFIX}PORTS_MAPPING"
ENTRYPOINT = f"{_PREFIX}RUN_OVERRIDE_DISABLE"


def environment(spec: ServiceSpec) -> dict[str, str]:
    """Return the variables for the container of *spec*; none for a plain process.

    Every mount has its mode, which 3.1.1 demands. Bridged ports keep their numbers, because YARN reveals no others.
    """
    if spec.image is None:
        return {}
    variables = {}
    if spec.mounts:
        variables[MOUNTS] = ",".join(
            f"{mount.source}:{mount.target}:{'ro' if mount.read_only else 'rw'}" for mount in spec.mounts
        )
    if spec.network is Network.BRIDGE:
        variables[PORTS_MAPPING] = ",".join(f"{port}:{port}" for port in used_ports(spec))
    if spec.entrypoint:
        variables[ENTRYPOINT] = "true"
    return variables
