"""Where a replica answers: the one place that knows how ports follow from service.yaml.

Whoever talks to a replica asks :func:`endpoint`; whoever starts one uses :func:`port_expression`. Both derive from
the same base ports and the same stride, so they cannot disagree.
"""

from __future__ import annotations

import re

from yarnserve.errors import MalformedAnswerError
from yarnserve.records.replica import Endpoint
from yarnserve.spec.model import PORT_STRIDE, ServiceSpec

_HIGHEST_PORT = 65535

_INSTANCE = re.compile(r"[a-z][a-z0-9-]*-([0-9]{1,9})")


def instance_number(instance: str) -> int:
    """Return the component id of a component instance name: 12 for ``serve-12`` (yarn-services.md 2, Container).

    Raises:
        MalformedAnswerError: the name does not end in a number.
    """
    match = _INSTANCE.fullmatch(instance)
    if match is None:
        raise MalformedAnswerError(
            f"{instance!r} is not the name of a component instance",
            why="YARN names instances <component>-<number>",
        )
    return int(match.group(1))


def endpoint(spec: ServiceSpec, *, instance: str, bare_host: str) -> Endpoint:
    """Return where the replica *instance* answers on the host that YARN reports as *bare_host*.

    Raises:
        MalformedAnswerError: *instance* has no number.
    """
    number = instance_number(instance)
    offset = PORT_STRIDE * number if spec.ports.per_replica else 0
    return Endpoint(
        host=bare_host,
        rest_port=spec.ports.rest + offset,
        grpc_port=spec.ports.grpc + offset,
        agent_port=spec.ports.agent + offset if spec.has_agent else None,
    )


def port_expression(base: int, spec: ServiceSpec) -> str:
    """Return a replica's port as the launch command computes it from *base*.

    YARN replaces ``${COMPONENT_ID}`` by the instance's number (yarn-services.md 2), the shell does the sum.
    """
    return f"$(({base}+{PORT_STRIDE}*${{COMPONENT_ID}}))" if spec.ports.per_replica else str(base)


def most_replicas(*ports: int) -> int:
    """How many replicas find ports of their own below 65536, from the base *ports*."""
    return (_HIGHEST_PORT - max(ports)) // PORT_STRIDE + 1


def used_ports(spec: ServiceSpec) -> tuple[int, ...]:
    """The base ports that the replicas of *spec* listen on."""
    ports = spec.ports
    return (ports.grpc, ports.rest, ports.agent) if spec.has_agent else (ports.grpc, ports.rest)
