"""What a decision can be carried out with, and what of Hadoop that needs: a table, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from yarnserve.records.version import Version
from yarnserve.render.features import DECOMMISSION, SERVICES, SIGNALS, Feature


class Decision(Enum):
    """What is to happen to a service."""

    RESTART_REPLICA = "restart one replica"
    MOVE_REPLICA = "start one replica elsewhere"
    TAKE_OUT = "take one replica out"
    RESIZE = "give it its size again"
    ROLL_BACK = "go back to the model version before"
    START = "start the service again"
    RELAUNCH = "stop and start the whole service"


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
    """*decision* can be carried out with *means* where Hadoop has *needs*, and agents for what is done *by_agents*."""

    decision: Decision
    means: Means
    needs: Feature = SERVICES
    by_agents: bool = False


#: The best means of a decision first.
TABLE = (
    Entry(Decision.RESTART_REPLICA, Means.AGENT, by_agents=True),
    Entry(Decision.RESTART_REPLICA, Means.SIGNAL, SIGNALS),
    Entry(Decision.RESTART_REPLICA, Means.DECOMMISSION, DECOMMISSION),
    Entry(Decision.MOVE_REPLICA, Means.DECOMMISSION, DECOMMISSION),
    Entry(Decision.TAKE_OUT, Means.LEAVE_OUT, DECOMMISSION),
    Entry(Decision.RESIZE, Means.FLEX),
    Entry(Decision.ROLL_BACK, Means.CHANNEL, by_agents=True),
    Entry(Decision.START, Means.SUBMIT),
    Entry(Decision.RELAUNCH, Means.STOP_START),
)


def means_for(decision: Decision, version: Version, *, has_agents: bool = False) -> Means | None:
    """Return the best means for *decision* on Hadoop *version*, None where there is none.

    *has_agents* says that the service's replicas have agents, and that they are to be used.
    """
    found = (entry for entry in TABLE if entry.decision is decision and (has_agents or not entry.by_agents))
    return next((entry.means for entry in found if entry.needs.on(version)), None)
