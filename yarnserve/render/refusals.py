"""What this Hadoop does not know; what no Hadoop could do, the spec's own checks have refused before."""

from __future__ import annotations

from yarnserve.errors import ConfigurationError
from yarnserve.records.version import Version
from yarnserve.render.features import IMAGE_DIGEST, PORTS_MAPPING, SERVICES, require
from yarnserve.spec.model import Network, ServiceSpec

#: ``render`` asks no cluster and assumes the oldest one; ``launch`` may have been told a version too.
_LATER = "if the cluster is a later one, say so with --hadoop-version"


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
