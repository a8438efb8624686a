"""What cannot be rendered: things that this Hadoop does not know, or that YARN has no way to say."""

from __future__ import annotations

from yarnserve.errors import ConfigurationError
from yarnserve.records.version import Version
from yarnserve.render.features import IMAGE_DIGEST, PORTS_MAPPING, SERVICES, require
from yarnserve.serving.arguments import server_arguments
from yarnserve.spec.model import Network, Readiness, ServiceSpec

#: ``render`` asks no cluster and assumes the oldest one; ``launch`` may have been told a version too.
_LATER = "if the cluster is a later one, say so with --hadoop-version"

_SHARED = "set ports: {per_replica: false}, which puts one replica on a node"


def refuse(spec: ServiceSpec, version: Version) -> None:
    """Refuse *spec* if a cluster of Hadoop *version* would not do what it says.

    Raises:
        ConfigurationError: names the field, the version where it matters, and the way out.
    """
    if not SERVICES.on(version):
        raise ConfigurationError(
            f"Hadoop {version} is too old for yarnserve",
            why="its services API knows neither restart_policy nor placement_policy",
            fix="use a cluster of Hadoop 3.1.1 or later",
        )
    if spec.image and "@" in spec.image:
        require(IMAGE_DIGEST, version, field="image", fix=f"name it by a tag; {_LATER}")
    if spec.network is Network.BRIDGE:
        require(PORTS_MAPPING, version, field="network: bridge", fix=f"use network: host; {_LATER}")
    _refuse_ports_of_their_own(spec)
    if spec.entrypoint:
        _refuse_arguments(spec)


def _refuse_ports_of_their_own(spec: ServiceSpec) -> None:
    if spec.readiness is not Readiness.PROCESS and spec.network is Network.BRIDGE:
        raise ConfigurationError(
            f"readiness: {spec.readiness.value} does not work with network: bridge",
            why="YARN asks the container's own address, which only its node can reach",
            fix="use readiness: process; yarnserve itself asks every replica for a prediction anyway",
        )
    if not spec.ports.per_replica:
        return
    if spec.network is Network.BRIDGE:
        raise _no_shell("network: bridge", "a port mapping takes digits only (yarn-services.md 5.2)")
    if spec.entrypoint:
        raise _no_shell("entrypoint", "YARN replaces nothing in the arguments of an ENTRYPOINT (yarn-services.md 5.1)")
    if spec.readiness is not Readiness.PROCESS:
        raise _no_shell(f"readiness: {spec.readiness.value}", "YARN asks every replica at the same port")


def _no_shell(field: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"{field} does not work with ports of each replica's own", why=why, fix=_SHARED)


def _refuse_arguments(spec: ServiceSpec) -> None:
    for argument in server_arguments(spec):
        if "," in argument or " " in argument:
            raise ConfigurationError(
                f"{argument.partition('=')[0]} cannot be handed to an image's ENTRYPOINT",
                why="YARN splits the arguments at commas, and from 3.3 on at spaces (yarn-services.md 5.1)",
                fix="leave entrypoint out, or put the value into a file of the image",
            )
