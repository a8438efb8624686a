"""What a decision can be carried out with, and since which Hadoop (design: supervisor). A table, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from yarnserve.records.version import Version


class Decision(Enum):
    """What is to happen to a service."""

    RESTART_REPLICA = "restart one replica"


class Means(Enum):
    """A call of YARN's that makes something happen."""

    SIGNAL = "signal to its container"
    DECOMMISSION = "decommission, then flex back up"


@dataclass(frozen=True)
class Entry:
    """*decision* can be carried out with *means* from *first* on: the first release of each line that has it.

    A later line than the last one of *first* has it too.
    """

    decision: Decision
    means: Means
    first: tuple[Version, ...]

    def on(self, version: Version) -> bool:
        """Whether Hadoop *version* has it."""
        if version.at_least(self.first[-1].major, self.first[-1].minor, self.first[-1].patch):
            return True
        lines = (each for each in self.first if (each.major, each.minor) == (version.major, version.minor))
        return any(version.at_least(each.major, each.minor, each.patch) for each in lines)


#: The best means of a decision first (real-hadoop.md 7, item 15; yarn-services.md, feature table).
TABLE = (
    Entry(Decision.RESTART_REPLICA, Means.SIGNAL, (Version(3, 3, 0),)),
    Entry(Decision.RESTART_REPLICA, Means.DECOMMISSION, (Version(3, 1, 3), Version(3, 2, 1))),
)


def means_for(decision: Decision, version: Version) -> Means | None:
    """Return the best means that Hadoop *version* has for *decision*, None where it has none."""
    return next((entry.means for entry in TABLE if entry.decision is decision and entry.on(version)), None)
