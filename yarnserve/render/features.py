"""What a Hadoop version can take: the one table of what came with which release.

Something sent to a cluster that does not know it is a 404 without a word about the field (yarn-services.md 1.4), or
is silently without effect. Asking here first makes it an error that names the field, the version and the way out.
"""

from __future__ import annotations

from dataclasses import dataclass

from yarnserve.errors import ConfigurationError
from yarnserve.records.version import Version


@dataclass(frozen=True)
class Feature:
    """Something that not every Hadoop can do.

    *firsts* holds the first release that can on each line (major.minor) that got it late; every line after the
    last of them has it from its first release on, a line in between or before that is not named never got it.
    """

    name: str
    firsts: tuple[Version, ...]
    source: str

    def on(self, version: Version) -> bool:
        """Whether Hadoop *version* has it; a vendor's build counts as the Apache release it is based on."""
        line = (version.major, version.minor)
        for first in self.firsts:
            if (first.major, first.minor) == line:
                return version.at_least(first.major, first.minor, first.patch)
        last = max(self.firsts)
        return line > (last.major, last.minor)

    @property
    def since(self) -> str:
        """The first releases in words: ``3.1.2, 3.2.1, 3.3.0``."""
        return ", ".join(str(first) for first in self.firsts)


def _feature(name: str, firsts: str, source: str) -> Feature:
    return Feature(name, tuple(Version.parse(first) for first in firsts.split()), source)


SERVICES = _feature("restart_policy and placement_policy", "3.1.1", "yarn-services.md 7")
PORTS_MAPPING = _feature("port mappings of a bridge network", "3.1.2 3.2.1 3.3.0", "yarn-services.md 5.2")
DECOMMISSION = _feature("decommissioning single instances", "3.1.3 3.2.1", "yarn-services.md 2, 7")
SIGNALS = _feature("signals to containers", "3.3.0", "real-hadoop.md 7, item 15: absent in 3.1.4, present in 3.3.6")
IMAGE_DIGEST = _feature("image digests (name@sha256:...)", "3.3.5 3.4.0", "yarn-services.md 5.2, 7")

#: Every feature above.
FEATURES = tuple(value for value in list(globals().values()) if isinstance(value, Feature))


def require(feature: Feature, version: Version, *, field: str, fix: str) -> None:
    """Refuse what service.yaml asks for in *field* where Hadoop *version* does not know it.

    Raises:
        ConfigurationError: *version* lacks *feature*.
    """
    if feature.on(version):
        return
    raise ConfigurationError(
        f"{field} needs {feature.name}, which Hadoop {version} does not have",
        why=f"it came with Hadoop {feature.since}",
        fix=fix,
    )
