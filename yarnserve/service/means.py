"""What a decision can be carried out with, and what of Hadoop that needs: a table, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from yarnserve.records.version import Version
from yarnserve.render.features import DECOMMISSION, SIGNALS, Feature


class Decision(Enum):
    """What is to happen to a service."""

    RESTART_REPLICA = "restart one replica"


class Means(Enum):
    """What makes something happen: a call of YARN's, or an order to an agent."""

    AGENT = "its agent lets requests out and leaves the container"
    SIGNAL = "signal to its container"
    DECOMMISSION = "decommission, then flex back up"


@dataclass(frozen=True)
class Entry:
    """*decision* can be carried out with *means* wherever Hadoop has *needs*."""

    decision: Decision
    means: Means
    needs: Feature


#: The best means of a decision first.
TABLE = (
    Entry(Decision.RESTART_REPLICA, Means.SIGNAL, SIGNALS),
    Entry(Decision.RESTART_REPLICA, Means.DECOMMISSION, DECOMMISSION),
)


def means_for(decision: Decision, version: Version) -> Means | None:
    """Return the best means that Hadoop *version* has for *decision*, None where it has none."""
    return next((entry.means for entry in TABLE if entry.decision is decision and entry.needs.on(version)), None)
