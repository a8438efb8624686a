"""What a decision can be carried out with, and what of Hadoop that needs: a table, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from yarnserve.records.ledger import Do
from yarnserve.records.version import Version
from yarnserve.render.features import DECOMMISSION, SERVICES, SIGNALS, Feature


class Means(Enum):
    """What makes something happen: a call of YARN's, or an order to an agent."""

    AGENT = "its agent lets requests out and leaves the container"
    SIGNAL = "signal to its container"
    DECOMMISSION = "decommission, then flex back up"
    LEAVE_OUT = "decommission"
    FLEX = "flex"
    CHANNEL = "channel of the model repository"
    SUBMIT = "start through the services API"
    STOP_START = "stop, then start"


@dataclass(frozen=True)
class Entry:
    """*do* can be carried out with *means* where Hadoop has *needs*, and agents for what is done *by_agents*."""

    do: Do
    means: Means
    needs: Feature = SERVICES
    by_agents: bool = False


#: The best means of each first.
TABLE = (
    Entry(Do.RESTART, Means.AGENT, by_agents=True),
    Entry(Do.RESTART, Means.SIGNAL, SIGNALS),
    Entry(Do.RESTART, Means.DECOMMISSION, DECOMMISSION),
    Entry(Do.MOVE, Means.DECOMMISSION, DECOMMISSION),
    Entry(Do.TAKE_OUT, Means.LEAVE_OUT, DECOMMISSION),
    Entry(Do.READMIT, Means.FLEX),
    Entry(Do.RESIZE, Means.FLEX),
    Entry(Do.ROLL_BACK, Means.CHANNEL, by_agents=True),
    Entry(Do.START, Means.SUBMIT),
    Entry(Do.RELAUNCH, Means.STOP_START),
)


def means_for(do: Do, version: Version, *, has_agents: bool = False) -> Means | None:
    """Return the best means to *do* that on Hadoop *version*, None where there is none.

    *has_agents* says that the service's replicas have agents, and that they are to be used.
    """
    found = (entry for entry in TABLE if entry.do is do and (has_agents or not entry.by_agents))
    return next((entry.means for entry in found if entry.needs.on(version)), None)


def all_means(version: Version, *, has_agents: bool) -> dict[Do, str]:
    """The best means, in words, of everything that can be done on Hadoop *version*."""
    found = {do: means_for(do, version, has_agents=has_agents) for do in Do}
    return {do: means.value for do, means in found.items() if means is not None}
